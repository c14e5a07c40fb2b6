"""What was read of a tile is kept for ever, in the pieces it came in: its head, and each of its blocks."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from core.blobs import BlobInfo, BlobRef, Blobs, Zone
from core.errors import BlobChanged, BlobNotFound
from services.storage.single_flight import Turn

SUM = 8
"""Bytes before each block that tell whether it is whole."""


class Head(NamedTuple):
    """How a tile's file begins, how long it is, and which state of it that is."""

    size: int
    etag: str
    data: bytes

    @property
    def version(self) -> str:
        return sha256(f"{self.size} {self.etag}".encode()).hexdigest()[:8]


class Block(NamedTuple):
    """A piece of the raster, and where it lies in the file."""

    row: int
    column: int
    start: int
    length: int


class Kept:
    """The kept pieces of one tile. Those of one mirror and one state of its file never mix with others."""

    def __init__(self, blobs: Blobs, container: str, product: str, tile: str) -> None:
        self.blobs, self.container, self.product, self.tile = blobs, container, product, tile

    def ref(self, name: str) -> BlobRef:
        return BlobRef.of(Zone.SILVER, self.container, f"{self.product}/{self.tile}/{name}")

    def is_absent(self) -> bool:
        return self._read("absent") is not None

    def keep_absent(self) -> None:
        self._keep("absent", b"no mirror has it")

    def head(self, mirror: str) -> Head | None:
        found = self._read(f"{mirror}/head")
        if found is None:
            return None
        first, _, data = found.partition(b"\n")
        size, _, etag = first.decode().partition(" ")
        return Head(int(size), etag, data)

    def keep_head(self, mirror: str, head: Head) -> None:
        first = f"{head.size} {head.etag}\n".encode()
        self.blobs.write(self.ref(f"{mirror}/head"), first + head.data)

    def block(self, mirror: str, head: Head, block: Block) -> bytes | None:
        """None also where storage holds something else than was kept: a decoder does not notice each damage."""
        found = self._read(_name(mirror, head, block)) or b""
        data = found[SUM:]
        return data if len(data) == block.length and _sum(data) == found[:SUM] else None

    def keep_block(self, mirror: str, head: Head, block: Block, data: bytes) -> None:
        self.blobs.write(self.ref(_name(mirror, head, block)), _sum(data) + data)

    def forget(self, mirror: str, head: Head | None, blocks: Iterable[Block] = ()) -> None:
        """What does not fit together is asked for anew."""
        names = [] if head is None else [_name(mirror, head, block) for block in blocks]
        for name in (f"{mirror}/head", *names):
            self.blobs.delete(self.ref(name))

    def turn(self, mine: BlobInfo) -> Turn:
        return Turn(self.blobs, mine)

    def _read(self, name: str) -> bytes | None:
        try:
            return self.blobs.read(self.ref(name))
        except BlobNotFound:
            return None

    def _keep(self, name: str, data: bytes) -> None:
        """The first to write it wins: all write the same."""
        try:
            self.blobs.write(self.ref(name), data, only_if_new=True)
        except BlobChanged:
            return


def _name(mirror: str, head: Head, block: Block) -> str:
    return f"{mirror}/{head.version}/{block.row}-{block.column}"


def _sum(data: bytes) -> bytes:
    return sha256(data).digest()[:SUM]
