"""The terrain of a grid: reckoned on the tiles' own cells, then averaged, so that no relief is lost to large cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from services.remote.tiles import Tiles
from services.terrain import elevations, glo30, slopes
from services.terrain.elevations import Elevations, Relief, Span
from services.terrain.glo30 import ROWS

Floats = NDArray[np.float32]
NATIVE = 30.9
"""Metres of an arc second."""
CONTAINER = "terrain-cache"
EDGE = 1536
"""Places along the edge of what is worked on at once."""
MOST_CELLS = 12_000_000
"""Cells of the lattice that are held at once; parts that take more are cut further."""
MOST_PLACES = 400_000_000
ELEVATION, SLOPE, EAST, NORTH, SEA = range(5)


class Terrain(NamedTuple):
    """The terrain of a grid; every field has its shape."""

    spec: GridSpec
    elevation: Floats
    """Metres above the geoid."""
    slope: Floats
    """Degrees: the mean steepness of the land in each cell."""
    aspect: Floats
    """Degrees clockwise from north: where a cell falls, taken together; NaN where it falls nowhere."""
    east: Floats
    """Rise over run towards the true east, the mean of each cell."""
    north: Floats
    sea: Floats
    """The share of each cell where the DEM has no tile: sea, at 0 m."""
    bytes: int = 0
    """Read from the internet for it."""
    requests: int = 0


def make(ctx: Context, spec: GridSpec) -> Terrain:
    """From where the DEM is published, or from what is kept of it."""
    return build(ctx.blobs, ctx.option(Internet), spec, ctx.check, ctx.report)


def build(
    blobs: Blobs,
    internet: Internet,
    spec: GridSpec,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float, str], None] = lambda done, note: None,
) -> Terrain:
    coarser = Tiles(glo30.COARSER, blobs, internet, CONTAINER, check)

    def doubt(tile: str) -> None:
        if coarser.has(tile):
            raise BadInput(f"GLO-30 has no public tile {tile}, though there is land")

    tiles = Tiles(glo30.PRODUCT, blobs, internet, CONTAINER, check, doubt)
    made = of(elevations.of_tiles(tiles), spec, check, report)
    return made._replace(bytes=tiles.mirrors.bytes, requests=tiles.mirrors.requests)


def of(
    source: Elevations,
    spec: GridSpec,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float, str], None] = lambda done, note: None,
) -> Terrain:
    times = refuse(spec)
    found = np.empty((5, *spec.shape), np.float32)
    parts = list(samples.parts(spec, max(1, EDGE // times)))
    for done, (rows, columns, part) in enumerate(parts, 1):
        check()
        found[:, rows, columns] = _part(source, part, times)
        report(done / len(parts), f"{done} of {len(parts)} parts")
    east, north = found[EAST], found[NORTH]
    return Terrain(
        spec, found[ELEVATION], found[SLOPE], slopes.aspect(east, north), east, north, found[SEA]
    )


def refuse(spec: GridSpec) -> int:
    """How often each cell is looked at along its edge; what is too large is refused."""
    times = samples.times_in(spec, NATIVE)
    if spec.width * spec.height * times**2 > MOST_PLACES:
        raise BadInput(f"that is more than {MOST_PLACES:,} cells of 30 m; ask for a smaller place")
    return times


def _part(source: Elevations, spec: GridSpec, times: int) -> Floats:
    places = samples.samples(spec, times)
    if _takes(places) > MOST_CELLS and max(spec.shape) > 1:
        return _halves(source, spec, times)
    values = np.full((*places.lat.shape, 5), np.nan, np.float32)
    for columns, top, bottom in _bands(places.lat):
        span = Span(top + 1, bottom - 1, float(places.lon.min()), float(places.lon.max()))
        _look(source, span, columns, places, values)
    rows, columns = spec.shape
    cells = values.reshape(rows, times, columns, times, 5).mean(axis=(1, 3), dtype=np.float64)
    return np.moveaxis(cells, -1, 0).astype(np.float32)


def _halves(source: Elevations, spec: GridSpec, times: int) -> Floats:
    found = np.empty((5, *spec.shape), np.float32)
    for rows, columns, part in samples.parts(spec, (max(spec.shape) + 1) // 2):
        found[:, rows, columns] = _part(source, part, times)
    return found


def _takes(places: Samples) -> float:
    """Cells of the lattice, roughly."""
    lat = places.lat
    nearest = float(np.abs(lat).min())
    columns = glo30.columns_of(int(min(nearest, 89)))
    return float(np.ptp(lat) * ROWS + 4) * float(np.ptp(places.lon) * columns + 4)


def _bands(lat: NDArray[np.float64]) -> Iterator[tuple[int, int, int]]:
    """Columns to a degree, first and last row of the lattice, for each width of cells that the places lie in."""
    row, bottom = _row_of(float(lat.max())), _row_of(float(lat.min()))
    while row >= bottom:
        columns = glo30.columns_of(glo30.south_of(row))
        last = row
        while last > bottom and glo30.columns_of(glo30.south_of(last - 1)) == columns:
            last = max(bottom, glo30.south_of(last - 1) * ROWS + 1)
        yield columns, row, last
        row = last - 1


def _row_of(lat: float) -> int:
    """The row whose cells hold a latitude."""
    return min(max(round(lat * ROWS), 1 - 90 * ROWS), 90 * ROWS)


def _look(source: Elevations, span: Span, columns: int, places: Samples, values: Floats) -> None:
    """Fill in what the rows of one band say, between their cells."""
    row = np.clip(np.rint(places.lat * ROWS), 1 - 90 * ROWS, 90 * ROWS)
    here = (row < span.top) & (row > span.bottom)
    relief = source.relief(Span(span.top + 1, span.bottom - 1, *_aside(span, columns)), columns)
    fields = _fields(relief)
    down = np.clip(relief.top - 1 - places.lat[here] * ROWS, 0, fields.shape[0] - 1.001)
    right = places.lon[here] * columns - relief.left - 1
    first, column = down.astype(np.intp), right.astype(np.intp)
    below, aside = (down - first).astype(np.float32), (right - column).astype(np.float32)
    flat, at = fields.reshape(-1, 5), first * fields.shape[1] + column
    upper = _mixed(flat, at, aside)
    upper += (_mixed(flat, at + fields.shape[1], aside) - upper) * below[:, None]
    values[here] = upper


def _mixed(flat: Floats, at: NDArray[np.intp], share: Floats) -> Floats:
    left = flat[at]
    left += (flat[at + 1] - left) * share[:, None]
    return left


def _aside(span: Span, columns: int) -> tuple[float, float]:
    """A cell more, for the slope of the outermost."""
    return span.west - 1 / columns, span.east + 1 / columns


def _fields(relief: Relief) -> Floats:
    """Of the inner cells of a relief."""
    east, north = slopes.gradient(relief)
    fields = np.empty((*east.shape, 5), np.float32)
    fields[..., ELEVATION] = relief.heights[1:-1, 1:-1]
    fields[..., SLOPE] = slopes.steepness(east, north)
    fields[..., EAST], fields[..., NORTH] = east, north
    fields[..., SEA] = relief.sea[1:-1, 1:-1]
    return fields
