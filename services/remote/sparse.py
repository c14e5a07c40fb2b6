"""A file of which some pieces are at hand."""

from __future__ import annotations

from os import SEEK_CUR, SEEK_END, SEEK_SET


class Missing(Exception):
    """Bytes were read that are not at hand."""


class Sparse:
    """Pieces of a file that lies elsewhere, opened like a file."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pieces: list[tuple[int, bytes]] = []

    def add(self, start: int, data: bytes) -> None:
        self._pieces.append((start, data))

    def holds(self, start: int, length: int) -> bool:
        return any(at <= start and start + length <= at + len(data) for at, data in self._pieces)

    def read(self, start: int, length: int) -> bytes:
        end = min(start + length, self.size)
        found = bytearray()
        while start + len(found) < end:
            found += self._from(start + len(found), end)
        return bytes(found)

    def open(self, mode: str = "rb", buffering: int = 0) -> SparseReader:
        return SparseReader(self)

    def _from(self, start: int, end: int) -> bytes:
        for at, data in self._pieces:
            if at <= start < at + len(data):
                return data[start - at : end - at]
        raise Missing(start)


class SparseReader:
    """One reader's place in the file."""

    def __init__(self, file: Sparse) -> None:
        self._file, self._at = file, 0

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._file.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._at, self._file.size if size < 0 else size)
        self._at += len(data)
        return data

    def close(self) -> None: ...

    def __enter__(self) -> SparseReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
