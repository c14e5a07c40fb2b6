"""A NetCDF file as a Zarr store without a copy: metadata, and where in the file each chunk lies."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.grids.hdf5.cursor import NOWHERE
from services.grids.hdf5.datatypes import Filter, Kind
from services.grids.hdf5.file import Attributes, Dataset, Hdf5File
from services.grids.hdf5.layout import Chunk, Chunked, Contiguous, Inline

MOST_VARIABLES = 1_000
PIECE = 4 << 20
"""What lies in one piece is read in parts of about so many bytes."""
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
HIDDEN = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates",
     "_nc3_strict", "_NCProperties", "_FillValue", "_ARRAY_DIMENSIONS"}
)  # fmt: skip
BY_NUMBER: dict[int, tuple[str, ...]] = {
    1: ("zlib", "level"),
    2: ("shuffle", "elementsize"),
    3: ("fletcher32",),
    307: ("bz2", "level"),
    32015: ("zstd", "level"),
}
"""What Zarr calls the filters that HDF5 numbers, and the setting that each has."""


class Part(NamedTuple):
    """A range of a blob."""

    ref: BlobRef
    start: int
    length: int


Reference = str | Part
Known = Mapping[int, Dataset]
"""The datasets of a file by their addresses, as dimensions point to them."""


class References(BaseModel):
    """A Zarr (version 2) store as kerchunk writes it: a key is text, base64, or a part of a blob."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    refs: dict[str, Reference]
    states: dict[str, str] = {}
    """The etag that each file had. Its parts are read of that state only: other bytes would be wrong cells."""
    left_out: list[str] = []
    """What the file holds but this does not, and why."""


READ = TypeAdapter(References)


def load(blobs: Blobs, ref: BlobRef) -> References:
    """References that were written before."""
    try:
        return READ.validate_json(blobs.read(ref))
    except ValueError as error:
        raise BadInput(f"{ref} holds no references: {str(error)[:200]}") from error


def of_netcdf(blobs: Blobs, ref: BlobRef, only: str | None = None) -> References:
    """References to every chunk of a NetCDF 4 file, or of one variable, found by ranged reads."""
    file = Hdf5File(blobs, ref)
    found = file.contents
    if len(found.datasets) > MOST_VARIABLES:
        raise BadInput(f"{ref} holds {len(found.datasets)} variables, more than {MOST_VARIABLES}")
    known = {dataset.address: dataset for dataset in found.datasets}
    refs: dict[str, Reference] = {
        ".zgroup": json.dumps({"zarr_format": 2}),
        ".zattrs": json.dumps(plain(found.attributes)),
    }
    left_out = [f"group {name}" for name in found.groups]
    for dataset in found.datasets:
        if str(dataset.attributes.get("NAME", "")).startswith(NO_VARIABLE):
            continue
        if only not in {None, dataset.name}:
            continue
        if why := _unreadable(dataset):
            left_out.append(f"{dataset.name}: {why}")
        else:
            refs.update(_variable(file, _to_full_length(dataset, known), known))
    return References(refs=refs, states={ref: file.blob.etag}, left_out=left_out)


def _unreadable(dataset: Dataset) -> str:
    """Why a dataset cannot become an array; empty when it can."""
    unknown = [f.name or f"filter {f.number}" for f in dataset.filters if f.number not in BY_NUMBER]
    if "/" in dataset.name or dataset.name.startswith(".") or not dataset.name.isprintable():
        return "its name cannot be that of an array"
    if dataset.type.kind not in {Kind.NUMBER, Kind.TEXT}:
        return "it holds text or structures of varying length"
    if dataset.space.shape is None or 0 in dataset.shape:
        return "it is empty"
    if unknown:
        return f"it is compressed with {', '.join(unknown)}"
    return dataset.trouble


def _variable(file: Hdf5File, dataset: Dataset, known: Known) -> Iterator[tuple[str, Reference]]:
    name, chunks = dataset.name, _chunk_shape(dataset)
    places = dict(_places(file, dataset, chunks))
    whole = len(places) == prod(_count(n, c) for n, c in zip(dataset.shape, chunks, strict=True))
    attributes = plain(dataset.attributes) | {"_ARRAY_DIMENSIONS": list(_dims(dataset, known))}
    yield f"{name}/.zarray", json.dumps(_zarray(dataset, chunks, whole=whole))
    yield f"{name}/.zattrs", json.dumps(attributes, allow_nan=False)
    yield from ((f"{name}/{key}", place) for key, place in places.items())


def _zarray(dataset: Dataset, chunks: tuple[int, ...], *, whole: bool) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": list(dataset.shape),
        "chunks": list(chunks),
        "dtype": dataset.type.numpy,
        "fill_value": _fill(dataset, whole=whole),
        "order": "C",
        "filters": [_codec(each, dataset.type.size) for each in dataset.filters] or None,
        "compressor": None,
    }


def _fill(dataset: Dataset, *, whole: bool) -> Any:
    """What stands for no value. Readers of Zarr 2 mask it, so it is named only where it can mean that."""
    if dataset.type.kind is not Kind.NUMBER or (whole and "_FillValue" not in dataset.attributes):
        return None
    if dataset.fill is None or len(dataset.fill) != dataset.type.size:
        return 0
    value = np.frombuffer(dataset.fill, dataset.type.numpy)[0].item()
    return value if isfinite(value) else _endless(value)


def _endless(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _codec(each: Filter, size: int) -> dict[str, Any]:
    name, *settings = BY_NUMBER[each.number]
    value = size if name == "shuffle" else each.values[0] if each.values else 1
    return {"id": name, **dict.fromkeys(settings, value)}


def _scales(dataset: Dataset, known: Known) -> Iterator[Dataset | None]:
    """What each dimension is measured by; None where it has no name."""
    scales = dataset.attributes.get("DIMENSION_LIST", [])
    if not scales and dataset.attributes.get("CLASS") == "DIMENSION_SCALE":
        scales = [[dataset.address]]
    for number in range(len(dataset.shape)):
        pointed = scales[number] if number < len(scales) else []
        yield known.get(pointed[0]) if pointed else None


def _dims(dataset: Dataset, known: Known) -> Iterator[str]:
    """The names of the dimensions. Those that have none are numbered, as NetCDF does."""
    for number, scale in enumerate(_scales(dataset, known)):
        yield f"phony_dim_{number}" if scale is None else scale.name


def _to_full_length(dataset: Dataset, known: Known) -> Dataset:
    """A variable that was written less far than others along an endless dimension goes on as missing."""
    shape = tuple(
        max(size, scale.shape[0]) if endless and scale and scale.shape else size
        for size, endless, scale in zip(
            dataset.shape, dataset.space.unlimited, _scales(dataset, known), strict=True
        )
    )
    return replace(dataset, space=replace(dataset.space, shape=shape)) if dataset.shape else dataset


def _chunk_shape(dataset: Dataset) -> tuple[int, ...]:
    match dataset.layout:
        case Chunked(_, shape):
            return shape
        case Contiguous() if not dataset.filters:
            return _pieces(dataset.shape, dataset.type.size)
        case _:
            return dataset.shape


def _pieces(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Cut along the first dimensions into equal pieces, as all chunks of an array are of one size."""
    if not shape or prod(shape) * size <= PIECE:
        return shape
    inner = prod(shape[1:]) * size
    if inner > PIECE:
        return (1, *_pieces(shape[1:], size))
    rows = next(n for n in range(min(shape[0], PIECE // inner), 0, -1) if shape[0] % n == 0)
    return (rows, *shape[1:])


def _places(
    file: Hdf5File, dataset: Dataset, chunks: tuple[int, ...]
) -> Iterator[tuple[str, Reference]]:
    match dataset.layout:
        case Inline(data):
            yield _key((0,) * len(chunks)), inlined(data)
        case Contiguous(address, size) if address != NOWHERE and size:
            yield from _cut(file.ref, dataset.shape, chunks, address, dataset.type.size)
        case Chunked():
            counts = [_count(n, c) for n, c in zip(dataset.shape, chunks, strict=True)]
            for chunk in file.chunks(dataset):
                if all(at < n for at, n in zip(chunk.index, counts, strict=True)):
                    yield _key(chunk.index), _part(file.ref, chunk)
        case _:
            return


def _part(ref: BlobRef, chunk: Chunk) -> Part:
    return Part(ref, chunk.start, chunk.length)


def _cut(
    ref: BlobRef, shape: tuple[int, ...], chunks: tuple[int, ...], start: int, size: int
) -> Iterator[tuple[str, Reference]]:
    length = prod(chunks) * size
    counts = [_count(n, c) for n, c in zip(shape, chunks, strict=True)]
    for number, index in enumerate(product(*map(range, counts))):
        yield _key(index), Part(ref, start + number * length, length)


def _count(length: int, chunk: int) -> int:
    return -(-length // chunk)


def _key(index: tuple[int, ...]) -> str:
    return ".".join(map(str, index)) or "0"


def inlined(data: bytes) -> str:
    """Bytes as kerchunk writes them into its JSON."""
    return f"base64:{b64encode(data).decode()}"


def plain(attributes: Attributes) -> Attributes:
    """Attributes as strict JSON has them, without those that only say how the file is made."""
    return {
        name: _json(value)
        for name, value in sorted(attributes.items())
        if name not in HIDDEN and not (name == "missing_value" and value != value)
    }


def _json(value: Any) -> Any:
    match value:
        case np.generic():
            return _json(value.item())
        case float() if not isfinite(value):
            return _endless(value)
        case list():
            return [_json(each) for each in value]
        case _:
            return value
