"""Elevation on the lattice of the tiles, across their edges: of 1-degree tiles whose cells widen towards the poles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.remote.products import Window
from services.remote.tiles import Tiles
from services.terrain import glo30
from services.terrain.glo30 import ROWS

Floats = NDArray[np.float32]
Piece = Callable[[int, int, Window], Floats | None]
"""Of a tile, by its south and west: the cells of a window, or None of a tile that is all sea."""
POLE = 90 * ROWS
TILES = 4
"""Tiles that are read at once."""


class Span(NamedTuple):
    """Rows from north to south and longitudes from west to east, both ends included."""

    top: int
    bottom: int
    west: float
    east: float


class Relief(NamedTuple):
    """Elevation on one lattice: rows north to south, and `columns` to a degree from the column `left`."""

    columns: int
    top: int
    left: int
    heights: Floats
    sea: NDArray[np.bool_]
    """Where no tile is."""


class Elevations:
    """Reads any span, whatever tiles it takes."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece

    def relief(self, span: Span, columns: int) -> Relief:
        """The span and at least a column around it. Rows whose cells are wider or narrower are drawn to that lattice.

        Rows beyond a pole repeat its last one.
        """
        left = math.floor(span.west * columns) - 1
        right = math.ceil(span.east * columns) + 1
        top, bottom = min(span.top, POLE), max(span.bottom, 1 - POLE)
        wanted = [(first, last) for first, last in _tile_rows(top, bottom)]
        with ThreadPoolExecutor(TILES, "relief") as pool:
            parts = [self._rows(pool, *rows, columns, left, right) for rows in wanted]
        beyond = ((span.top - top, bottom - span.bottom), (0, 0))
        heights, sea = (
            np.pad(np.vstack(each), beyond, mode="edge") for each in zip(*parts, strict=True)
        )
        return Relief(columns, span.top, left, heights, sea)

    def _rows(
        self, pool: ThreadPoolExecutor, top: int, bottom: int, columns: int, left: int, right: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Rows of tiles that lie side by side, on the wanted lattice."""
        own = glo30.columns_of(glo30.south_of(top))
        if own == columns:
            return self._own(pool, top, bottom, own, left, right)
        first, last = math.floor(left * own / columns), math.ceil(right * own / columns)
        heights, sea = self._own(pool, top, bottom, own, first, last)
        places = np.arange(left, right + 1) * own / columns - first
        before = np.minimum(places.astype(np.intp), heights.shape[1] - 2)
        share = (places - before).astype(np.float32)
        drawn = heights[:, before] * (1 - share) + heights[:, before + 1] * share
        return drawn.astype(np.float32), sea[:, np.rint(places).astype(np.intp)]

    def _own(
        self, pool: ThreadPoolExecutor, top: int, bottom: int, columns: int, left: int, right: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        south = glo30.south_of(top)
        north = (south + 1) * ROWS
        shape = (top - bottom + 1, right - left + 1)
        heights, sea = np.zeros(shape, np.float32), np.ones(shape, np.bool_)

        def read(part: tuple[int, int, int]) -> None:
            west, first, last = part
            begin = west * columns
            window = Window(north - top, north - bottom + 1, first - begin, last - begin + 1)
            found = self.piece(south, (west + 180) % 360 - 180, window)
            if found is not None:
                place = slice(first - left, last - left + 1)
                heights[:, place], sea[:, place] = found, False

        list(pool.map(read, _tile_columns(left, right, columns)))
        return heights, sea


def of_tiles(tiles: Tiles) -> Elevations:
    """From where the DEM is published."""

    def piece(south: int, west: int, window: Window) -> Floats | None:
        return tiles.window(glo30.name(south, west), glo30.grid(south, west), window)

    return Elevations(piece)


def _tile_rows(top: int, bottom: int) -> Iterator[tuple[int, int]]:
    while top >= bottom:
        last = max(bottom, glo30.south_of(top) * ROWS + 1)
        yield top, last
        top = last - 1


def _tile_columns(left: int, right: int, columns: int) -> Iterator[tuple[int, int, int]]:
    """West, first and last column of each tile, counted on beyond 180 degrees."""
    while left <= right:
        west = left // columns
        last = min(right, (west + 1) * columns - 1)
        yield west, left, last
        left = last + 1
