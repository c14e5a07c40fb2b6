"""Valid GRIB2 of the made-up archive, written with eccodes: small, quick to pack, and of any length that is asked for."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from services.weather.eccodes_apart import eccodes
from services.weather.idx import Kind, Span
from services.weather.models import MODELS, RAIN, Code, Model, Raw
from services.weather.sample import truth

Floats = NDArray[np.float64]
SPHERE = 6
"""The shape of the earth that NOAA's models have: a sphere of 6,371,229 m."""
STATISTIC = {Kind.MEAN: 0, Kind.SUM: 1, Kind.MAX: 2, Kind.MIN: 3}
OTHER = Code(discipline=0, category=3, number=192)
"""What nobody asks for."""
LATITUDE = 38.5


class Lonlat(NamedTuple):
    """The earth in quarters of a degree, as GFS and ECMWF have it."""

    west: float
    columns: int = 1440
    rows: int = 721

    def places(self) -> tuple[Floats, Floats]:
        lon = self.west + 0.25 * np.arange(self.columns, dtype=np.float64)
        return lon[None, :], np.linspace(90.0, -90.0, self.rows)[:, None]

    def describe(self, handle: Any) -> None:
        step, last = 0.25, (self.west + 0.25 * (self.columns - 1)) % 360
        _set(handle, gridType="regular_ll", Ni=self.columns, Nj=self.rows)
        _set(
            handle,
            latitudeOfFirstGridPointInDegrees=90.0,
            longitudeOfFirstGridPointInDegrees=self.west % 360,
            latitudeOfLastGridPointInDegrees=-90.0,
            longitudeOfLastGridPointInDegrees=last,
            iDirectionIncrementInDegrees=step,
            jDirectionIncrementInDegrees=step,
        )


class Cone(NamedTuple):
    """The United States on Lambert's cone, as HRRR, NBM and NAM have it; coarser, so that it is quick."""

    columns: int
    rows: int
    step: float
    corner: tuple[float, float] = (-122.719528, 21.138123)
    middle: float = -97.5

    def places(self) -> tuple[Floats, Floats]:
        to = _cone(self.middle)
        x0, y0 = to.transform(*self.corner)
        x, y = np.meshgrid(
            x0 + self.step * np.arange(self.columns), y0 + self.step * np.arange(self.rows)
        )
        lon, lat = to.transform(x, y, direction="INVERSE")
        return np.asarray(lon), np.asarray(lat)

    def describe(self, handle: Any) -> None:
        _set(handle, gridType="lambert", Nx=self.columns, Ny=self.rows)
        _set(
            handle,
            latitudeOfFirstGridPointInDegrees=self.corner[1],
            longitudeOfFirstGridPointInDegrees=self.corner[0] % 360,
            LaDInDegrees=LATITUDE,
            LoVInDegrees=self.middle % 360,
            DxInMetres=self.step,
            DyInMetres=self.step,
            Latin1InDegrees=LATITUDE,
            Latin2InDegrees=LATITUDE,
            jScansPositively=1,
            uvRelativeToGrid=1,
        )


GRIDS: dict[str, Lonlat | Cone] = {
    "gfs": Lonlat(0.0),
    "ecmwf": Lonlat(-180.0),
    "hrrr": Cone(450, 265, 12_000.0),
    "nam": Cone(450, 265, 12_000.0),
    "nbm": Cone(469, 320, 12_700.0, (-126.2766, 19.229), -95.0),
}


class Piece(NamedTuple):
    """What a message is to hold: a field of a model at a time, or something nobody asks for (`raw` is None)."""

    model: str
    cycle: datetime
    raw: Raw | None
    kind: Kind
    span: Span

    @property
    def time(self) -> datetime:
        return self.cycle + timedelta(minutes=self.span.end)

    @property
    def hours(self) -> float:
        return (self.span.end - self.span.start) / 60


def message(piece: Piece, length: int) -> bytes:
    """Exactly so long: as many bits as fit, and what is left lies in section 2, which nobody reads."""
    for bits in (16, 12, 10, 8, 6, 4, 2, 0):
        data = _packed(piece, bits)
        if len(data) == length or len(data) + 5 <= length:
            return padded(data, length)
    raise ValueError(f"no message of {piece} is as short as {length} bytes")


def usual(name: str) -> int:
    """How long a message of a model is in files that are made up."""
    grid = GRIDS[name]
    return int(grid.columns * grid.rows * 0.8) + 400


def _packed(piece: Piece, bits: int) -> bytes:
    """0 bits: a constant field, as where no rain falls."""
    model = MODELS[piece.model]
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    try:
        _set(handle, centre=98 if model.name == "ecmwf" else 7, shapeOfTheEarth=SPHERE)
        _describe(handle, model, piece)
        GRIDS[model.name].describe(handle)
        numbers = values(piece)
        if piece.raw is None or bits == 0:
            numbers = np.zeros_like(numbers)
            _set(handle, packingType="grid_simple")
        else:
            _set(handle, packingType="grid_ccsds", bitsPerValue=bits)
        eccodes.codes_set_values(handle, numbers.ravel())
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def _describe(handle: Any, model: Model, piece: Piece) -> None:
    """Everything but the grid and the numbers."""
    _set(handle, dataDate=int(f"{piece.cycle:%Y%m%d}"), dataTime=int(f"{piece.cycle:%H%M}"))
    summed = piece.kind is not Kind.INSTANT
    if summed:
        _set(handle, productDefinitionTemplateNumber=8)
        _set(handle, typeOfStatisticalProcessing=STATISTIC[piece.kind])
    found = model.messages[piece.raw] if piece.raw else None
    code = found.code or RAIN if found else OTHER
    _set(handle, discipline=code.discipline)
    _set(handle, parameterCategory=code.category, parameterNumber=code.number)
    if found and found.height is not None:
        _set(handle, typeOfFirstFixedSurface=103, scaleFactorOfFirstFixedSurface=0)
        _set(handle, scaledValueOfFirstFixedSurface=int(found.height))
    start, end = piece.span
    if start % 60 or end % 60:
        _set(handle, stepUnits="m")
    else:
        start, end = start // 60, end // 60
    _set(handle, stepRange=f"{start}-{end}" if summed else str(end))


@lru_cache(maxsize=32)
def values(piece: Piece) -> Floats:
    """Winds go along the grid where the grid says so."""
    grid = GRIDS[piece.model]
    lon, lat = _places(piece.model)
    if piece.raw is None:
        return np.zeros((grid.rows, grid.columns))
    if isinstance(grid, Cone) and piece.raw in (Raw.U, Raw.V):
        return _along(grid, lon, lat, piece.raw, piece.time)
    scale = MODELS[piece.model].messages[piece.raw].scale
    found = truth.field(piece.raw, lon, lat, piece.time, piece.hours) / scale
    return np.broadcast_to(found, (grid.rows, grid.columns))


def _along(grid: Cone, lon: Floats, lat: Floats, raw: Raw, time: datetime) -> Floats:
    """On a cone, north leans to the middle by the distance from it, times the sine of its latitude."""
    lean = np.radians(lon - grid.middle) * np.sin(np.radians(LATITUDE))
    u, v = (truth.field(each, lon, lat, time) for each in (Raw.U, Raw.V))
    if raw is Raw.U:
        return u * np.cos(lean) - v * np.sin(lean)
    return v * np.cos(lean) + u * np.sin(lean)


@lru_cache(maxsize=8)
def _places(name: str) -> tuple[Floats, Floats]:
    return GRIDS[name].places()


@lru_cache(maxsize=4)
def _cone(middle: float) -> Transformer:
    crs = CRS.from_user_input(
        f"+proj=lcc +lat_1={LATITUDE} +lat_2={LATITUDE} +lat_0={LATITUDE} +lon_0={middle} +R=6371229"
    )
    assert crs.geodetic_crs is not None
    return Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)


def joined(first: bytes, second: bytes) -> bytes:
    """Two fields in one message: the second's sections 4 to 7 behind the first's."""
    at, tail = 16, b""
    while at < len(second) - 4:
        size = int.from_bytes(second[at : at + 4], "big")
        if second[at + 4] >= 4:
            tail += second[at : at + size]
        at += size
    return _sized(first[:-4] + tail + b"7777")


def padded(data: bytes, length: int) -> bytes:
    """The same message, so many bytes long."""
    room = length - len(data)
    if room == 0:
        return data
    if room < 5:
        raise ValueError(f"a message of {len(data)} bytes cannot have {length}")
    end = 16 + int.from_bytes(data[16:20], "big")
    local = struct.pack(">IB", room, 2) + bytes(room - 5)
    return _sized(data[:end] + local + data[end:])


def _sized(data: bytes) -> bytes:
    return data[:8] + struct.pack(">Q", len(data)) + data[16:]


def _set(handle: Any, **values: Any) -> None:
    for key, value in values.items():
        eccodes.codes_set(handle, key, value)
