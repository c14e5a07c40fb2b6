"""The grid that a patch is made on: one immutable value, and integer arithmetic on a lattice that covers the earth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator

from core.errors import BadInput
from services.geo import projecting
from services.geo.projecting import LONLAT, Box

Floats = NDArray[np.float64]
FINEST = 1_000_000
"""The denominator of the smallest cell size: a millionth of a degree, or of a metre."""
EDGE = 1_000_000_000
"""Coordinates are read to a billionth, so that 0.1 + 0.2 lies on the line of 0.3."""
MOST_CELLS = 400_000_000


class GridSpec(BaseModel, frozen=True):
    """Square cells, north up. Cell edges lie on whole multiples of `cell` from the origin of the CRS.

    Only the four integers and the cell's size say where it is, so two ways to one place give one grid
    and no rounding changes its shape. In degrees the columns go on beyond 180 where a grid crosses it.
    """

    crs: str
    """`EPSG:4326`, the code of a UTM zone, or the PROJ string of a plane around a point."""
    cell: Fraction = Field(gt=0)
    """The edge of a cell: degrees, or metres."""
    left: int
    """The west edge is `left` cells east of the origin."""
    top: int
    """The north edge is `top` cells north of the origin."""
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    @field_validator("cell", mode="before")
    @classmethod
    def exact(cls, given: Any) -> Any:
        return exactly(given, FINEST) if isinstance(given, int | float) else given

    @classmethod
    def from_bbox(
        cls, bbox: Sequence[float], cell: float | Fraction, *, metric: bool = False
    ) -> GridSpec:
        """The smallest grid of such cells that covers west, south, east, north in degrees.

        West may lie east of east: then the box crosses the 180th meridian. With `metric`, cells are
        in metres: of the box's UTM zone, or of a plane around its middle where no zone fits.
        """
        box = projecting.checked(bbox)
        size = exactly(cell, FINEST)
        if not metric:
            return _in_degrees(box, size)
        crs = projecting.plane_of(box)
        return _spanning(crs, projecting.bounds_in(crs, box), size)

    @classmethod
    def around(
        cls, lon: float, lat: float, radius: float, cell: float | Fraction, *, metric: bool = False
    ) -> GridSpec:
        """The grid that covers a circle of `radius` metres, as a square (`metric`) or a box in degrees."""
        if not metric:
            return cls.from_bbox(projecting.box_around(lon, lat, radius), cell)
        point = projecting.checked((lon, lat, lon, lat))
        crs = projecting.plane_of(point)
        x, y = projecting.forward(crs, point[0], point[1])
        return _spanning(
            crs, (x - radius, y - radius, x + radius, y + radius), exactly(cell, FINEST)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, as arrays have them."""
        return self.height, self.width

    @property
    def in_degrees(self) -> bool:
        return self.crs == LONLAT

    @property
    def west(self) -> float:
        return self._line(self.left)

    @property
    def east(self) -> float:
        return self._line(self.left + self.width)

    @property
    def north(self) -> float:
        return self._line(self.top)

    @property
    def south(self) -> float:
        return self._line(self.top - self.height)

    @property
    def bounds(self) -> Box:
        """West, south, east, north in the CRS; in degrees, east goes on beyond 180."""
        return self.west, self.south, self.east, self.north

    @property
    def transform(self) -> Affine:
        size = float(self.cell)
        return Affine(size, 0.0, self.west, 0.0, -size, self.north)

    @property
    def wkt(self) -> str:
        """The CRS as WKT 2."""
        return projecting.wkt(self.crs)

    @property
    def bbox(self) -> Box:
        """In degrees as STAC has it: west lies east of east where the grid crosses the 180th meridian."""
        return projecting.bbox_of(self.crs, self.bounds)

    @property
    def crosses_antimeridian(self) -> bool:
        west, _, east, _ = self.bbox
        return west > east

    @property
    def name(self) -> str:
        """Where it is and how fine: equal for equal grids, and for no others."""
        size = _size_text(self.cell, self.in_degrees)
        if self.in_degrees:
            place = _degrees(self.south, "s", "n") + _degrees(self.west, "w", "e")
        else:
            place = f"{projecting.short(self.crs)}-x{self.left}y{self.top - self.height}"
        return f"{place}-{size}-{self.width}x{self.height}"

    def xs(self) -> Floats:
        """The middles of the columns, west to east."""
        return self._middles(self.left, self.width)

    def ys(self) -> Floats:
        """The middles of the rows, north to south."""
        return self._middles(self.top - self.height, self.height)[::-1]

    def lonlat(self) -> tuple[Floats, Floats]:
        """Longitude (-180 up to 180) and latitude of every cell's middle, each of the grid's shape."""
        x, y = np.meshgrid(self.xs(), self.ys())
        if self.in_degrees:
            return projecting.wrapped(x), y
        return projecting.backward(self.crs, x, y)

    def cell_metres(self) -> tuple[Floats, Floats]:
        """How wide and how high the cells of each row are, in metres."""
        if not self.in_degrees:
            same = np.full(self.height, float(self.cell))
            return same, same.copy()
        wide, high = projecting.metres_per_degree(self.ys())
        return wide * float(self.cell), high * float(self.cell)

    def cell_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column that hold a point of the CRS; cells own their west and south edges."""
        column = math.floor(exactly(x, EDGE) / self.cell) - self.left
        row = self.top - 1 - math.floor(exactly(y, EDGE) / self.cell)
        if self.in_degrees:
            column = self._around_the_world(column)
        inside = 0 <= column < self.width and 0 <= row < self.height
        return (row, column) if inside else None

    def cell_of(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Row and column that hold a place on earth."""
        return self.cell_at(*projecting.forward(self.crs, lon, lat))

    def padded(self, cells: int) -> GridSpec:
        """The same lattice with so many more cells on every side, short of the poles."""
        height, top = self.height + 2 * cells, self.top + cells
        width, left = self.width + 2 * cells, self.left - cells
        if self.in_degrees:
            return _clipped(self.cell, left, top - height, left + width, top)
        return self.model_copy(update={"left": left, "top": top, "width": width, "height": height})

    def slices_in(self, larger: GridSpec) -> tuple[slice, slice] | None:
        """Where this grid lies in a larger one of the same lattice, if it lies in it wholly."""
        if (self.crs, self.cell) != (larger.crs, larger.cell):
            return None
        column, row = self.left - larger.left, larger.top - self.top
        if self.in_degrees:
            column = larger._around_the_world(column)
        if (
            min(column, row) < 0
            or column + self.width > larger.width
            or row + self.height > larger.height
        ):
            return None
        return slice(row, row + self.height), slice(column, column + self.width)

    def _around_the_world(self, column: int) -> int:
        ring = 360 / self.cell
        return column % ring.numerator if ring.denominator == 1 else column

    def _line(self, index: int) -> float:
        return float(index * self.cell)

    def _middles(self, first: int, count: int) -> Floats:
        """Each from its own integer, so that no error adds up along the way."""
        twice = 2 * np.arange(first, first + count, dtype=np.int64) + 1
        middles = twice * self.cell.numerator / (2 * self.cell.denominator)
        return cast("Floats", middles)


def exactly(value: float | Fraction, finest: int) -> Fraction:
    """The simplest fraction that the number stands for: 0.1 is a tenth, 1/3600 an arc second."""
    if isinstance(value, Fraction):
        return value
    if not math.isfinite(value):
        raise BadInput(f"{value} is no coordinate")
    return Fraction(value).limit_denominator(finest)


def _in_degrees(box: Box, cell: Fraction) -> GridSpec:
    if 90 % cell:
        raise BadInput(
            f"cells of {float(cell):g} degrees do not divide the 90 degrees to the poles; try 0.01"
        )
    return _clipped(cell, *_lines(box, cell))


def _clipped(cell: Fraction, left: int, bottom: int, right: int, top: int) -> GridSpec:
    """Not beyond the poles, not more than once around, and west from -180 up to 180."""
    pole, ring = int(90 / cell), int(360 / cell)
    bottom, top = max(bottom, -pole), min(top, pole)
    width = right - left
    left = -ring // 2 if width >= ring else (left + ring // 2) % ring - ring // 2
    return _made(LONLAT, cell, left, top, min(width, ring), top - bottom)


def _spanning(crs: str, bounds: Box, cell: Fraction) -> GridSpec:
    left, bottom, right, top = _lines(bounds, cell)
    return _made(crs, cell, left, top, right - left, top - bottom)


def _made(crs: str, cell: Fraction, left: int, top: int, width: int, height: int) -> GridSpec:
    if width * height > MOST_CELLS:
        raise BadInput(
            f"{width} x {height} cells are more than {MOST_CELLS:,}; ask for larger cells or a smaller box"
        )
    return GridSpec(crs=crs, cell=cell, left=left, top=top, width=width, height=height)


def _lines(bounds: Box, cell: Fraction) -> tuple[int, int, int, int]:
    """The lattice lines around a box: at least one cell each way."""
    west, south, east, north = (exactly(value, EDGE) / cell for value in bounds)
    left, bottom = math.floor(west), math.floor(south)
    return left, bottom, max(math.ceil(east), left + 1), max(math.ceil(north), bottom + 1)


def _degrees(value: float, below: str, above: str) -> str:
    digits = f"{abs(value):.6f}".rstrip("0").rstrip(".")
    return f"{below if value < 0 else above}{digits}"


def _size_text(cell: Fraction, in_degrees: bool) -> str:
    if not in_degrees:
        return f"{_plain(cell)}m"
    seconds = cell * 3600
    if seconds.denominator == 1 and cell.denominator % 9 == 0:
        return f"{seconds.numerator}sec"
    return f"{_plain(cell)}deg"


def _plain(value: Fraction) -> str:
    text = f"{float(value):.6f}".rstrip("0").rstrip(".")
    return text if Fraction(text) == value else f"{value.numerator}of{value.denominator}"
