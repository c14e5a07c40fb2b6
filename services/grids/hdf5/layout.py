"""Where the cells of a dataset lie in the file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.grids.hdf5.cursor import NOWHERE, Cursor, Damaged, Unsupported
from services.grids.hdf5.ranged import RangedBlob


@dataclass(frozen=True)
class Inline:
    """The cells stand in the header itself."""

    data: bytes


@dataclass(frozen=True)
class Contiguous:
    """The cells lie in one piece; at NOWHERE when none was ever written."""

    address: int
    size: int


@dataclass(frozen=True)
class Chunked:
    """The cells lie in chunks, which a tree finds."""

    address: int
    shape: tuple[int, ...]


Layout = Inline | Contiguous | Chunked


@dataclass(frozen=True)
class Chunk:
    """Where one chunk lies: its place in the grid of chunks, and in the file."""

    index: tuple[int, ...]
    start: int
    length: int


def layout(cursor: Cursor) -> Layout:
    version, kind = cursor.numbers(1, 2)
    if version not in {3, 4}:
        raise Unsupported(f"a data layout of version {version}; rewrite the file with nccopy")
    match kind:
        case 0:
            return Inline(cursor.take(cursor.number(2)))
        case 1:
            return Contiguous(cursor.address(), cursor.length())
        case 2 if version == 3:
            rank = cursor.number(1)
            address = cursor.address()
            return Chunked(address, cursor.numbers(4, rank)[:-1])
        case _:
            raise Unsupported("a chunk index of HDF5 1.10; rewrite the file with nccopy")


def chunks(blob: RangedBlob, cursor: Cursor, found: Chunked) -> Iterator[Chunk]:
    """Every chunk that was written. `cursor` lends its widths."""
    if found.address != NOWHERE:
        yield from _below(blob, cursor, found.shape, found.address, blob.once())


def _below(
    blob: RangedBlob,
    cursor: Cursor,
    shape: tuple[int, ...],
    address: int,
    enter: Callable[[int], None],
) -> Iterator[Chunk]:
    enter(address)
    level, entries = _node(blob, cursor, shape, address)
    if level:
        for child in entries["child"].tolist():
            yield from _below(blob, cursor, shape, child, enter)
        return
    if entries["mask"].any():
        raise Unsupported("chunks that skip a filter; rewrite the file with nccopy")
    indexes = (entries["offset"][:, : len(shape)] // np.array(shape, "u8")).tolist()
    places = zip(indexes, entries["child"].tolist(), entries["size"].tolist(), strict=True)
    for index, start, size in places:
        yield Chunk(tuple(index), start, size)


def _node(
    blob: RangedBlob, cursor: Cursor, shape: tuple[int, ...], address: int
) -> tuple[int, np.ndarray[Any, np.dtype[Any]]]:
    wide = cursor.widths.address
    head = Cursor(blob.read(address, 8 + 2 * wide), cursor.widths)
    head.expect(b"TREE")
    kind, level = head.numbers(1, 2)
    if kind != 1:
        raise Damaged(f"a tree of kind {kind} where chunks were expected")
    entry = np.dtype(
        [
            ("size", "<u4"),
            ("mask", "<u4"),
            ("offset", "<u8", (len(shape) + 1,)),
            ("child", f"<u{wide}"),
        ]
    )
    count = head.number(2)
    data = blob.read(address + 8 + 2 * wide, count * entry.itemsize)
    return level, np.frombuffer(data, entry)
