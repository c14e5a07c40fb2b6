"""A blob as a local file that fills as it is read: work begins before the last byte has come, and what
nobody reads is never fetched."""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from core.blobs import BlobInfo, Blobs
from core.errors import BadInput, BlobChanged, BlobNotFound, ServiceUnavailable

LARGE, SMALL = 4 << 20, 256 << 10
AT_ONCE = 3


class Spool:
    """One state of a blob. Pieces are fetched when first read, and all of them in order where `whole` asks so."""

    def __init__(self, blobs: Blobs, info: BlobInfo, file: Path, *, whole: bool) -> None:
        self.blobs, self.info, self.path = blobs, info, file
        self.piece = LARGE if whole else SMALL
        self.count = ceil(info.size / self.piece)
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._pieces: dict[int, Future[None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE + 1, "spool")
        self._closed = False
        workers = range(AT_ONCE) if whole else ()
        self._ahead = [self._pool.submit(self._fetch_every, AT_ONCE, first) for first in workers]
        self._summed = self._pool.submit(self._sum) if whole and info.md5 else None

    def open(self, mode: str = "rb", buffering: int = 0) -> "SpoolReader":
        return SpoolReader(self)

    def read(self, start: int, length: int) -> bytes:
        end = min(start + length, self.info.size)
        if start >= end:
            return b""
        first, last = start // self.piece, (end - 1) // self.piece
        self._need(first, last)
        return os.pread(self._file, end - start, start)

    def check(self) -> None:
        """Wait until everything has come, and compare it with what storage knows of it."""
        for worker in self._ahead:
            worker.result()
        if self._summed is not None and self.info.md5 is not None:
            self._compare(self._summed.result(), self.info.md5)

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown(cancel_futures=True)
        os.close(self._file)

    def _need(self, first: int, last: int) -> None:
        """Neighbours come in one request."""
        mine: list[int] = []
        others: list[Future[None]] = []
        with self._lock:
            for number in range(first, last + 1):
                if number in self._pieces:
                    others.append(self._pieces[number])
                else:
                    self._pieces[number] = Future()
                    mine.append(number)
        for begin, end in _runs(mine):
            self._fetch(begin, end)
        for other in others:
            other.result()

    def _fetch(self, first: int, last: int) -> None:
        start = first * self.piece
        length = min((last + 1) * self.piece, self.info.size) - start
        pieces = [self._pieces[number] for number in range(first, last + 1)]
        try:
            self._store(start, length)
        except BaseException as error:
            for piece in pieces:
                piece.set_exception(error)
            raise
        for piece in pieces:
            piece.set_result(None)

    def _store(self, start: int, length: int) -> None:
        try:
            data = self.blobs.read(self.info.ref, start, length, etag=self.info.etag)
        except BlobChanged as error:
            raise BadInput(
                f"{self.info.ref} was changed while it was read; submit it again"
            ) from error
        except BlobNotFound as error:
            raise BadInput(f"{self.info.ref} was deleted while it was read") from error
        if len(data) != length:
            raise ServiceUnavailable(f"only part of {self.info.ref} arrived; read it again")
        try:
            os.pwrite(self._file, data, start)
        except OSError as error:
            raise ServiceUnavailable(f"the scratch disk has no room for {self.info.ref}") from error

    def _fetch_every(self, step: int, first: int) -> None:
        for number in range(first, self.count, step):
            if self._closed:
                return
            self._need(number, number)

    def _sum(self) -> str:
        """The checksum, made of pieces as they come."""
        digest = hashlib.md5(usedforsecurity=False)
        for number in range(self.count):
            if self._closed:
                break
            self._need(number, number)
            digest.update(os.pread(self._file, self.piece, number * self.piece))
        return digest.hexdigest()

    def _compare(self, found: str, expected: str) -> None:
        """Storage that gives the same bytes twice gave them right: then the checksum it keeps is wrong."""
        if found == expected:
            return
        ref, etag = self.info.ref, self.info.etag
        again = _md5(self.blobs.read(ref, start, LARGE, etag=etag) for start in self._starts())
        if again == found:
            raise BadInput(f"{ref} is not what its checksum says it is; upload it again")
        raise ServiceUnavailable(f"{ref} arrived damaged; read it again")

    def _starts(self) -> range:
        return range(0, self.info.size, LARGE)


class SpoolReader:
    """A reading position in a spool, as libraries expect of a file."""

    def __init__(self, spool: Spool) -> None:
        self.spool, self.at = spool, 0

    def read(self, size: int = -1) -> bytes:
        data = self.spool.read(self.at, self.spool.info.size - self.at if size < 0 else size)
        self.at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.spool.info.size}[whence]
        self.at = base + offset
        return self.at

    def tell(self) -> int:
        return self.at

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@contextmanager
def spooled(
    blobs: Blobs, info: BlobInfo, *, whole: bool, scratch: Path | None = None
) -> Iterator[Spool]:
    """The blob, in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="spool-", dir=scratch) as folder:
        spool = Spool(blobs, info, Path(folder) / "blob", whole=whole)
        try:
            yield spool
        finally:
            spool.close()


def _md5(parts: Iterable[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each row of neighbours."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield numbers[start], numbers[at - 1]
            start = at
