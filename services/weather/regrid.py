"""From a model's points to the cells of a grid: bilinear, around what is missing, averaged where cells are larger."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.geo.gridspec import GridSpec
from services.weather import native
from services.weather.native import NativeGrid, Window

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]


class Weights(NamedTuple):
    """Four points for each place of a grid, and how much each counts."""

    window: Window
    corners: Ints
    """Their positions in the window, of shape (4, places)."""
    shares: Floats
    times: int
    """Places along the edge of a cell."""
    shape: tuple[int, int]
    north: tuple[Floats, Floats] | None
    """Where north is at the middle of every cell, on grids whose winds need to be turned."""

    def apply(self, cut: Floats) -> Floats:
        """The cells. Points without a value do not count; a cell is NaN where its nearest points have none."""
        values = cut.ravel()[self.corners]
        there = np.isfinite(values)
        if there.all():
            found = (values * self.shares).sum(axis=0)
        else:
            weight = (self.shares * there).sum(axis=0)
            total = (np.where(there, values, 0) * self.shares).sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                found = np.where(weight >= 0.5 - 1e-6, total / weight, np.nan)
        return self._averaged(found.astype(np.float32))

    def _averaged(self, found: Floats) -> Floats:
        rows, columns = self.shape
        if self.times == 1:
            return found.reshape(rows, columns)
        parts = found.reshape(rows, self.times, columns, self.times)
        there = np.isfinite(parts)
        count = there.sum(axis=(1, 3))
        total = np.where(there, parts, 0).sum(axis=(1, 3))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(count * 2 >= self.times**2, total / count, np.nan).astype(np.float32)

    def turned(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Winds along the grid become winds to the east and to the north."""
        if self.north is None:
            return u, v
        x, y = self.north
        return (u * y - v * x).astype(np.float32), (u * x + v * y).astype(np.float32)


@lru_cache(maxsize=32)
def weights(grid: NativeGrid, spec: GridSpec) -> Weights:
    """Made once for a model's grid and a place, and used for every message."""
    lon, lat, times = native.points(spec, grid.cell_metres)
    rows, columns = grid.places(lon, lat)
    window = grid.window(rows, columns)
    row, down = _between(rows.ravel() - window.row, window.rows)
    column, right = _between(columns.ravel() - window.column, window.columns)
    below, aside = np.minimum(row + 1, window.rows - 1), np.minimum(column + 1, window.columns - 1)
    corners = np.stack(
        [
            row * window.columns + column,
            row * window.columns + aside,
            below * window.columns + column,
            below * window.columns + aside,
        ]
    )
    shares = np.stack(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    )
    north = None
    if grid.grid_winds:
        middle = spec.lonlat()
        x, y = grid.north(*middle)
        north = x.astype(np.float32), y.astype(np.float32)
    return Weights(window, corners, shares.astype(np.float32), times, spec.shape, north)


def _between(places: NDArray[np.float64], count: int) -> tuple[Ints, NDArray[np.float64]]:
    """The point before each place, and how far beyond it the place lies; the outer points hold beyond the edge."""
    inside = np.clip(places, 0, count - 1)
    first: Any = np.minimum(np.floor(inside), max(count - 2, 0)).astype(np.intp)
    return first, inside - first
