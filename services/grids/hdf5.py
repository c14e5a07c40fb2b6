"""What stands in the root of an HDF5 file and where its cells lie: h5py, over a file that fills as it is read.

No cell is decoded here, and no other file is ever opened, whatever the links, layouts and filters of this one ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5d, h5ds, h5o  # pyright: ignore[reportAttributeAccessIssue] - no stubs

from core.blobs import BlobInfo, BlobRef
from core.errors import BadInput
from services.grids.models import MOST_VARIABLES
from services.storage.spool import Spool

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
MACHINERY = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates",
     "_nc3_strict", "_NCProperties"}
)  # fmt: skip
"""Attributes that only say how the file is made."""
WRONG = (OSError, RuntimeError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError)

Attributes = dict[str, Any]
Shape = tuple[int, ...]
Known = Mapping[int, tuple[str, h5py.Dataset]]
"""The datasets of the root by their addresses, as dimensions point to them."""


class Chunk(NamedTuple):
    """Where one chunk lies: its place in the grid of chunks, and in the file."""

    at: Shape
    start: int
    length: int


class Filter(NamedTuple):
    """One step of the pipeline that chunks went through when they were written."""

    number: int
    values: tuple[int, ...]
    name: str


class Dataset(NamedTuple):
    """One array of the file."""

    name: str
    dtype: np.dtype[Any]
    shape: Shape
    dims: tuple[str, ...]
    attributes: Attributes
    filters: list[Filter]
    fill: Any
    chunked: Shape | None
    """The shape of its chunks; None where it lies in one piece."""
    chunks: list[Chunk]
    inline: bytes
    """The cells themselves, where they stand in the header."""


class Contents(NamedTuple):
    """What stands in the root group."""

    etag: str
    attributes: Attributes
    datasets: list[Dataset]
    left_out: list[str]


def recognize(spool: Spool) -> None:
    head, ref = spool.read(0, len(SIGNATURE)), spool.info.ref
    if head[:4] in CLASSIC:
        raise BadInput(
            f"{ref} is a NetCDF 3 (classic) file; convert it with: nccopy -k nc4 old.nc new.nc"
        )
    if head != SIGNATURE:
        raise BadInput(f"{ref} is no NetCDF 4 and no HDF5 file; send it in one of these formats")


@contextmanager
def understood(ref: BlobRef) -> Iterator[None]:
    try:
        yield
    except WRONG as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # from our disk, not from the file
        raise BadInput(f"{ref} is damaged or cut short: {error}; send it again") from error


def contents(file: h5py.File, info: BlobInfo, only: str | None) -> Contents:
    if len(file) > MOST_VARIABLES:
        raise BadInput(f"{info.ref} holds {len(file)} variables, more than {MOST_VARIABLES}")
    members = {name: file[name] for name in sorted(file) if _is_here(file, name)}
    found = {name: each for name, each in members.items() if isinstance(each, h5py.Dataset)}
    known = {h5o.get_info(each.id).addr: (name, each) for name, each in found.items()}
    datasets: list[Dataset] = []
    left_out = [f"group {name}" for name, each in members.items() if isinstance(each, h5py.Group)]
    left_out += [f"link {name}: it leads elsewhere" for name in sorted(set(file) - set(members))]
    for name, each in found.items():
        if only not in {None, name} or _is_mere_length(each):
            continue
        if why := _unreadable(each):
            left_out.append(f"{name}: {why}")
        else:
            datasets.append(_dataset(name, each, known, info.size))
    return Contents(info.etag, _attributes(file), datasets, left_out)


def _is_here(file: h5py.File, name: str) -> bool:
    """Other links may lead out of the file."""
    return isinstance(file.get(name, getlink=True), h5py.HardLink)


def _is_mere_length(dataset: h5py.Dataset) -> bool:
    return h5ds.is_scale(dataset.id) and h5ds.get_scale_name(dataset.id).startswith(NO_VARIABLE)


def _unreadable(dataset: h5py.Dataset) -> str:
    """Why a dataset cannot be referred to; empty when it can."""
    try:
        kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    except TypeError:
        return "numpy knows no such type"
    if kind not in "iufS" or (size > 8 and kind != "S"):
        return "it holds text or structures of varying length"
    if not dataset.size:
        return "it is empty"
    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
        return "its cells lie in other files"
    return ""


def _dataset(name: str, dataset: h5py.Dataset, known: Known, size: int) -> Dataset:
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(number) for number in range(plan.get_nfilters())]
    is_inline = plan.get_layout() == h5d.COMPACT
    scales = _scales(name, dataset, known)
    return Dataset(
        name=name,
        dtype=dataset.dtype,
        shape=_full_shape(dataset, scales),
        dims=tuple(f"phony_dim_{n}" if s is None else s[0] for n, s in enumerate(scales)),
        attributes=_attributes(dataset),
        filters=[Filter(code, values, label.decode()) for code, _, values, label in filters],
        fill=dataset.fillvalue,
        chunked=dataset.chunks,
        chunks=[] if is_inline else _chunks(dataset, size),
        inline=np.asarray(dataset[()]).tobytes() if is_inline else b"",
    )


def _scales(
    name: str, dataset: h5py.Dataset, known: Known
) -> list[tuple[str, h5py.Dataset] | None]:
    """What each dimension is measured by; None where it has no name."""
    if h5ds.is_scale(dataset.id):
        return [(name, dataset) if number == 0 else None for number in range(dataset.ndim)]
    return [known.get(h5o.get_info(dim[0].id).addr) if len(dim) else None for dim in dataset.dims]


def _full_shape(dataset: h5py.Dataset, scales: list[tuple[str, h5py.Dataset] | None]) -> Shape:
    """A variable that was written less far than others along an endless dimension goes on as missing."""
    return tuple(
        max(size, scale[1].shape[0]) if most is None and scale and scale[1].shape else size
        for size, most, scale in zip(dataset.shape, dataset.maxshape or (), scales, strict=True)
    )


def _chunks(dataset: h5py.Dataset, file_size: int) -> list[Chunk]:
    """Where every chunk lies; of a dataset in one piece, the one. None of them, where none was written."""
    found: list[Chunk] = []
    if dataset.chunks is None:
        if (start := dataset.id.get_offset()) is not None:
            length = prod(dataset.shape) * dataset.dtype.itemsize
            found.append(Chunk((0,) * dataset.ndim, start, length))
    else:
        shape = dataset.chunks

        def note(chunk: h5d.StoreInfo) -> None:
            if chunk.filter_mask:
                raise ValueError(f"{dataset.name} has chunks that skip a filter")
            index = tuple(at // n for at, n in zip(chunk.chunk_offset, shape, strict=True))
            found.append(Chunk(index, chunk.byte_offset, chunk.size))

        dataset.id.chunk_iter(note)
    if any(chunk.start + chunk.length > file_size for chunk in found):
        raise ValueError(f"{dataset.name} goes on past the end of the file")
    return found


def _attributes(at: h5py.Dataset | h5py.Group) -> Attributes:
    found = {_text(name): _value(at, name) for name in at.attrs if name not in MACHINERY}
    return {name: value for name, value in found.items() if value is not None}


def _value(at: h5py.Dataset | h5py.Group, name: str) -> Any:
    """A number, a text, or a list of either; None for all else. NetCDF writes one number as a list of one."""
    try:
        value = at.attrs[name]
    except TypeError:
        return None
    match value:
        case h5py.Empty():
            return ""
        case str() | bytes():
            return _text(value)
        case np.ndarray() if value.dtype.kind in "OS":
            texts = [_text(each) for each in value.flat if isinstance(each, str | bytes)]
            if len(texts) < value.size:
                return None
            return texts[0] if len(texts) == 1 else texts
        case np.ndarray() | np.generic() if value.dtype.kind in "iuf":
            return value.reshape(-1)[0] if value.size == 1 else value.tolist()
        case _:
            return None


def _text(value: str | bytes) -> str:
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return data.split(b"\0")[0].decode("utf-8", "replace")
