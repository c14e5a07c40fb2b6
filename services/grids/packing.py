"""What stored numbers mean: scaled, shifted, or missing."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from services.grids.inspect import Array

if TYPE_CHECKING:
    import zarr


def unpacked(array: zarr.Array, stored: Array) -> Array:
    """As float64; NaN where there is no value."""
    values = stored.astype("f8")
    for missing in _missing(array):
        values[stored == np.asarray(missing).astype(stored.dtype)] = np.nan
    scale, offset = (_number(array.attrs.get(k)) for k in ("scale_factor", "add_offset"))
    return values * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)


def _missing(array: zarr.Array) -> Iterator[float]:
    """Version 2 keeps what is missing as its fill value, version 3 as an attribute, floats as base64."""
    said = [array.attrs.get("_FillValue"), *_list(array.attrs.get("missing_value"))]
    if array.metadata.zarr_format == 2:
        said.append(array.fill_value)
    for value in map(_number, said):
        if value is not None and np.isfinite(value):
            yield value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> float | None:
    match value:
        case bool() | None:
            return None
        case int() | float() | np.number():
            return float(value)
        case str():
            return _from_text(value)
        case _:
            return None


def _from_text(text: str) -> float | None:
    try:
        return float(struct.unpack("<d", base64.b64decode(text, validate=True))[0])
    except (binascii.Error, struct.error):
        return None
