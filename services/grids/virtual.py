"""One cube out of many NetCDF files, without a copy: references to all of them, joined along time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.grids import opened
from services.grids.inspect import array_of, cells, coordinates, describe
from services.grids.listing import blobs_below
from services.grids.models import Frozen, GridInfo
from services.grids.references import Part, Reference, References, inlined
from services.grids.times import clock

MOST_FILES = 10_000
MATTERS = ("units", "scale_factor", "add_offset", "missing_value")
"""Attributes that decide what a stored number means."""

Arrays = dict[str, dict[str, Any]]


class FilePart(Frozen):
    """One file of a cube: what it refers to, and what it must have in common with the others."""

    ref: BlobRef
    found: References
    time: str | None
    moments: list[str]
    cubes: list[str]
    grid: str
    """A digest of every coordinate but time."""


def files_below(blobs: Blobs, root: BlobRef) -> list[BlobRef]:
    """Every NetCDF file whose name begins so."""
    folder = BlobRef(root.rstrip("/"))
    found = [info.ref for info in blobs_below(blobs, folder) if opened.is_netcdf(info.ref)]
    if not found:
        raise BadInput(f"no NetCDF file ({', '.join(opened.FILES)}) lies below {root}")
    if len(found) > MOST_FILES:
        raise BadInput(f"{len(found)} files lie below {root}, more than {MOST_FILES}; split them")
    return found


def refer(blobs: Blobs, ref: BlobRef) -> FilePart:
    """Where the chunks of one file lie. No cell of a grid is read, only its coordinates."""
    group, found = opened.netcdf(blobs, ref)
    info = describe(group, ref, "netcdf4", None, found.states[ref], found.left_out)
    axes = coordinates(group, info)
    levels = [cells(array_of(group, info.height.name))] if info.height else []
    digest = sha256(b"".join(axis.tobytes() for axis in (axes.x, axes.y, *levels)))
    return FilePart(
        ref=ref,
        found=found,
        time=info.time.name if info.time else None,
        moments=axes.moments,
        cubes=[cube.name for cube in info.cubes],
        grid=digest.hexdigest()[:12],
    )


def combine(parts: Iterable[FilePart]) -> References:
    """All files as one. BadInput names the file that does not fit."""
    files = list(parts)
    if len(files) == 1:
        return files[0].found
    for file in files:
        if file.time is None:
            raise BadInput(f"{file.ref} has no time axis, so it cannot be joined along time")
    _same(files, lambda file: file.time, "the name of the time axis")
    _same(files, lambda file: file.grid, "its coordinates")
    _same(files, lambda file: tuple(file.cubes), "its variables")
    files.sort(key=lambda file: file.moments[0])
    for earlier, later in pairwise(files):
        if later.moments[0] <= earlier.moments[-1]:
            raise BadInput(
                f"{later.ref} begins at {later.moments[0]}, before {earlier.ref} ends "
                f"({earlier.moments[-1]}); leave one of them away"
            )
    return _joined(files)


def write(blobs: Blobs, found: References, target: BlobRef) -> None:
    blobs.write(target, found.model_dump_json().encode(), content_type="application/json")


def prove(blobs: Blobs, info: GridInfo) -> None:
    """Read a cell at either end of every cube, so that a reference that leads nowhere is found now."""
    group = opened.cube(blobs, info.source)
    for cube in info.cubes:
        array = array_of(group, cube.name)
        for corner in ((0,) * array.ndim, tuple(size - 1 for size in array.shape)):
            cells(array, corner)


def state(parts: Sequence[FilePart]) -> str:
    """A word that changes when any of the files does."""
    return " ".join(
        sorted(f"{ref}@{tag}" for part in parts for ref, tag in part.found.states.items())
    )


def _joined(files: list[FilePart]) -> References:
    first, time = files[0], str(files[0].time)
    arrays = [_arrays(file) for file in files]
    refs = {key: text for key, text in first.found.refs.items() if "/" not in key}
    left_out = list(first.found.left_out)
    for name, array in arrays[0].items():
        if time not in array["dims"]:
            refs.update(_of(first, name))
        elif name == time:
            refs.update(_time_axis(files, arrays, time))
        elif name in first.cubes:
            refs.update(_cube(files, arrays, name, array["dims"].index(time)))
        else:
            left_out.append(f"{name}: only what lies on the grid is joined along time")
    states = {ref: tag for file in files for ref, tag in file.found.states.items()}
    return References(refs=refs, states=states, left_out=left_out)


def _arrays(file: FilePart) -> Arrays:
    """The metadata of every array of a file."""
    refs = file.found.refs
    names = [key.removesuffix("/.zarray") for key in refs if key.endswith("/.zarray")]
    found: Arrays = {}
    for name in names:
        attrs = json.loads(str(refs[f"{name}/.zattrs"]))
        array = json.loads(str(refs[f"{name}/.zarray"]))
        found[name] = {"array": array, "attrs": attrs, "dims": attrs["_ARRAY_DIMENSIONS"]}
    return found


def _cube(
    files: list[FilePart], arrays: list[Arrays], name: str, axis: int
) -> Iterator[tuple[str, Reference]]:
    found: Arrays = {file.ref: each[name] for file, each in zip(files, arrays, strict=True)}
    _same(files, lambda file: found[file.ref]["array"]["dtype"], f"the type of {name}")
    _same(files, lambda file: found[file.ref]["array"]["chunks"], f"the chunks of {name}")
    _same(files, lambda file: found[file.ref]["array"]["filters"], f"the compression of {name}")
    for key in MATTERS:
        _same(files, lambda file, key=key: found[file.ref]["attrs"].get(key), f"{key} of {name}")
    fills = {file.ref: found[file.ref]["array"]["fill_value"] for file in files}
    filled = [file for file in files if fills[file.ref] is not None]
    _same(filled, lambda file: fills[file.ref], f"the fill value of {name}")
    _refuse_parts(files[:-1], found, name, axis)
    lengths = [found[file.ref]["array"]["shape"][axis] for file in files]
    array = dict(found[files[0].ref]["array"])
    array["shape"] = [*array["shape"]]
    array["shape"][axis] = sum(lengths)
    array["fill_value"] = fills[filled[0].ref] if filled else None
    yield f"{name}/.zarray", json.dumps(array)
    yield f"{name}/.zattrs", str(files[0].found.refs[f"{name}/.zattrs"])
    yield from _chunks(files, lengths, name, axis, array["chunks"][axis])


def _refuse_parts(files: list[FilePart], found: Arrays, name: str, axis: int) -> None:
    """Chunks of a cube are all of one size, so only the last file may end within one."""
    for file in files:
        array = found[file.ref]["array"]
        length, chunk = array["shape"][axis], array["chunks"][axis]
        if length % chunk:
            raise BadInput(
                f"{file.ref} holds {length} times of {name} in chunks of {chunk}, and only the last "
                "file may end within a chunk; convert the files with netcdf_to_zarr instead"
            )


def _chunks(
    files: list[FilePart], lengths: list[int], name: str, axis: int, chunk: int
) -> Iterator[tuple[str, Reference]]:
    start = 0
    for file, length in zip(files, lengths, strict=True):
        for key, place in _of(file, name):
            if isinstance(place, Part) or not key.rpartition("/")[2].startswith("."):
                index = key.rpartition("/")[2].split(".")
                index[axis] = str(int(index[axis]) + start)
                yield f"{name}/{'.'.join(index)}", place
        start += -(-length // chunk)


def _time_axis(
    files: list[FilePart], arrays: list[Arrays], time: str
) -> Iterator[tuple[str, Reference]]:
    """All moments in the units of the first file: each file may count from a moment of its own."""
    attrs = arrays[0][time]["attrs"]
    calendars = {
        f.ref: each[time]["attrs"].get("calendar") for f, each in zip(files, arrays, strict=True)
    }
    _same(files, lambda file: calendars[file.ref], "its calendar")
    units = clock(str(attrs["units"]), str(attrs.get("calendar", "standard")))
    values = np.array(units.numbers([m for file in files for m in file.moments]), "<f8")
    array = {
        "zarr_format": 2,
        "shape": [values.size],
        "chunks": [values.size],
        "dtype": "<f8",
        "fill_value": None,
        "order": "C",
        "filters": None,
        "compressor": None,
    }
    yield f"{time}/.zarray", json.dumps(array)
    yield f"{time}/.zattrs", json.dumps(attrs)
    yield f"{time}/0", inlined(values.tobytes())


def _of(file: FilePart, name: str) -> Iterator[tuple[str, Reference]]:
    return ((k, place) for k, place in file.found.refs.items() if k.startswith(f"{name}/"))


def _same(files: Sequence[FilePart], of: Callable[[FilePart], Any], what: str) -> None:
    """Refuse files that differ, naming the one that is alone with what it says."""
    said = {file.ref: json.dumps(of(file)) for file in files}
    counts = Counter(said.values())
    if len(counts) > 1:
        usual, rare = counts.most_common()[0][0], counts.most_common()[-1][0]
        odd = next(ref for ref, value in reversed(said.items()) if value == rare)
        raise BadInput(
            f"{odd} differs from the other files in {what}: {rare[:200]}, where they have {usual[:200]}"
        )
