"""Arrays as bytes: one is a NPY file, several by name are a NPZ file.

They are read here and not with `np.load`, which reads every header as a piece of Python. Before Python 3.12, two threads
that do so at once can fail with "AST constructor recursion depth mismatch"; and it takes seven times as long.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAGIC = b"\x93NUMPY"
HEADER = re.compile(
    rb"\{'descr': '([<|](?:b1|[iu][1248]|f[248]))', 'fortran_order': (False|True), 'shape': \(([\d, ]*)\), \} *\n"
)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
"""What `zipfile` makes of bytes that are not what they were."""
Array = NDArray[Any]


class BadArray(ValueError):
    """These bytes are no array of numbers, or not a whole one."""


def packed(array: Array) -> bytes:
    """Of one array."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def together(arrays: Mapping[str, ArrayLike], *, small: bool = False) -> bytes:
    """Of several by name. Equal arrays are equal bytes."""
    file = BytesIO()
    write = np.savez_compressed if small else np.savez
    write(file, allow_pickle=False, **cast("Any", arrays))
    return file.getvalue()


def unpacked(data: bytes) -> Array:
    """The one array, in memory of its own: nothing keeps the bytes alive (R153)."""
    wide = data[6:7] in (b"\2", b"\3")  # of the header's length
    begins = 12 if wide else 10
    ends = begins + int.from_bytes(data[8:begins], "little")
    found = HEADER.fullmatch(data, begins, ends)
    if data[:6] != MAGIC or found is None:
        raise BadArray("it does not begin like an array of numbers")
    dtype, shape = np.dtype(found[1].decode()), tuple(map(int, re.findall(rb"\d+", found[3])))
    size = prod(shape) * dtype.itemsize
    if len(data) - ends != size:
        raise BadArray(f"{len(data) - ends} bytes are no {shape} of {dtype}")
    order = "F" if found[2] == b"True" else "C"
    array = np.empty(shape, dtype, order=order)
    array.reshape(-1, order=order).view(np.uint8)[:] = np.frombuffer(data, np.uint8, size, ends)
    return array


class Opened(Mapping[str, Array]):
    """Several arrays by name. Each is unpacked when it is asked for, and not kept."""

    def __init__(self, data: bytes) -> None:
        try:
            self._file = zipfile.ZipFile(BytesIO(data))
        except BROKEN as error:
            raise BadArray(f"they cannot be opened: {error}") from error

    def __getitem__(self, name: str) -> Array:
        try:
            return unpacked(self._file.read(f"{name}.npy"))
        except BROKEN as error:
            raise BadArray(f"{name} cannot be unpacked: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return (name.removesuffix(".npy") for name in self._file.namelist())

    def __len__(self) -> int:
        return len(self._file.namelist())
