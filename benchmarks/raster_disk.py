"""Storage of which some lies on the local disk, as all of it does for the usual tools."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from core.blobs import BlobInfo, BlobRef
from infrastructure.blobs.azure import AzureBlobs


class SourceOnDisk(AzureBlobs):
    """One blob is a file here; whatever is written goes to storage."""

    def __init__(self, storage: str, source: BlobRef, file: Path) -> None:
        super().__init__(storage)
        self.source, self.file = source, file

    def info(self, ref: BlobRef) -> BlobInfo:
        return _info(ref, self.file) if ref == self.source else super().info(ref)

    def read(
        self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> bytes:
        if ref != self.source:
            return super().read(ref, start, length, etag=etag)
        with self.file.open("rb") as data:
            wanted = os.fstat(data.fileno()).st_size - start if length is None else length
            return os.pread(data.fileno(), wanted, start)


class AllOnDisk(SourceOnDisk):
    """What is written stays here too: no other process takes part."""

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        self._piece(number).write_bytes(data)

    def commit_pieces(
        self, ref: BlobRef, count: int, *, content_type: str, md5: str | None = None
    ) -> BlobInfo:
        made = self.file.with_suffix(".stored")
        with made.open("wb") as target:
            for number in range(count):
                target.write(self._piece(number).read_bytes())
                self._piece(number).unlink()
        return _info(ref, made)

    def promote(self, staged: BlobRef, final: BlobRef, *, only_if_new: bool = False) -> BlobInfo:
        made = self.file.with_suffix(".stored")
        return _info(final, made.rename(self.file.with_suffix(".final")))

    def drop_pieces(self, ref: BlobRef) -> None: ...

    def _piece(self, number: int) -> Path:
        return self.file.with_suffix(f".piece{number}")


def _info(ref: BlobRef, file: Path) -> BlobInfo:
    found = file.stat()
    made = datetime.fromtimestamp(found.st_mtime, UTC)
    return BlobInfo(ref=ref, size=found.st_size, etag=str(found.st_mtime_ns), modified=made)
