"""How many bytes tasks move: counted where they pass, and written down by the hour."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import CoreMachineError
from core.internet import Ask, Internet, Reader, Told

log = logging.getLogger(__name__)


class Moved(NamedTuple):
    """Bytes that came in, from storage or from the internet, and bytes that were stored."""

    read: int = 0
    written: int = 0

    def and_more(self, other: Moved) -> Moved:
        return Moved(self.read + other.read, self.written + other.written)


NOTHING_MOVED = Moved()


class TrafficBook(Protocol):
    """Keeps sums of what job types moved, by the hour."""

    def add(self, moved: Mapping[str, Moved]) -> None: ...


class Traffic:
    """One for a process. What it has counted since the last flush is lost with the process: these are figures, not records."""

    def __init__(self, book: TrafficBook) -> None:
        self.book = book
        self._lock = threading.Lock()
        self._sums: dict[str, Moved] = {}

    def add(self, job_type: str, moved: Moved) -> None:
        with self._lock:
            self._sums[job_type] = self._sums.get(job_type, Moved()).and_more(moved)

    def flush(self) -> None:
        """Write down what is new. What cannot be written now is added to what comes."""
        with self._lock:
            sums, self._sums = self._sums, {}
        if not sums:
            return
        try:
            self.book.add(sums)
        except CoreMachineError as error:  # a figure is worth less than the tasks it tells of
            log.warning("bytes moved by %d job type(s) not written down: %s", len(sums), error)
            for job_type, moved in sums.items():
                self.add(job_type, moved)


class Count:
    """What one task moves; its threads may count at once. Made for every task, so it is cheap to make."""

    __slots__ = ("_lock", "moved")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.moved = NOTHING_MOVED

    def read(self, size: int) -> None:
        self._add(Moved(read=size))

    def wrote(self, size: int) -> None:
        self._add(Moved(written=size))

    def _add(self, moved: Moved) -> None:
        with self._lock:
            self.moved = self.moved.and_more(moved)

    def blobs(self, blobs: Blobs) -> Blobs:
        """The same storage, seen through this count."""
        return cast("Blobs", _CountedBlobs(blobs, self))

    def options(self, options: Mapping[type[Any], object]) -> Mapping[type[Any], object]:
        """The same options, with the internet seen through this count."""
        return _CountedOptions(options, self)

    def internet(self, internet: Internet) -> Internet:
        return replace(internet, reader=_CountedReader(internet.reader, self))


class _CountedOptions(Mapping[type[Any], object]):
    __slots__ = ("_count", "_options")

    def __init__(self, options: Mapping[type[Any], object], count: Count) -> None:
        self._options, self._count = options, count

    def __getitem__(self, kind: type[Any]) -> object:
        found = self._options[kind]
        return self._count.internet(found) if isinstance(found, Internet) else found

    def __iter__(self) -> Iterator[type[Any]]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


class _CountedBlobs:
    """Counts what comes and goes; everything else is storage's own."""

    def __init__(self, blobs: Blobs, count: Count) -> None:
        self._blobs, self._count = blobs, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CountedBlobs) and self._blobs == other._blobs

    def __hash__(self) -> int:
        return hash(self._blobs)

    def read(
        self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> bytes:
        data = self._blobs.read(ref, start, length, etag=etag)
        self._count.read(len(data))
        return data

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        for chunk in self._blobs.chunks(ref):
            self._count.read(len(chunk))
            yield chunk

    def write(self, ref: BlobRef, data: bytes | IO[bytes], **how: Any) -> BlobInfo:
        info = self._blobs.write(ref, data, **how)
        self._count.wrote(info.size)
        return info

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        self._blobs.put_piece(ref, number, data)
        self._count.wrote(len(data))

    @contextmanager
    def local(self, ref: BlobRef) -> Generator[Path]:
        with self._blobs.local(ref) as path:
            self._count.read(path.stat().st_size)
            yield path


@dataclass(frozen=True, slots=True)
class _CountedReader:
    """Counts what the internet answers."""

    reader: Reader
    count: Count

    def read(self, ask: Ask) -> Told:
        told = self.reader.read(ask)
        self.count.read(len(told.body))
        return told

    def close(self) -> None:
        self.reader.close()
