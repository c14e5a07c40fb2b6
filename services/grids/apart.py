"""Look into an HDF5 file in a process of its own: HDF5 itself may crash over a damaged one, and must take nobody along."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

import h5py

from core.blobs import BlobInfo
from core.errors import BadInput
from services.grids import hdf5
from services.grids.hdf5 import Contents
from services.storage.spool import Spool, SpoolReader

PATIENCE = 60.0
"""Seconds without a word after which the process is taken to run in circles."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", __name__])


class Wanted(NamedTuple):
    """Bytes of the file that the process asks for."""

    start: int
    length: int


class FarSpool:
    """The spool as the process sees it: at the other end of a line."""

    def __init__(self, line: Connection, info: BlobInfo) -> None:
        self.line, self.info = line, info

    def read(self, start: int, length: int) -> bytes:
        self.line.send(Wanted(start, length))
        return self.line.recv_bytes()


def contents(spool: Spool, only: str | None) -> Contents:
    """The root group, or one dataset of it, found by a process that reads through this one."""
    with _process(spool.info, only) as line:
        while True:
            match _said(line, spool):
                case Wanted(start, length):
                    line.send_bytes(spool.read(start, length))
                case Exception() as error:
                    raise error
                case found:
                    return cast(Contents, found)


def _said(line: Connection, spool: Spool) -> Any:
    try:
        if line.poll(PATIENCE):
            return line.recv()
    except EOFError:
        raise BadInput(f"{spool.info.ref} is damaged: it crashes HDF5; send it again") from None
    raise BadInput(f"{spool.info.ref} is damaged: HDF5 does not come to its end; send it again")


@contextmanager
def _process(info: BlobInfo, only: str | None) -> Iterator[Connection]:
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_look, args=(theirs, info, only), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def _look(line: Connection, info: BlobInfo, only: str | None) -> None:
    """What the process does."""
    try:
        file = SpoolReader(cast(Spool, FarSpool(line, info)))
        with hdf5.understood(info.ref), h5py.File(file, "r") as opened:
            line.send(hdf5.contents(opened, info, only))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other end raises it
        line.send(error)
