"""Places inside the cells of a grid, at which something finer than the grid is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.geo import projecting
from services.geo.gridspec import GridSpec

Floats = NDArray[np.float64]
STRIDE = 16
"""Every so many places, and only where they lie close together, longitude and latitude are reckoned exactly."""
STRAIGHT = 1_000.0
"""Metres over which they change so evenly that those between are off by centimetres."""
NEAR_POLE = 85.0


class Samples(NamedTuple):
    """Longitudes and latitudes of `times` x `times` places in each cell, of shape (rows, columns) of places."""

    lon: Floats
    """Going on beyond 180 where the grid does."""
    lat: Floats
    times: int


def times_in(spec: GridSpec, native: float) -> int:
    """How many places along a cell's edge see every native cell, `native` metres wide, once."""
    wide, high = spec.cell_metres()
    size = float(max(np.median(wide), np.median(high)))
    return max(1, math.ceil(size / native - 0.1))


def parts(spec: GridSpec, edge: int) -> Iterator[tuple[slice, slice, GridSpec]]:
    """The grid in parts of `edge` x `edge` cells at most, and where each lies in it."""
    for row in range(0, spec.height, edge):
        for column in range(0, spec.width, edge):
            high, wide = min(edge, spec.height - row), min(edge, spec.width - column)
            change = {
                "left": spec.left + column,
                "top": spec.top - row,
                "width": wide,
                "height": high,
            }
            part = spec.model_copy(update=change)
            yield slice(row, row + high), slice(column, column + wide), part


def samples(spec: GridSpec, times: int) -> Samples:
    change = {
        "cell": spec.cell / times,
        "left": spec.left * times,
        "top": spec.top * times,
        "width": spec.width * times,
        "height": spec.height * times,
    }
    finer = spec.model_copy(update=change)
    x, y = finer.xs(), finer.ys()
    if spec.in_degrees:
        lon, lat = np.broadcast_arrays(x[None, :], y[:, None])
        return Samples(lon, lat, times)
    return Samples(*_back(spec.crs, x, y, float(finer.cell)), times)


def _back(crs: str, x: Floats, y: Floats, step: float) -> tuple[Floats, Floats]:
    """Exactly at the knots of a net; evenly between them."""
    stride = max(1, min(STRIDE, int(STRAIGHT / step)))
    columns, rows = _knots(len(x), stride), _knots(len(y), stride)
    lon, lat = projecting.backward(crs, *np.meshgrid(x[columns], y[rows]))
    if np.abs(lat).max() > NEAR_POLE:
        lon, lat = projecting.backward(crs, *np.meshgrid(x, y))
        return _unbroken(lon), lat
    across, down = (np.arange(len(x)), columns), (np.arange(len(y)), rows)
    return _between(_unbroken(lon), across, down), _between(lat, across, down)


def _knots(count: int, stride: int) -> NDArray[np.intp]:
    return np.unique(np.append(np.arange(0, count, stride), count - 1))


def _unbroken(lon: Floats) -> Floats:
    """Around the first place, so that no jump at 180 lies between neighbours."""
    middle = lon[lon.shape[0] // 2, lon.shape[1] // 2]
    return middle + projecting.wrapped(lon - middle)


def _between(
    values: Floats, across: tuple[NDArray[np.intp], ...], down: tuple[NDArray[np.intp], ...]
) -> Floats:
    right, column = _shares(*across)
    below, row = _shares(*down)
    last_column, last_row = values.shape[1] - 1, values.shape[0] - 1
    wide = values[:, column] * (1 - right) + values[:, np.minimum(column + 1, last_column)] * right
    next_row = np.minimum(row + 1, last_row)
    return wide[row] * (1 - below)[:, None] + wide[next_row] * below[:, None]


def _shares(places: NDArray[np.intp], knots: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
    """For each place the knot before it, and how far it lies to the next."""
    before = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, max(len(knots) - 2, 0))
    after = np.minimum(before + 1, len(knots) - 1)
    length = np.maximum(knots[after] - knots[before], 1)
    return (places - knots[before]) / length, before
