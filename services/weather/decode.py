"""From a GRIB message to numbers on the model's grid, and what the message says it is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.weather.eccodes_apart import eccodes
from services.weather.grib import BadGrib, checked, field
from services.weather.models import Code
from services.weather.native import NativeGrid, plane

NO_VALUE = -1.0e34
"""What eccodes writes where a bitmap says there is nothing; no message holds it."""
RADIUS = {0: 6_367_470.0, 6: 6_371_229.0, 8: 6_371_200.0}
"""Of the earth, by the number of its shape."""


@cache
def load() -> None:
    """The first message of a process takes ten times as long as the next: this is that one."""
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    try:
        eccodes.codes_set(handle, "productDefinitionTemplateNumber", 8)
        eccodes.codes_set(handle, "packingType", "grid_complex_spatial_differencing")
        _field(handle)
    finally:
        eccodes.codes_release(handle)


class Field(NamedTuple):
    """A decoded message: rows as the grid has them, NaN where there is nothing."""

    grid: NativeGrid
    values: NDArray[np.float64]
    said: Said


class Said(NamedTuple):
    """What the message says of itself."""

    code: Code | None
    """None in GRIB 1, which calls fields in another way."""
    cycle: datetime
    level: tuple[int, float]
    """The kind of surface, and its value."""
    minutes: int
    """From the cycle to the moment, or to the end of the time, that it is of."""


def decode(data: bytes, part: int = 1) -> Field:
    """One field of a message. Anything that eccodes cannot read is BadGrib."""
    message = field(checked(data), part)
    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as error:
        raise BadGrib(f"eccodes cannot read a message: {error}") from error
    if handle is None:
        raise BadGrib("eccodes finds no message")
    try:
        return _field(handle)
    except eccodes.CodesInternalError as error:
        raise BadGrib(f"eccodes cannot decode a message: {error}") from error
    finally:
        eccodes.codes_release(handle)


def _field(handle: Any) -> Field:
    grid = grid_of(handle)
    eccodes.codes_set_double(handle, "missingValue", NO_VALUE)
    values = eccodes.codes_get_double_array(handle, "values")
    if eccodes.codes_get_long(handle, "bitmapPresent"):
        values = np.where(values == NO_VALUE, np.nan, values)
    return Field(grid, _arranged(handle, values, grid), said(handle))


def _arranged(handle: Any, values: NDArray[np.float64], grid: NativeGrid) -> NDArray[np.float64]:
    """In rows and columns, however the message walks through its grid."""
    if eccodes.codes_get_long(handle, "jPointsAreConsecutive"):
        found = values.reshape(grid.columns, grid.rows)
        if _flag(handle, "alternativeRowScanning"):
            found[1::2] = found[1::2, ::-1]
        return np.ascontiguousarray(found.T)
    found = values.reshape(grid.rows, grid.columns)
    if _flag(handle, "alternativeRowScanning"):
        found = found.copy()
        found[1::2] = found[1::2, ::-1]
    return found


def _flag(handle: Any, name: str) -> bool:
    return bool(eccodes.codes_is_defined(handle, name) and eccodes.codes_get_long(handle, name))


def said(handle: Any) -> Said:
    date, time = (eccodes.codes_get_long(handle, key) for key in ("dataDate", "dataTime"))
    cycle = datetime.strptime(f"{date:08d}{time:04d}", "%Y%m%d%H%M").replace(tzinfo=UTC)
    if eccodes.codes_get_long(handle, "edition") != 2:
        level = (
            eccodes.codes_get_long(handle, "indicatorOfTypeOfLevel"),
            eccodes.codes_get_double(handle, "level"),
        )
        return Said(None, cycle, (int(level[0]), level[1]), _minutes(handle))
    code = Code(
        discipline=eccodes.codes_get_long(handle, "discipline"),
        category=eccodes.codes_get_long(handle, "parameterCategory"),
        number=eccodes.codes_get_long(handle, "parameterNumber"),
    )
    surface = eccodes.codes_get_long(handle, "typeOfFirstFixedSurface")
    return Said(code, cycle, (surface, eccodes.codes_get_double(handle, "level")), _minutes(handle))


def _minutes(handle: Any) -> int:
    eccodes.codes_set(handle, "stepUnits", "m")
    return int(str(eccodes.codes_get(handle, "endStep")).rstrip("m"))


def grid_of(handle: Any) -> NativeGrid:
    """Regular grids in degrees, and those on a cone, a polar plane or Mercator's cylinder."""
    kind = eccodes.codes_get_string(handle, "gridType")
    get = eccodes.codes_get_double
    if kind == "regular_ll":
        return _lonlat(handle)
    radius = _radius(handle)
    match kind:
        case "lambert":
            crs = (
                f"+proj=lcc +lat_1={get(handle, 'Latin1InDegrees'):.10g} +lat_2={get(handle, 'Latin2InDegrees'):.10g} "
                f"+lat_0={get(handle, 'LaDInDegrees'):.10g} +lon_0={get(handle, 'LoVInDegrees'):.10g} {radius}"
            )
            return _plane(handle, crs, "DxInMetres", "DyInMetres")
        case "polar_stereographic":
            pole = -90 if eccodes.codes_get_long(handle, "projectionCentreFlag") & 128 else 90
            crs = (
                f"+proj=stere +lat_0={pole} +lat_ts={get(handle, 'LaDInDegrees'):.10g} "
                f"+lon_0={get(handle, 'orientationOfTheGridInDegrees'):.10g} {radius}"
            )
            return _plane(handle, crs, "DxInMetres", "DyInMetres")
        case "mercator":
            crs = f"+proj=merc +lat_ts={get(handle, 'LaDInDegrees'):.10g} {radius}"
            return _plane(handle, crs, "DiInMetres", "DjInMetres")
        case _:
            raise BadGrib(f"a grid of the kind {kind!r} is not known here")


def _lonlat(handle: Any) -> NativeGrid:
    get = eccodes.codes_get_double
    columns, rows = (eccodes.codes_get_long(handle, key) for key in ("Ni", "Nj"))
    first, last = (get(handle, f"longitudeOf{end}GridPointInDegrees") for end in ("First", "Last"))
    top, bottom = (get(handle, f"latitudeOf{end}GridPointInDegrees") for end in ("First", "Last"))
    west = _flag(handle, "iScansNegatively")
    reach = (first - last if west else last - first) % 360
    dx = reach / max(columns - 1, 1)  # exact, where the message rounds its step
    dy = (bottom - top) / max(rows - 1, 1)
    return NativeGrid(
        kind="lonlat",
        x=first,
        y=top,
        dx=-dx if west else dx,
        dy=dy,
        columns=columns,
        rows=rows,
        grid_winds=_flag(handle, "uvRelativeToGrid"),
    )


def _plane(handle: Any, crs: str, dx: str, dy: str) -> NativeGrid:
    columns, rows = (eccodes.codes_get_long(handle, key) for key in ("Nx", "Ny"))
    lon, lat = (
        eccodes.codes_get_double(handle, f"{axis}OfFirstGridPointInDegrees")
        for axis in ("longitude", "latitude")
    )
    x, y = plane(crs).transform(lon, lat)
    steps = eccodes.codes_get_double(handle, dx), eccodes.codes_get_double(handle, dy)
    if not all(map(math.isfinite, (x, y))):
        raise BadGrib("the first point of a grid lies outside its own projection")
    return NativeGrid(
        kind="plane",
        crs=crs,
        x=float(x),
        y=float(y),
        dx=-steps[0] if _flag(handle, "iScansNegatively") else steps[0],
        dy=steps[1] if _flag(handle, "jScansPositively") else -steps[1],
        columns=columns,
        rows=rows,
        grid_winds=_flag(handle, "uvRelativeToGrid"),
    )


def _radius(handle: Any) -> str:
    shape = eccodes.codes_get_long(handle, "shapeOfTheEarth") if _flag_defined(handle) else 6
    if shape in RADIUS:
        return f"+R={RADIUS[shape]:.10g} +units=m +no_defs"
    if shape == 1:
        return f"+R={eccodes.codes_get_double(handle, 'radius'):.10g} +units=m +no_defs"
    if shape in (4, 5):
        return f"+ellps={'GRS80' if shape == 4 else 'WGS84'} +units=m +no_defs"
    raise BadGrib(f"an earth of the shape {shape} is not known here")


def _flag_defined(handle: Any) -> bool:
    return bool(eccodes.codes_is_defined(handle, "shapeOfTheEarth"))
