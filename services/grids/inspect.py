"""Look at a grid without changing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.grids import opened, references
from services.grids.models import MOST_VARIABLES, Axis, Box, GridInfo, Role, TimeAxis, Variable
from services.grids.times import clock

if TYPE_CHECKING:
    import zarr

NAMES = {
    Role.X: {"lon", "longitude", "x"},
    Role.Y: {"lat", "latitude", "y"},
    Role.TIME: {"time", "t", "valid_time"},
    Role.HEIGHT: {"level", "lev", "plev", "height", "depth", "altitude", "isobaricinhpa"},
}
NORTH = {"degrees_north", "degree_north", "degrees_n", "degree_n", "degreen", "degreesn"}
EAST = {"degrees_east", "degree_east", "degrees_e", "degree_e", "degreee", "degreese"}
CODECS = frozenset(
    {"zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "blosc", "shuffle", "delta", "fixedscaleoffset",
     "fletcher32", "crc32", "crc32c", "adler32", "quantize", "bitround", "packbits", "astype",
     "vlen-utf8", "vlen-bytes"}
)  # fmt: skip
MOST_COORDINATES = 5_000_000
EVEN = 1e-3
"""Steps that differ by less than this share are even: coordinates are often kept as float32."""

Array = np.ndarray[Any, np.dtype[Any]]


class Coordinates(NamedTuple):
    """The axes of a grid, with every coordinate."""

    x: Array
    y: Array
    moments: list[str]


def inspect_file(blobs: Blobs, ref: BlobRef) -> GridInfo:
    """What a NetCDF file is. Anything that no retry can cure raises BadInput, which says what to do."""
    group, found = opened.netcdf(blobs, ref)
    size = blobs.info(ref).size
    return describe(group, ref, "netcdf4", size, found.states[ref], found.left_out)


def inspect(blobs: Blobs, ref: BlobRef) -> GridInfo:
    """What a Zarr store is, or a cube of references; otherwise BadInput."""
    etag = opened.state_of(blobs, ref)
    if ref.endswith(opened.REFERENCES):
        found = references.load(blobs, ref)
        group = opened.referred(blobs, found, ref)
        return describe(group, ref, "references", None, etag, found.left_out)
    group = opened.store(blobs, ref)
    return describe(group, ref, f"zarr{group.metadata.zarr_format}", None, etag)


def describe(
    group: zarr.Group,
    ref: BlobRef,
    kind: str,
    size: int | None,
    etag: str,
    left_out: Iterable[str] = (),
) -> GridInfo:
    arrays = arrays_of(group, ref)
    roles = {name: role for name, array in arrays.items() if (role := role_of(name, array))}
    x, y = (_axis(arrays, roles, role, ref) for role in (Role.X, Role.Y))
    time, trouble = _time(arrays, roles)
    variables = [_variable(name, array, {x.name, y.name}) for name, array in arrays.items()]
    if not any(variable.is_cube for variable in variables):
        raise BadInput(f"{ref} has coordinates, but no variable over {y.name} and {x.name}")
    return GridInfo(
        source=ref,
        format=kind,
        size=sum(variable.bytes for variable in variables) if size is None else size,
        etag=etag,
        consolidated=group.metadata.consolidated_metadata is not None,
        title=str(group.attrs.get("title") or ref.name.rsplit(".", 1)[0]),
        variables=variables,
        x=x,
        y=y,
        height=_height(arrays, roles),
        time=time,
        box=_box(x, y, ref),
        from_zero=max(x.first, x.last) > 180,
        warnings=[*(f"left out: {what}" for what in left_out), *trouble],
    )


def coordinates(group: zarr.Group, info: GridInfo) -> Coordinates:
    """Every coordinate of the axes."""
    x, y = (cells(array_of(group, axis.name)) for axis in (info.x, info.y))
    if info.time is None:
        return Coordinates(x, y, [])
    values = cells(array_of(group, info.time.name))
    return Coordinates(x, y, clock(info.time.units, info.time.calendar).moments(values))


def arrays_of(group: zarr.Group, ref: BlobRef) -> dict[str, zarr.Array]:
    with opened.understood(ref):
        arrays = dict(sorted(group.arrays()))
    if not arrays:
        raise BadInput(f"{ref} holds no variables in its root group")
    if len(arrays) > MOST_VARIABLES:
        raise BadInput(f"{ref} holds {len(arrays)} variables, more than {MOST_VARIABLES}")
    for name, array in arrays.items():
        _refuse_unknown_codecs(array, f"{ref}/{name}")
    return arrays


def _refuse_unknown_codecs(array: zarr.Array, name: str) -> None:
    """A version 2 store may ask for any codec of numcodecs, and its `pickle` runs what the sender wrote."""
    if array.metadata.zarr_format == 3:
        return
    asked = [*(array.metadata.filters or ()), array.metadata.compressor]
    used = {str(getattr(codec, "codec_id", codec)) for codec in asked if codec is not None}
    if unknown := sorted(used - CODECS):
        raise BadInput(f"{name} is packed with {', '.join(unknown)}, which is not opened here")


def array_of(group: zarr.Group, name: str) -> zarr.Array:
    return cast("zarr.Array", group[name])


def cells(array: zarr.Array, box: tuple[slice | int, ...] = ()) -> Array:
    """The numbers as they are stored: all of them, or those of a box."""
    if not box and array.size > MOST_COORDINATES:
        raise BadInput(f"{array.name} is {array.size} long, more than {MOST_COORDINATES}")
    with opened.understood(array.name):
        return np.asarray(array[box or ...])


def dims_of(array: zarr.Array) -> tuple[str, ...]:
    """The names of the dimensions, where version 2 or version 3 keeps them."""
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    names: Sequence[Any] = named if isinstance(named, list | tuple) else ()
    return tuple(
        str(names[number]) if number < len(names) and names[number] else f"phony_dim_{number}"
        for number in range(array.ndim)
    )


def role_of(name: str, array: zarr.Array) -> Role | None:
    """What a coordinate variable runs along; None for every other variable."""
    if array.ndim != 1 or dims_of(array) != (name,) or array.dtype.kind not in "iuf":
        return None
    unit = _word(array, "units")
    if _is(array, unit, NORTH, "latitude"):
        return Role.Y
    if _is(array, unit, EAST, "longitude"):
        return Role.X
    if " since " in unit or _word(array, "standard_name") == "time":
        return Role.TIME
    if _word(array, "positive") or _word(array, "axis") == "z":
        return Role.HEIGHT
    return next((role for role, names in NAMES.items() if name.lower() in names), None)


def _is(array: zarr.Array, unit: str, units: set[str], standard: str) -> bool:
    return unit in units or _word(array, "standard_name") == standard


def _word(array: zarr.Array, attribute: str) -> str:
    return str(array.attrs.get(attribute, "")).strip().lower()


def _axis(arrays: dict[str, zarr.Array], roles: dict[str, Role], role: Role, ref: BlobRef) -> Axis:
    names = [name for name, found in roles.items() if found is role]
    what = "longitude" if role is Role.X else "latitude"
    _refuse_projected(arrays, ref)
    if not names:
        raise BadInput(_no_axis(arrays, what, ref))
    if len(names) > 1:
        raise BadInput(f"{ref} has several axes of {what}: {', '.join(names)}; split it first")
    return _told(names[0], role, arrays[names[0]], ref)


def _refuse_projected(arrays: dict[str, zarr.Array], ref: BlobRef) -> None:
    for name, array in arrays.items():
        if _word(array, "standard_name").startswith("projection_"):
            raise BadInput(f"{ref} lies on a projected grid ({name}); warp it to degrees first")


def _no_axis(arrays: dict[str, zarr.Array], what: str, ref: BlobRef) -> str:
    units = EAST if what == "longitude" else NORTH
    flat = [n for n, a in arrays.items() if a.ndim == 2 and _is(a, _word(a, "units"), units, what)]
    if flat:
        return f"{ref} has a {what} per cell ({flat[0]}), not per column or row; regrid it first"
    return (
        f"{ref} has no {what} axis: a variable over its own dimension, with units "
        f"{'degrees_east' if what == 'longitude' else 'degrees_north'}; it has {', '.join(arrays)[:200]}"
    )


def _told(name: str, role: Role, array: zarr.Array, ref: BlobRef) -> Axis:
    with np.errstate(invalid="ignore"):  # a damaged file may hold signalling NaNs
        values = cells(array).astype("f8")
    steps = np.diff(values)
    if not np.isfinite(values).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise BadInput(f"the coordinates {name} of {ref} do not rise or fall all the way")
    even = steps.size > 0 and np.abs(steps - steps.mean()).max() < EVEN * abs(steps.mean())
    return Axis(
        name=name,
        role=role,
        size=values.size,
        first=float(values[0]),
        last=float(values[-1]),
        step=float(steps.mean()) if even else None,
        unit=str(array.attrs.get("units", "")),
    )


def _height(arrays: dict[str, zarr.Array], roles: dict[str, Role]) -> Axis | None:
    names = [name for name, role in roles.items() if role is Role.HEIGHT]
    if not names:
        return None
    array = arrays[names[0]]
    values = cells(array).astype("f8")
    return Axis(
        name=names[0],
        role=Role.HEIGHT,
        size=values.size,
        first=float(values[0]),
        last=float(values[-1]),
        step=None,
        unit=str(array.attrs.get("units", "")),
    )


def _time(
    arrays: dict[str, zarr.Array], roles: dict[str, Role]
) -> tuple[TimeAxis | None, list[str]]:
    """The time axis; where it cannot be read, none, and a warning."""
    name = next((name for name, role in roles.items() if role is Role.TIME), None)
    if name is None:
        return None, []
    try:
        return _times(name, arrays[name]), []
    except BadInput as error:
        return None, [f"{name} cannot be read as time: {error}"]


def _times(name: str, array: zarr.Array) -> TimeAxis:
    units, calendar = (array.attrs.get("units", ""), array.attrs.get("calendar", "standard"))
    found, values = clock(str(units), str(calendar)), cells(array)
    if not (np.diff(values) > 0).all():
        raise BadInput("it does not rise all the way")
    moments = found.moments(values[[0, -1]])
    return TimeAxis(
        name=name,
        size=values.size,
        first=moments[0],
        last=moments[-1],
        calendar=found.calendar,
        units=found.units,
    )


def _variable(name: str, array: zarr.Array, plane: set[str]) -> Variable:
    dims = dims_of(array)
    return Variable(
        name=name,
        dims=dims,
        shape=array.shape,
        dtype=array.dtype.str,
        chunks=array.chunks,
        unit=str(array.attrs.get("units", "")),
        title=str(array.attrs.get("long_name") or array.attrs.get("standard_name") or name),
        is_cube=plane <= set(dims) and array.dtype.kind in "iuf",
    )


def _box(x: Axis, y: Axis, ref: BlobRef) -> Box:
    """The outer edges of the outer cells, longitudes from -180 to 180."""
    if max(abs(y.first), abs(y.last)) > 90.001 or not -360 <= x.first <= 540:
        raise BadInput(f"{ref} has coordinates that are no degrees: {x.name}, {y.name}")
    west, east = _edges(x)
    south, north = _edges(y)
    south, north = max(south, -90.0), min(north, 90.0)
    if east - west >= 360 - 1e-6:
        return -180.0, south, 180.0, north
    return wrap(west), south, -wrap(-east), north


def _edges(axis: Axis) -> tuple[float, float]:
    low, high = sorted((axis.first, axis.last))
    half = abs(axis.step or 0.0) / 2
    return round(low - half, 9), round(high + half, 9)


def wrap(longitude: float) -> float:
    """A longitude from -180 up to, not including, 180."""
    return longitude if -180 <= longitude < 180 else (longitude + 180) % 360 - 180
