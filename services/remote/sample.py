"""A Cloud Optimized GeoTIFF that is made up: every block lies at a place known beforehand, and is made when it is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.remote.products import Grid

BLOCK = 1024
SMALLEST = 1024
"""Overviews go down to so many cells."""
Values = NDArray[Any]
Look = Callable[[Values, Values], Values]
"""What lies at longitudes and latitudes of the middles of cells, given as a row and a column of them."""
SIZES = {2: 1, 3: 2, 4: 4, 12: 8}
CODES = {2: "c", 3: "H", 4: "I", 12: "d"}


class Level(NamedTuple):
    """The raster itself, or an overview of it."""

    factor: int
    width: int
    height: int

    @property
    def across(self) -> int:
        return -(-self.width // BLOCK)

    @property
    def blocks(self) -> int:
        return self.across * -(-self.height // BLOCK)


class MadeUp:
    """The bytes of such a file."""

    def __init__(self, grid: Grid, look: Look, dtype: str, slot: int, *, points: bool) -> None:
        """`slot` bytes hold any block. With `points`, values are those of the middles of cells, as the file says."""
        self.grid, self.look, self.dtype, self.slot, self.points = grid, look, dtype, slot, points
        self.levels = list(_levels(grid))
        self.starts: list[int] = []
        self.head = self._head([0] * len(self.levels))
        at = len(self.head)
        for level in reversed(self.levels):
            self.starts.insert(0, at)
            at += level.blocks * slot
        self.size = at
        self.head = self._head(self.starts)
        self._block = lru_cache(maxsize=32)(self._made)

    def read(self, start: int, end: int) -> bytes:
        found = bytearray(self.head[start:end])
        while start + len(found) < end:
            at = start + len(found) - len(self.head)
            index, skip = divmod(at, self.slot)
            found += self._block(index)[skip:][: end - start - len(found)]
        return bytes(found)

    def _made(self, index: int) -> bytes:
        for level in reversed(self.levels):
            if index < level.blocks:
                return self._compressed(level, *divmod(index, level.across))
            index -= level.blocks
        raise IndexError(index)

    def _compressed(self, level: Level, row: int, column: int) -> bytes:
        grid, factor = self.grid, level.factor
        rows = (row * BLOCK + np.arange(BLOCK) + 0.5) * factor
        columns = (column * BLOCK + np.arange(BLOCK) + 0.5) * factor
        lon, lat = grid.west + columns * grid.wide, grid.north - rows * grid.high
        values = self.look(lon[None, :], lat[:, None]).astype(self.dtype)
        data = zlib.compress(_predicted(values), 1)
        if len(data) > self.slot:
            raise ValueError(f"a block of {len(data)} bytes does not fit into {self.slot}")
        return data + bytes(self.slot - len(data))

    def _head(self, starts: list[int]) -> bytes:
        head = struct.pack("<2sHI", b"II", 42, 8)
        for number, (level, start) in enumerate(zip(self.levels, starts, strict=True)):
            head += _directory(
                self._tags(level, start), len(head), last=number == len(self.levels) - 1
            )
        return head

    def _tags(self, level: Level, start: int) -> dict[int, tuple[int, list[Any]]]:
        floats = self.dtype.startswith("f")
        tags: dict[int, tuple[int, list[Any]]] = {
            254: (4, [int(level.factor > 1)]),
            256: (4, [level.width]),
            257: (4, [level.height]),
            258: (3, [np.dtype(self.dtype).itemsize * 8]),
            259: (3, [8]),
            262: (3, [1]),
            277: (3, [1]),
            284: (3, [1]),
            317: (3, [3 if floats else 1]),
            322: (3, [BLOCK]),
            323: (3, [BLOCK]),
            324: (4, [start + self.slot * each for each in range(level.blocks)]),
            325: (4, [self.slot] * level.blocks),
            339: (3, [3 if floats else 1]),
        }
        return tags | (self._place() if level.factor == 1 else {})

    def _place(self) -> dict[int, tuple[int, list[Any]]]:
        grid, inside = self.grid, 0.5 if self.points else 0.0
        corner = [grid.west + inside * grid.wide, grid.north - inside * grid.high]
        keys = [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 2 if self.points else 1, 2048, 0, 1, 4326]
        return {
            33550: (12, [grid.wide, grid.high, 0.0]),
            33922: (12, [0.0, 0.0, 0.0, *corner, 0.0]),
            34735: (3, keys),
        }


def _levels(grid: Grid) -> Iterator[Level]:
    factor = 1
    while True:
        level = Level(factor, -(-grid.width // factor), -(-grid.height // factor))
        yield level
        if max(level.width, level.height) <= SMALLEST:
            return
        factor *= 2


def _directory(tags: dict[int, tuple[int, list[Any]]], at: int, *, last: bool) -> bytes:
    """The directory that begins at `at`, and the values that do not fit into it."""
    entries, behind = b"", b""
    begin = at + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{CODES[kind]}", *values)
        if len(data) <= 4:
            field = data.ljust(4, b"\0")
        else:
            field = struct.pack("<I", begin + len(behind))
            behind += data + bytes(-len(data) % 8)
        entries += struct.pack("<HHI", tag, kind, len(values)) + field
    after = 0 if last else begin + len(behind)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", after) + behind


def _predicted(values: Values) -> bytes:
    """Floats as TIFF's third predictor has them: bytes of equal weight together, then differences."""
    if values.dtype.kind != "f":
        return values.tobytes()
    planes = values.astype(">f4").view(np.uint8).reshape(*values.shape, 4)
    rows = np.moveaxis(planes, 2, 1).reshape(values.shape[0], -1)
    return np.diff(rows, axis=1, prepend=np.uint8(0)).tobytes()
