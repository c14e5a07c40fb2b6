"""NetCDF files as the C library itself writes them, so that nothing of ours stands on both sides of a test."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

CLOBBER, NETCDF4, CLASSIC_MODEL = 0, 0x1000, 0x0100
GLOBAL = -1
UNLIMITED = 0
TYPES = {
    "i1": 1, "S1": 2, "i2": 3, "i4": 4, "f4": 5, "f8": 6,
    "u1": 7, "u2": 8, "u4": 9, "i8": 10, "u8": 11,
}  # fmt: skip
STRING = 12


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
    contiguous: bool = False
    fill: Any = None
    big: bool = False
    """Written most significant byte first."""


@cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(find_library("netcdf") or "libnetcdf.so.19")


def call(name: str, *args: Any) -> None:
    status = getattr(library(), name)(*args)
    if status:
        library().nc_strerror.restype = ctypes.c_char_p
        raise RuntimeError(f"{name}: {library().nc_strerror(status).decode()}")


def netcdf(
    dims: Mapping[str, int | None],
    variables: Mapping[str, Var],
    attrs: Mapping[str, Any] | None = None,
    *,
    classic: bool = False,
    groups: Sequence[str] = (),
) -> bytes:
    """A NetCDF file. A dimension of None is unlimited."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "made.nc")
        ncid = ctypes.c_int()
        mode = CLOBBER if classic else NETCDF4
        call("nc_create", str(file).encode(), mode, ctypes.byref(ncid))
        _fill_in(ncid, dims, variables, attrs or {}, groups)
        call("nc_close", ncid)
        return file.read_bytes()


def _fill_in(
    ncid: ctypes.c_int,
    dims: Mapping[str, int | None],
    variables: Mapping[str, Var],
    attrs: Mapping[str, Any],
    groups: Sequence[str],
) -> None:
    ids = {name: _dim(ncid, name, size) for name, size in dims.items()}
    varids = {name: _define(ncid, name, var, ids) for name, var in variables.items()}
    for name, value in attrs.items():
        _att(ncid, GLOBAL, name, value)
    for name in groups:
        call("nc_def_grp", ncid, name.encode(), ctypes.byref(ctypes.c_int()))
    call("nc_enddef", ncid)
    for name, var in variables.items():
        _write(ncid, varids[name], var)


def _dim(ncid: ctypes.c_int, name: str, size: int | None) -> int:
    found = ctypes.c_int()
    length = ctypes.c_size_t(UNLIMITED if size is None else size)
    call("nc_def_dim", ncid, name.encode(), length, ctypes.byref(found))
    return found.value


def _array(var: Var) -> np.ndarray:
    return np.asarray(var.data(0)[None] if callable(var.data) else var.data)


def _define(ncid: ctypes.c_int, name: str, var: Var, ids: Mapping[str, int]) -> int:
    found = ctypes.c_int()
    dims = (ctypes.c_int * len(var.dims))(*(ids[dim] for dim in var.dims))
    call(
        "nc_def_var",
        ncid,
        name.encode(),
        _type(_array(var)),
        len(var.dims),
        dims,
        ctypes.byref(found),
    )
    varid = found.value
    if var.big:
        call("nc_def_var_endian", ncid, varid, 2)
    if var.chunks or var.contiguous:
        sizes = (ctypes.c_size_t * len(var.dims))(*(var.chunks or ()))
        call("nc_def_var_chunking", ncid, varid, int(var.contiguous), sizes if var.chunks else None)
    if var.deflate or var.shuffle:
        call("nc_def_var_deflate", ncid, varid, int(var.shuffle), int(var.deflate > 0), var.deflate)
    if var.fletcher:
        call("nc_def_var_fletcher32", ncid, varid, 1)
    if var.fill is not None:
        value = np.asarray(var.fill, _array(var).dtype)
        call("nc_def_var_fill", ncid, varid, 0, value.ctypes.data_as(ctypes.c_void_p))
    for key, value in var.attrs.items():
        _att(ncid, varid, key, value)
    return varid


def _type(array: np.ndarray) -> int:
    return STRING if array.dtype.kind in "OU" else TYPES[array.dtype.str[1:]]


def _att(ncid: ctypes.c_int, varid: int, name: str, value: Any) -> None:
    if isinstance(value, str):
        text = value.encode()
        call("nc_put_att_text", ncid, varid, name.encode(), ctypes.c_size_t(len(text)), text)
    elif isinstance(value, list) and isinstance(value[0], str):
        texts = (ctypes.c_char_p * len(value))(*(v.encode() for v in value))
        call("nc_put_att_string", ncid, varid, name.encode(), ctypes.c_size_t(len(value)), texts)
    else:
        array = np.atleast_1d(np.asarray(value))
        pointer = array.ctypes.data_as(ctypes.c_void_p)
        size = ctypes.c_size_t(array.size)
        call("nc_put_att", ncid, varid, name.encode(), _type(array), size, pointer)


def _write(ncid: ctypes.c_int, varid: int, var: Var) -> None:
    if callable(var.data):
        count = var.attrs["count"]
        for index in range(int(count)):
            _put(ncid, varid, var.data(index)[None], index)
        return
    _put(ncid, varid, np.asarray(var.data), 0)


def _put(ncid: ctypes.c_int, varid: int, array: np.ndarray, start: int) -> None:
    if array.size == 0:
        return
    rank = array.ndim
    begins = (ctypes.c_size_t * max(rank, 1))(*([start] + [0] * (rank - 1)) if rank else [0])
    counts = (ctypes.c_size_t * max(rank, 1))(*(array.shape or (1,)))
    if array.dtype.kind in "OU":
        texts = (ctypes.c_char_p * array.size)(*(str(v).encode() for v in array.reshape(-1)))
        call("nc_put_vara", ncid, varid, begins, counts, texts)
        return
    data = np.ascontiguousarray(array)
    call("nc_put_vara", ncid, varid, begins, counts, data.ctypes.data_as(ctypes.c_void_p))
