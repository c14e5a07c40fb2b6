"""Values about grids: what one is, what becomes of it, what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import prod
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.blobs import BlobRef

Box = tuple[float, float, float, float]
"""West, south, east, north, in degrees. West lies east of east where a box crosses the 180th meridian."""
MOST_VARIABLES = 1_000
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""What collections and items may be called."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Role(StrEnum):
    """What a dimension runs along."""

    X = "x"
    Y = "y"
    TIME = "time"
    HEIGHT = "height"


class Axis(Frozen):
    """The coordinates of a dimension. `step` is None where they are not evenly spaced."""

    name: str
    role: Role
    size: int
    first: float
    last: float
    step: float | None
    unit: str = ""


class TimeAxis(Frozen):
    """The moments of a dimension, as `2000-02-30T06:00:00`."""

    name: str
    size: int
    first: str
    last: str
    calendar: str
    units: str


class Variable(Frozen):
    """One array. `is_cube` says that it has cells on the grid."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    unit: str = ""
    title: str = ""
    is_cube: bool = False

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.itemsize


class GridInfo(Frozen):
    """What a look at a grid found."""

    source: BlobRef
    format: str
    """`netcdf4`, `zarr2`, `zarr3` or `references`."""
    size: int
    """Bytes of the file; of a store, what its cells take when unpacked."""
    etag: str
    consolidated: bool
    title: str
    variables: list[Variable]
    x: Axis
    y: Axis
    height: Axis | None
    time: TimeAxis | None
    box: Box
    crs: str = "EPSG:4326"
    from_zero: bool
    """Whether longitudes run from 0 to 360, not from -180 to 180."""
    warnings: list[str] = []
    """What a person should know, though the grid can be used."""

    @property
    def cubes(self) -> list[Variable]:
        return [variable for variable in self.variables if variable.is_cube]

    def but_known(self, warnings: Iterable[str]) -> Self:
        """With what is known of the source besides."""
        return self.model_copy(
            update={"warnings": list(dict.fromkeys([*warnings, *self.warnings]))}
        )


class Slab(Frozen):
    """A part of a variable that one task writes, aligned to the chunks it writes."""

    variable: str
    start: tuple[int, ...]
    stop: tuple[int, ...]


class Written(Frozen):
    """What came of a slab."""

    cells: int


class Layout(Frozen):
    """The store to write: where, and in which chunks."""

    root: BlobRef
    etag: str
    """Of the source: every task reads this state of it."""
    chunks: dict[str, tuple[int, ...]]


class Share(Frozen):
    """How many blobs, and how many bytes."""

    count: int = 0
    bytes: int = 0


class Batch(Frozen):
    """A part of a listing, and what it held when it was looked at."""

    after: str | None
    holds: Share


class Published(Frozen):
    """What a job leaves behind."""

    item: str
    collection: str
    data: BlobRef
    info: GridInfo
    copied: Share | None = None


class GridLimits(Frozen):
    """What one question about a cube may cost."""

    cells: int = 100_000_000
    """Cells that are read, whole chunks counted."""
    answer: int = 50_000
    """Cells that a map in the answer has."""
