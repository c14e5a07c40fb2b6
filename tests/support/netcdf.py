"""NetCDF 4 files as the HDF5 library writes them, in any of its forms, old or new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import h5py
import numpy as np

NUMBERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
USUAL, OLDEST, NEWEST = ("v108", "v108"), ("earliest", "v108"), ("latest", "latest")
"""What the NetCDF library writes, what h5py does unless told otherwise, and what HDF5 has learned since."""
CLASSIC = b"CDF\x01" + bytes(60)


@dataclass(frozen=True)
class Var:
    """A variable to write. `data` may be a function of the index along the first dimension, for large ones."""

    dims: tuple[str, ...]
    data: Any
    attrs: Mapping[str, Any] = field(default_factory=dict)
    chunks: tuple[int, ...] | None = None
    deflate: int = 0
    shuffle: bool = False
    fletcher: bool = False
    fill: Any = None
    big: bool = False
    """Written most significant byte first."""


def netcdf(
    dims: Mapping[str, int | None],
    variables: Mapping[str, Var],
    attrs: Mapping[str, Any] | None = None,
    *,
    groups: Sequence[str] = (),
    form: tuple[str, str] = USUAL,
) -> bytes:
    """A NetCDF file. A dimension of None is unlimited."""
    made = BytesIO()
    with h5py.File(made, "w", libver=form) as file:
        for name, var in variables.items():
            _write(file, name, var, dims)
        for name, size in dims.items():
            _scale(file, name, variables, size or 0)
        for name, var in variables.items():
            for number, dim in enumerate(var.dims if var.dims != (name,) else ()):
                file[name].dims[number].attach_scale(file[dim])
        _describe(file, attrs or {})
        for name in groups:
            file.create_group(name)
    return made.getvalue()


def _write(file: h5py.File, name: str, var: Var, dims: Mapping[str, int | None]) -> None:
    planes: Callable[[int], np.ndarray] | None = var.data if callable(var.data) else None
    array = np.asarray(planes(0)[None] if planes else var.data)
    shape = (int(var.attrs["count"]), *array.shape[1:]) if planes else array.shape
    kind = h5py.string_dtype() if array.dtype.kind in "OU" else array.dtype
    limits = tuple(dims[dim] for dim in var.dims)
    packed = bool(var.deflate or var.shuffle or var.fletcher or None in limits)
    made = file.create_dataset(
        name,
        shape,
        kind.newbyteorder(">") if var.big else kind,
        chunks=var.chunks or (packed or None),
        maxshape=limits if packed and limits else None,
        compression=var.deflate or None,
        shuffle=var.shuffle or None,
        fletcher32=var.fletcher or None,
        fillvalue=var.fill,
    )
    for index in range(shape[0]) if planes else ():
        made[index] = planes(index)
    if not planes:
        made[...] = array
    fill = {} if var.fill is None else {"_FillValue": np.asarray([var.fill], array.dtype)}
    _describe(made, {**var.attrs, **fill})


def _scale(file: h5py.File, name: str, variables: Mapping[str, Var], size: int) -> None:
    if name in variables:
        file[name].make_scale(name)
        return
    longest = max([size, *(np.shape(v.data)[v.dims.index(name)] for v in variables.values()
                           if name in v.dims and not callable(v.data))])  # fmt: skip
    length = file.create_dataset(name, (longest,), ">f4")
    length.make_scale(f"This is a netCDF dimension but not a netCDF variable{longest:10d}")


def _describe(at: h5py.File | h5py.Dataset, attrs: Mapping[str, Any]) -> None:
    """Text of fixed width and lists of one, as the NetCDF library writes them."""
    for name, value in attrs.items():
        is_texts = isinstance(value, list) and isinstance(value[0], str)
        text = np.bytes_(value.encode()) if isinstance(value, str) else None
        at.attrs[name] = text if text is not None else value if is_texts else np.atleast_1d(value)
