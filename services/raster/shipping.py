"""Store a file while it is still being written: its pieces leave as soon as they are complete, and what was
changed afterwards, as the head of a COG is, leaves again at the end."""

import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

from core.blobs import BlobRef, Blobs
from core.errors import ServiceUnavailable
from services.raster.models import COG_TYPE

PIECE = 8 << 20
BEHIND = 4 << 20
"""A piece is complete when the file has grown so far beyond it; writers work in several places near the end."""
LOOK_EVERY = 0.1
AT_ONCE = 2
IN_MEMORY = AT_ONCE + 1
"""Pieces that are on their way or next: however slow storage is, no more of the file is held."""


class Shipment:
    """One file on its way to one blob: `complete` it, then `finish` it. Nothing is visible before."""

    def __init__(self, blobs: Blobs, file: Path, staged: BlobRef) -> None:
        self.blobs, self.file, self.staged = blobs, file, staged
        self._pool = ThreadPoolExecutor(AT_ONCE, "shipping")
        self._sent: dict[int, int] = {}
        self._digest = hashlib.md5(usedforsecurity=False)
        self._waiting: list[Future[None]] = []
        self._room = threading.Semaphore(IN_MEMORY)
        self._written = threading.Event()
        self._watch = threading.Thread(target=self._follow, name="shipment", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._written.set()
        self._watch.join()
        self._pool.shutdown(cancel_futures=True)
        if error is not None:
            with suppress(ServiceUnavailable):  # what went wrong first is what is told
                self.blobs.drop_pieces(self.staged)

    def complete(self) -> None:
        """Everything is written: send what is missing or was changed."""
        self._written.set()
        self._watch.join()
        self._settle()
        with self.file.open("rb") as data:
            for number in range(ceil(self.file.stat().st_size / PIECE)):
                piece = data.read(PIECE)
                self._digest.update(piece)
                if self._sent.get(number) != crc32(piece):
                    self._send(number, piece)
                    if self._has_lost():
                        break
        self._settle()

    def finish(self, target: BlobRef) -> None:
        """Make a blob of what was sent, and give it its name."""
        size, md5 = self.file.stat().st_size, self._digest.hexdigest()
        count = ceil(size / PIECE)
        stored = self.blobs.commit_pieces(self.staged, count, content_type=COG_TYPE, md5=md5)
        if stored.size != size:
            self.blobs.delete(self.staged)
            raise ServiceUnavailable(f"{stored.size} of {size} bytes of {target.name} were stored")
        self.blobs.promote(self.staged, target)

    def _follow(self) -> None:
        number = 0
        while not self._written.wait(LOOK_EVERY):
            while self._is_whole(number):
                if self._has_lost():
                    return
                with self.file.open("rb") as data:
                    data.seek(number * PIECE)
                    self._send(number, data.read(PIECE))
                number += 1

    def _is_whole(self, number: int) -> bool:
        try:
            return self.file.stat().st_size >= (number + 1) * PIECE + BEHIND
        except FileNotFoundError:
            return False

    def _send(self, number: int, piece: bytes) -> None:
        """Waits until there is room for it."""
        self._room.acquire()
        self._sent[number] = crc32(piece)
        sent = self._pool.submit(self.blobs.put_piece, self.staged, number, piece)
        sent.add_done_callback(lambda _: self._room.release())
        self._waiting.append(sent)

    def _has_lost(self) -> bool:
        """One piece that cannot be sent is enough; `complete` tells why."""
        return any(each.done() and each.exception() for each in self._waiting)

    def _settle(self) -> None:
        """Wait for what is under way; an error in sending is raised here."""
        for each in self._waiting:
            each.result()
        self._waiting.clear()
