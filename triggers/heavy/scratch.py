"""A worker's own folder for temporary files, cleared away by whoever comes after it when it could not."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

PREFIX = "coremachine-worker-"
LOCK = ".lock"
FULL = 8 << 20
"""Bytes of free disk under which nothing can be written any more that is worth it."""


class Scratch:
    """A folder that is this process's as long as it lives: a lock says so, which dies with its holder."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @classmethod
    def take(cls, base: Path | None = None) -> Scratch:
        """A new folder under the place for temporary files; folders of workers that died are removed first."""
        place = base or Path(tempfile.gettempdir())
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        while True:
            number, name = tempfile.mkstemp(LOCK, PREFIX, place)
            fcntl.flock(number, fcntl.LOCK_EX)
            if _still_named(number, Path(name)):  # no sweeper was faster than the lock
                break
            os.close(number)
        folder = Path(name).with_suffix("")
        folder.mkdir()
        return cls(folder, number)

    def room(self, name: str) -> Path:
        """A folder in it, new and empty."""
        room = self.folder / name
        clear(room)
        room.mkdir()
        return room

    def close(self) -> None:
        remove(self.folder)
        os.close(self._lock)


def is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < FULL


def remove(folder: Path) -> None:
    """A worker's folder and its lock."""
    clear(folder)
    folder.with_name(folder.name + LOCK).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def empty(folder: Path) -> None:
    """Remove what is in the folder, and leave it."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            clear(each)
        else:
            each.unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    for file in place.glob(f"{PREFIX}*{LOCK}"):
        with suppress(OSError):
            _sweep_one(file)


def _sweep_one(file: Path) -> None:
    number = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _still_named(number, file):
            log.info("removing the temporary files of a worker that died")
            remove(file.with_suffix(""))
    finally:
        os.close(number)


def _still_named(number: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), file.stat())
    except FileNotFoundError:
        return False
