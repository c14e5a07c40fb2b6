"""The land cover of a grid: which class fills most of each cell, and what share each class has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.blobs import Blobs
from core.context import Context
from core.errors import BadInput
from core.internet import Internet
from services.geo import samples
from services.geo.gridspec import GridSpec
from services.geo.samples import Samples
from services.landcover import worldcover
from services.landcover.worldcover import COLUMNS, NATIVE, TILE, Cover
from services.remote.products import Window
from services.remote.tiles import Tiles

CONTAINER = "landcover-cache"
Classes = NDArray[np.uint8]
EDGE = 2048
"""Places along the edge of what is worked on at once."""
MOST_CELLS = 36_000_000
"""Cells of WorldCover that are held at once."""
MOST_PLACES = 1_000_000_000
SPAN = TILE * COLUMNS
"""Rows and columns of a tile."""
CODES = np.array(list(Cover), np.uint8)
PLACES = np.zeros(256, np.intp)
PLACES[CODES] = np.arange(len(CODES))
"""Of each code among the classes; one that is none counts as no data."""


class LandCover(NamedTuple):
    """The land cover of a grid."""

    spec: GridSpec
    majority: Classes
    """The class that fills most of each cell."""
    share: NDArray[np.float32]
    """How much of the cell it fills."""
    totals: dict[Cover, float]
    """The share of all of the grid that each class has."""
    bytes: int = 0
    requests: int = 0


def make(ctx: Context, spec: GridSpec) -> LandCover:
    """From where WorldCover is published, or from what is kept of it."""
    return build(ctx.blobs, ctx.option(Internet), spec, ctx.check, ctx.report)


def build(
    blobs: Blobs,
    internet: Internet,
    spec: GridSpec,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float, str], None] = lambda done, note: None,
) -> LandCover:
    times = samples.times_in(spec, NATIVE)
    if spec.width * spec.height * times**2 > MOST_PLACES:
        raise BadInput(f"that is more than {MOST_PLACES:,} cells of 10 m; ask for a smaller place")
    tiles = Tiles(worldcover.PRODUCT, blobs, internet, CONTAINER, check)
    majority, share = np.zeros(spec.shape, np.uint8), np.zeros(spec.shape, np.float32)
    totals = dict.fromkeys(Cover, 0)
    parts = list(samples.parts(spec, max(1, EDGE // times)))
    for done, (rows, columns, part) in enumerate(parts, 1):
        check()
        majority[rows, columns], share[rows, columns] = _part(tiles, part, times, totals)
        report(done / len(parts), f"{done} of {len(parts)} parts")
    places = sum(totals.values())
    shares = {cover: count / places for cover, count in totals.items() if count}
    return LandCover(spec, majority, share, shares, tiles.mirrors.bytes, tiles.mirrors.requests)


def _part(
    tiles: Tiles, spec: GridSpec, times: int, totals: dict[Cover, int]
) -> tuple[Classes, NDArray[np.float32]]:
    places = samples.samples(spec, times)
    if (
        np.ptp(places.lon) * COLUMNS * np.ptp(places.lat) * COLUMNS > MOST_CELLS
        and max(spec.shape) > 1
    ):
        return _halves(tiles, spec, times, totals)
    counts = _counts(_looked_up(tiles, places), spec.shape, times)
    for cover, count in zip(Cover, counts.sum(axis=0), strict=True):
        totals[cover] += int(count)
    majority = CODES[counts.argmax(axis=1)].reshape(spec.shape)
    share = (counts.max(axis=1) / times**2).astype(np.float32).reshape(spec.shape)
    return majority, share


def _counts(found: Classes, shape: tuple[int, int], times: int) -> NDArray[np.intp]:
    """How often each cell has each class, of shape (cells, classes)."""
    rows, columns = (np.arange(size * times, dtype=np.intp) // times for size in shape)
    cells = (rows[:, None] * shape[1] + columns[None, :]) * len(CODES)
    keys = (cells + PLACES[found]).ravel()
    size = shape[0] * shape[1] * len(CODES)
    return np.bincount(keys, minlength=size).reshape(-1, len(CODES))


def _halves(
    tiles: Tiles, spec: GridSpec, times: int, totals: dict[Cover, int]
) -> tuple[Classes, NDArray[np.float32]]:
    majority, share = np.zeros(spec.shape, np.uint8), np.zeros(spec.shape, np.float32)
    for rows, columns, part in samples.parts(spec, (max(spec.shape) + 1) // 2):
        majority[rows, columns], share[rows, columns] = _part(tiles, part, times, totals)
    return majority, share


def _looked_up(tiles: Tiles, places: Samples) -> Classes:
    """The class at every place."""
    row = np.floor((90 - places.lat) * COLUMNS).astype(np.intp)
    column = np.floor((places.lon + 180) * COLUMNS).astype(np.intp)
    row = np.clip(row, 0, 180 * COLUMNS - 1)
    top, left = int(row.min()), int(column.min())
    mosaic = np.zeros((int(row.max()) - top + 1, int(column.max()) - left + 1), np.uint8)
    with ThreadPoolExecutor(4, "landcover") as pool:
        list(
            pool.map(lambda part: _fill(tiles, mosaic, top, left, part), _tiles(mosaic, top, left))
        )
    return mosaic[row - top, column - left]


def _fill(tiles: Tiles, mosaic: Classes, top: int, left: int, at: tuple[int, int]) -> None:
    """What one tile has of it. Rows count from the north pole, columns from 180 degrees west."""
    south, west = 90 - TILE * (at[0] + 1), (TILE * at[1]) % 360 - 180
    first, begin = at[0] * SPAN, at[1] * SPAN
    upper, lower = max(top, first), min(top + mosaic.shape[0], first + SPAN)
    near, far = max(left, begin), min(left + mosaic.shape[1], begin + SPAN)
    window = Window(upper - first, lower - first, near - begin, far - begin)
    found = tiles.window(worldcover.name(south, west), worldcover.grid(south, west), window)
    if found is not None:
        mosaic[upper - top : lower - top, near - left : far - left] = found


def _tiles(mosaic: Classes, top: int, left: int) -> Iterator[tuple[int, int]]:
    for row in range(top // SPAN, math.ceil((top + mosaic.shape[0]) / SPAN)):
        for column in range(left // SPAN, math.ceil((left + mosaic.shape[1]) / SPAN)):
            yield row, column
