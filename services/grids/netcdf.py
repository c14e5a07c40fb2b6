"""A NetCDF file as references: the metadata of a Zarr store, and where in the file each chunk lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from math import isfinite, prod
from typing import Any

import numpy as np

from core.blobs import BlobRef, Blobs
from services.grids import apart, hdf5
from services.grids.hdf5 import Dataset, Filter, Shape
from services.grids.references import Part, Reference, References, endless, inlined, plain
from services.storage.spool import spooled

PIECE = 4 << 20
"""What lies in one piece is read in parts of about so many bytes."""
BY_NUMBER: dict[int, tuple[str, ...]] = {
    1: ("zlib", "level"),
    2: ("shuffle", "elementsize"),
    3: ("fletcher32",),
    307: ("bz2", "level"),
    32015: ("zstd", "level"),
}
"""What Zarr calls the filters that HDF5 numbers, and the setting that each has."""


def of_netcdf(blobs: Blobs, ref: BlobRef, only: str | None = None) -> References:
    """References to every chunk of a NetCDF 4 file, or of one variable, found by ranged reads."""
    with spooled(blobs, blobs.info(ref), whole=False) as spool:
        hdf5.recognize(spool)
        found = apart.contents(spool, only)
    refs: dict[str, Reference] = {
        ".zgroup": json.dumps({"zarr_format": 2}),
        ".zattrs": json.dumps(plain(found.attributes)),
    }
    left_out = list(found.left_out)
    for dataset in found.datasets:
        if why := _unreadable(dataset):
            left_out.append(f"{dataset.name}: {why}")
        else:
            refs.update(_variable(ref, dataset))
    return References(refs=refs, states={ref: found.etag}, left_out=left_out)


def _unreadable(dataset: Dataset) -> str:
    """Why a dataset cannot become an array; empty when it can."""
    unknown = [f.name or f"filter {f.number}" for f in dataset.filters if f.number not in BY_NUMBER]
    if dataset.name.startswith(".") or not dataset.name.isprintable():
        return "its name cannot be that of an array"
    return f"it is compressed with {', '.join(unknown)}" if unknown else ""


def _variable(ref: BlobRef, dataset: Dataset) -> Iterator[tuple[str, Reference]]:
    name, chunks = dataset.name, _chunk_shape(dataset)
    places = dict(_places(ref, dataset, chunks))
    whole = len(places) == prod(_counts(dataset.shape, chunks))
    attributes = plain(dataset.attributes) | {"_ARRAY_DIMENSIONS": list(dataset.dims)}
    yield f"{name}/.zarray", json.dumps(_zarray(dataset, chunks, whole=whole))
    yield f"{name}/.zattrs", json.dumps(attributes, allow_nan=False)
    yield from ((f"{name}/{key}", place) for key, place in places.items())


def _zarray(dataset: Dataset, chunks: Shape, *, whole: bool) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": list(dataset.shape),
        "chunks": list(chunks),
        "dtype": dataset.dtype.str,
        "fill_value": _fill(dataset, whole=whole),
        "order": "C",
        "filters": [_codec(each, dataset.dtype.itemsize) for each in dataset.filters] or None,
        "compressor": None,
    }


def _fill(dataset: Dataset, *, whole: bool) -> Any:
    """What stands for no value. Readers of Zarr 2 mask it, so it is named only where it can mean that."""
    said = dataset.attributes.get("_FillValue")
    if dataset.dtype.kind == "S" or (whole and said is None):
        return None
    value = np.asarray(dataset.fill if said is None else said).astype(dataset.dtype).item()
    return value if isfinite(value) else endless(value)


def _codec(each: Filter, size: int) -> dict[str, Any]:
    name, *settings = BY_NUMBER[each.number]
    value = size if name == "shuffle" else each.values[0] if each.values else 1
    return {"id": name, **dict.fromkeys(settings, value)}


def _chunk_shape(dataset: Dataset) -> Shape:
    if dataset.chunked is not None:
        return dataset.chunked
    return dataset.shape if dataset.inline else _pieces(dataset.shape, dataset.dtype.itemsize)


def _pieces(shape: Shape, size: int) -> Shape:
    """Cut along the first dimensions into equal pieces, as all chunks of an array are of one size."""
    if not shape or prod(shape) * size <= PIECE:
        return shape
    inner = prod(shape[1:]) * size
    if inner > PIECE:
        return (1, *_pieces(shape[1:], size))
    rows = next(n for n in range(min(shape[0], PIECE // inner), 0, -1) if shape[0] % n == 0)
    return (rows, *shape[1:])


def _places(ref: BlobRef, dataset: Dataset, shape: Shape) -> Iterator[tuple[str, Reference]]:
    counts = _counts(dataset.shape, shape)
    if dataset.inline:
        yield _key((0,) * len(shape)), inlined(dataset.inline)
    elif dataset.chunked is None:
        length = prod(shape) * dataset.dtype.itemsize
        for piece in dataset.chunks:
            for number, index in enumerate(product(*map(range, counts))):
                yield _key(index), Part(ref, piece.start + number * length, length)
    else:
        for chunk in dataset.chunks:
            if all(at < n for at, n in zip(chunk.at, counts, strict=True)):
                yield _key(chunk.at), Part(ref, chunk.start, chunk.length)


def _counts(shape: Shape, chunks: Shape) -> list[int]:
    return [-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)]


def _key(index: Shape) -> str:
    return ".".join(map(str, index)) or "0"
