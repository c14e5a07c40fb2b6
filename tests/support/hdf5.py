"""HDF5 files in the oldest form, which h5py writes unless told otherwise, made by the C library itself."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

FOLDER = "/usr/lib/x86_64-linux-gnu"
TRUNCATE, DEFAULT, ALL, SIMPLE_TEXT = 2, 0, 0, 0
CREATE_DATASET = "H5P_CLS_DATASET_CREATE_ID_g"
NATIVE = {"f4": "H5T_NATIVE_FLOAT_g", "f8": "H5T_NATIVE_DOUBLE_g", "i4": "H5T_NATIVE_INT_g"}


@cache
def libraries() -> tuple[ctypes.CDLL, ctypes.CDLL]:
    base = ctypes.CDLL(f"{FOLDER}/libhdf5_serial.so.103", mode=ctypes.RTLD_GLOBAL)
    high = ctypes.CDLL(f"{FOLDER}/libhdf5_serial_hl.so.100")
    base.H5open()
    return base, high


def h5(name: str, *args: Any) -> int:
    base, high = libraries()
    function = getattr(high if name.startswith("H5DS") else base, name)
    function.restype = ctypes.c_int64
    found = function(*(ctypes.c_int64(a) if isinstance(a, int) else a for a in args))
    if found & 0x80000000:
        raise RuntimeError(f"{name} failed")
    return found


def constant(name: str) -> int:
    return ctypes.c_int64.in_dll(libraries()[0], name).value


def hdf5(arrays: Mapping[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, str]]]) -> bytes:
    """Arrays over named dimensions, deflated; an array named as its dimension is that dimension's scale."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.h5")
        file = h5("H5Fcreate", str(path).encode(), TRUNCATE, DEFAULT, DEFAULT)
        ids = {name: _write(file, name, array, attrs) for name, (_, array, attrs) in arrays.items()}
        for name, (dims, _, _) in arrays.items():
            if dims == (name,):
                h5("H5DSset_scale", ids[name], name.encode())
        for name, (dims, _, _) in arrays.items():
            for number, dim in enumerate(dims if dims != (name,) else ()):
                h5("H5DSattach_scale", ids[name], ids[dim], ctypes.c_uint(number))
        for each in ids.values():
            h5("H5Dclose", each)
        h5("H5Fclose", file)
        return path.read_bytes()


def _write(file: int, name: str, array: np.ndarray, attrs: Mapping[str, str]) -> int:
    shape = (ctypes.c_uint64 * array.ndim)(*array.shape)
    space = h5("H5Screate_simple", ctypes.c_int(array.ndim), shape, None)
    creation = h5("H5Pcreate", constant(CREATE_DATASET))
    chunk = (ctypes.c_uint64 * array.ndim)(*(max(1, n // 2) for n in array.shape))
    h5("H5Pset_chunk", creation, ctypes.c_int(array.ndim), chunk)
    h5("H5Pset_deflate", creation, ctypes.c_uint(4))
    kind = constant(NATIVE[array.dtype.str[1:]])
    made = h5("H5Dcreate2", file, name.encode(), kind, space, DEFAULT, creation, DEFAULT)
    data = np.ascontiguousarray(array)
    h5("H5Dwrite", made, kind, ALL, ALL, DEFAULT, data.ctypes.data_as(ctypes.c_void_p))
    for key, value in attrs.items():
        _attribute(made, key, value.encode())
    return made


def _attribute(made: int, name: str, text: bytes) -> None:
    kind = h5("H5Tcopy", constant("H5T_C_S1_g"))
    h5("H5Tset_size", kind, ctypes.c_size_t(len(text)))
    space = h5("H5Screate", ctypes.c_int(SIMPLE_TEXT))
    attribute = h5("H5Acreate2", made, name.encode(), kind, space, DEFAULT, DEFAULT)
    h5("H5Awrite", attribute, kind, text)
    h5("H5Aclose", attribute)
