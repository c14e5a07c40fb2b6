"""Zarr stores over blobs: one that keeps each key as a blob, one that finds chunks inside other files."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Literal

import zarr
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from core.blobs import BlobRef, Blobs, is_there
from core.errors import BadInput, BlobChanged, BlobNotFound
from services.grids.listing import blobs_below
from services.grids.references import Part, References

JSON = (".json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


class _Store(Store):
    """What both stores share: reads run in threads, and listings are made of all keys."""

    @property
    def supports_deletes(self) -> bool:
        return not self.read_only

    @property
    def supports_listing(self) -> bool:
        return True

    @property
    def supports_writes(self) -> bool:
        return not self.read_only

    def keys(self, prefix: str) -> Iterator[str]:
        raise NotImplementedError

    def fetch(self, key: str, wanted: ByteRequest | None) -> bytes | None:
        raise NotImplementedError

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        found = await asyncio.to_thread(self.fetch, key, byte_range)
        if found is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(found)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        asked = [self.get(key, prototype, wanted) for key, wanted in key_ranges]
        return list(await asyncio.gather(*asked))

    async def set(self, key: str, value: Buffer) -> None:
        raise BadInput(f"{self} is there to be read; nothing can be written to it")

    async def delete(self, key: str) -> None:
        raise BadInput(f"{self} is there to be read; nothing can be deleted from it")

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in await asyncio.to_thread(lambda: list(self.keys(prefix))):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        names = {
            key.removeprefix(folder).split("/")[0]: None async for key in self.list_prefix(folder)
        }
        for name in names:
            yield name


class BlobStore(_Store):
    """A Zarr store whose keys are blobs below a root. A read-only one refuses to write."""

    def __init__(self, blobs: Blobs, root: BlobRef, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self.blobs, self.root = blobs, BlobRef(root.rstrip("/"))

    def with_read_only(self, read_only: bool = False) -> BlobStore:
        return BlobStore(self.blobs, self.root, read_only=read_only)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlobStore) and (other.blobs, other.root, other.read_only) == (
            self.blobs,
            self.root,
            self.read_only,
        )

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self.root)

    def at(self, key: str) -> BlobRef:
        return BlobRef(f"{self.root}/{key}")

    def fetch(self, key: str, wanted: ByteRequest | None) -> bytes | None:
        ref = self.at(key)
        try:
            match wanted:
                case None:
                    return self.blobs.read(ref)
                case RangeByteRequest(start, end):
                    return self.blobs.read(ref, start, end - start)
                case OffsetByteRequest(offset):
                    return self.blobs.read(ref, offset)
                case SuffixByteRequest(suffix):
                    return self.blobs.read(ref, max(0, self.blobs.info(ref).size - suffix))
        except BlobNotFound:
            return None

    def keys(self, prefix: str) -> Iterator[str]:
        start = len(self.root) + 1
        return (blob.ref[start:] for blob in blobs_below(self.blobs, self.root, prefix))

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._exists, key)

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()
        await asyncio.to_thread(self._write, key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Zarr asks for it when a chunk turns out to hold nothing but the fill value."""
        self._check_writable()
        await asyncio.to_thread(self.blobs.delete, self.at(key))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_writable()
        try:
            await asyncio.to_thread(self._write, key, value.to_bytes(), only_if_new=True)
        except BlobChanged:
            return

    def _exists(self, key: str) -> bool:
        return is_there(self.blobs, self.at(key))

    def _write(self, key: str, data: bytes, *, only_if_new: bool = False) -> None:
        kind = "application/json" if key.endswith(JSON) else "application/octet-stream"
        self.blobs.write(self.at(key), data, content_type=kind, only_if_new=only_if_new)


class ReferenceStore(_Store):
    """A Zarr store made of references: its chunks are parts of other blobs, read where they lie."""

    def __init__(self, blobs: Blobs, found: References, name: str) -> None:
        super().__init__(read_only=True)
        self.blobs, self.refs, self.name = blobs, found.refs, name
        self.states = found.states

    def with_read_only(self, read_only: bool = False) -> ReferenceStore:
        if not read_only:
            raise BadInput(f"{self.name} is there to be read; nothing can be written to it")
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReferenceStore) and other.refs is self.refs

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

    def fetch(self, key: str, wanted: ByteRequest | None) -> bytes | None:
        match self.refs.get(key):
            case None:
                return None
            case str(text):
                data = b64decode(text[7:]) if text.startswith("base64:") else text.encode()
                start, length = _span(wanted, len(data))
                return data[start : start + length]
            case Part(ref, start, length):
                skipped, count = _span(wanted, length)
                return self.blobs.read(ref, start + skipped, count, etag=self.states.get(ref))

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self.refs if key.startswith(prefix))

    async def exists(self, key: str) -> bool:
        return key in self.refs


def open_group(found: Store, mode: Literal["r", "r+"], *, consolidated: bool | None) -> zarr.Group:
    return zarr.open_group(found, mode=mode, use_consolidated=consolidated)


def consolidate(found: Store) -> None:
    zarr.consolidate_metadata(found)


def _span(wanted: ByteRequest | None, size: int) -> tuple[int, int]:
    """Where a range begins, and how long it is, of so many bytes."""
    match wanted:
        case RangeByteRequest(start, end):
            return min(start, size), max(0, min(end, size) - start)
        case OffsetByteRequest(offset):
            return min(offset, size), max(0, size - offset)
        case SuffixByteRequest(suffix):
            return max(0, size - suffix), min(suffix, size)
        case None:
            return 0, size
