"""The grids that models have: where their points lie, and which of them a place needs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pyproj import CRS, Transformer

from core.errors import BadInput
from services.geo.gridspec import GridSpec
from services.geo.projecting import wrapped

Floats = NDArray[np.float64]
PAD = 2
"""Native cells around what is wanted: interpolation needs one, a tiny place lies between points otherwise."""
STEP = 1e-4
"""Degrees north that show where north is on a projected grid."""


class Window(NamedTuple):
    """Rows and columns of a native grid. Columns count on beyond the last one of a grid that goes around the earth."""

    row: int
    column: int
    rows: int
    columns: int


class NativeGrid(BaseModel, frozen=True):
    """Points in rows and columns. The first is at (x, y), the steps may be negative."""

    kind: Literal["lonlat", "plane"]
    crs: str = ""
    """Of a plane: a PROJ string, on the sphere or ellipsoid that the model uses."""
    x: float
    y: float
    dx: float
    dy: float
    columns: int
    rows: int
    grid_winds: bool = False
    """Whether u and v go along columns and rows, not east and north."""

    @property
    def around(self) -> bool:
        """Whether the last column is the neighbour of the first."""
        return self.kind == "lonlat" and self.columns * abs(self.dx) > 360 - abs(self.dx) / 2

    @property
    def cell_metres(self) -> float:
        return abs(self.dy) * (111_195.0 if self.kind == "lonlat" else 1.0)

    def places(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Fractional rows and columns of places. Columns run on without a seam within the places."""
        if self.kind == "plane":
            x, y = plane(self.crs).transform(lon, lat)
            return (np.asarray(y) - self.y) / self.dy, (np.asarray(x) - self.x) / self.dx
        middle = float(lon.flat[lon.size // 2])
        aside = wrapped(lon - middle)
        first = (middle - self.x) / self.dx
        if self.around:
            first %= self.columns
        else:
            turn = 360 / self.dx
            while first > self.columns - 1 and first - abs(turn) >= -0.5:
                first -= abs(turn)
            while first < -0.5 and first + abs(turn) <= self.columns - 0.5:
                first += abs(turn)
        return (lat - self.y) / self.dy, first + aside / self.dx

    def window(self, rows: Floats, columns: Floats, pad: int = PAD) -> Window:
        """The points that are needed there, with some around; BadInput where the grid does not reach."""
        if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
            raise BadInput("the place lies outside the model's grid")
        top, bottom = math.floor(rows.min()) - pad, math.ceil(rows.max()) + pad
        left, right = math.floor(columns.min()) - pad, math.ceil(columns.max()) + pad
        if not self._reaches(rows, self.rows) or not (
            self.around or self._reaches(columns, self.columns)
        ):
            raise BadInput("the place lies outside the model's grid")
        top, bottom = max(top, 0), min(bottom, self.rows - 1)
        if self.around:
            right = min(right, left + self.columns)
        else:
            left, right = max(left, 0), min(right, self.columns - 1)
        return Window(top, left, bottom - top + 1, right - left + 1)

    def _reaches(self, places: Floats, count: int) -> bool:
        """Half a cell beyond the outer points is still the outer cells."""
        return places.min() >= -0.5 - 1e-6 and places.max() <= count - 0.5 + 1e-6

    def cut(self, values: NDArray[Any], window: Window) -> NDArray[np.float32]:
        """A copy, so that the whole field is not kept alive (and columns wrapped around the earth)."""
        rows = slice(window.row, window.row + window.rows)
        columns = np.arange(window.column, window.column + window.columns) % self.columns
        return np.ascontiguousarray(values[rows][:, columns], dtype=np.float32)

    def north(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Where north is, as a step of length 1 along the grid's x and y."""
        if self.kind == "lonlat":
            return np.zeros_like(lat), np.ones_like(lat)
        to = plane(self.crs)
        x0, y0 = to.transform(lon, lat - STEP)
        x1, y1 = to.transform(lon, lat + STEP)
        east, north = np.asarray(x1) - x0, np.asarray(y1) - y0
        long = np.hypot(east, north)
        return east / long, north / long


@lru_cache(maxsize=32)
def plane(crs: str) -> Transformer:
    """From longitude and latitude as they are: models' spheres are not shifted against WGS84."""
    found = CRS.from_user_input(crs)
    geographic = cast("CRS", found.geodetic_crs)
    return Transformer.from_crs(geographic, found, always_xy=True)


def points(spec: GridSpec, native_metres: float) -> tuple[Floats, Floats, int]:
    """Where a grid's cells are looked at: their middles, or several places in each where cells are larger than the model's.

    The last value is how many places there are along a cell's edge.
    """
    wide, high = spec.cell_metres()
    size = float(max(np.median(wide), np.median(high)))
    times = max(1, min(8, math.ceil(size / native_metres - 0.5)))
    if times == 1:
        return (*spec.lonlat(), 1)
    finer = GridSpec(
        crs=spec.crs,
        cell=spec.cell / times,
        left=spec.left * times,
        top=spec.top * times,
        width=spec.width * times,
        height=spec.height * times,
    )
    return (*finer.lonlat(), times)
