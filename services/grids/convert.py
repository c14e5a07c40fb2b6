"""Turn a NetCDF file into a Zarr store: the metadata first, then slab by slab, then a look whether it is right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import isqrt, prod
from typing import TYPE_CHECKING

import numpy as np

from core.blobs import BlobRef, Blobs
from core.errors import BadInput, BlobChanged, ServiceUnavailable
from core.imports import one_at_a_time
from services.grids import opened
from services.grids.inspect import array_of, cells, dims_of
from services.grids.models import GridInfo, Layout, Slab, Variable, Written

if TYPE_CHECKING:
    import zarr

SLAB = 64 << 20
"""What a task holds of a variable at once, in bytes."""
CHUNK = 2 << 20
"""What a chunk takes when unpacked: few requests for a map, little waste for a point."""
LONGEST = 512
"""Times in a chunk at most."""
LARGEST_SOURCE = 512 << 20
"""A larger chunk of the source cannot be taken apart in the memory of a worker."""
LOOKS = 8
"""Places of each variable that are compared with the source."""

Shape = tuple[int, ...]


def plan(
    info: GridInfo, root: BlobRef, wanted: list[str] | None, chunks: Mapping[str, int] | None
) -> Layout:
    """Which variables go where, in which chunks. The same for the same file."""
    cubes = _chosen(info, wanted)
    shapes = {cube.name: chunk_shape(cube, info, chunks or {}) for cube in cubes}
    others = {v.name: v.shape for v in companions(info)}
    return Layout(root=root, etag=info.etag, chunks={**others, **shapes})


def companions(info: GridInfo) -> list[Variable]:
    """What goes with the cubes, whole: coordinates, bounds, the name of the CRS. Text stays behind."""
    small = [v for v in info.variables if not v.is_cube and np.dtype(v.dtype).kind in "iuf"]
    for variable in small:
        if variable.bytes > SLAB:
            raise BadInput(
                f"{variable.name} of {info.source} is no grid, and too large to go along "
                f"({variable.bytes >> 20} MB); take it out of the file"
            )
    return small


def left_behind(info: GridInfo) -> list[str]:
    """Text is read but not converted: Zarr 3 has no settled way to keep it."""
    return [
        f"not converted: {variable.name}: it holds text"
        for variable in info.variables
        if np.dtype(variable.dtype).kind == "S"
    ]


def chunk_shape(variable: Variable, info: GridInfo, asked: Mapping[str, int]) -> Shape:
    """As many times as memory allows for whole maps, then as much of the map as makes a good chunk."""
    _refuse(variable, info, asked)
    plane = info.x.size * info.y.size * variable.itemsize
    times = max(
        1, min(SLAB // plane, LONGEST, _size(variable, info.time.name if info.time else ""))
    )
    side = max(1, isqrt(CHUNK // (times * variable.itemsize)))
    usual = {info.x.name: side, info.y.name: side}
    if info.time is not None:
        usual[info.time.name] = times
    return tuple(
        min(asked.get(dim, usual.get(dim, 1)), size)
        for dim, size in zip(variable.dims, variable.shape, strict=True)
    )


def slabs_of(variable: Variable, chunks: Shape) -> Iterator[Slab]:
    """Boxes of whole chunks that fit a task's memory, longest along the last dimensions."""
    box = list(chunks)
    for axis in reversed(range(len(box))):
        room = SLAB // (prod(box) * variable.itemsize)
        box[axis] = min(variable.shape[axis], box[axis] * max(1, room))
    ranges = (range(0, size, step) for size, step in zip(variable.shape, box, strict=True))
    for start in product(*ranges):
        stop = (min(at + step, n) for at, step, n in zip(start, box, variable.shape, strict=True))
        yield Slab(variable=variable.name, start=start, stop=tuple(stop))


def prepare(blobs: Blobs, info: GridInfo, layout: Layout) -> list[Slab]:
    """Write the metadata and all that is no grid; what is left to write. Doing it again changes nothing."""
    with one_at_a_time:
        from services.grids import skeleton  # noqa: PLC0415 - zarr is slow to import

    source = _source(blobs, info.source, layout.etag)
    skeleton.write(blobs, source, layout, [variable.name for variable in companions(info)])
    cubes = [cube for cube in info.cubes if cube.name in layout.chunks]
    return [slab for cube in cubes for slab in slabs_of(cube, layout.chunks[cube.name])]


def write(blobs: Blobs, source: BlobRef, layout: Layout, slab: Slab) -> Written:
    """Copy the cells of one slab. Whoever writes it, and however often, writes the same chunks."""
    found = array_of(_source(blobs, source, layout.etag, slab.variable), slab.variable)
    box = tuple(slice(*ends) for ends in zip(slab.start, slab.stop, strict=True))
    array_of(opened.target(blobs, layout.root), slab.variable)[box] = cells(found, box)
    return Written(cells=prod(b - a for a, b in zip(slab.start, slab.stop, strict=True)))


def verify(blobs: Blobs, info: GridInfo, layout: Layout, written: Iterable[Written]) -> None:
    """Read the store back as others will, and compare it with the source."""
    expected = sum(prod(v.shape) for v in info.cubes if v.name in layout.chunks)
    if (cells := sum(part.cells for part in written)) != expected:
        raise ServiceUnavailable(f"{cells} of {expected} cells were written to {layout.root}")
    source, target = _source(blobs, info.source, layout.etag), opened.store(blobs, layout.root)
    if target.metadata.consolidated_metadata is None or set(target.array_keys()) != set(
        layout.chunks
    ):
        raise ServiceUnavailable(f"{layout.root} does not hold the variables it should")
    for name in layout.chunks:
        _compare(array_of(source, name), array_of(target, name), f"{layout.root}/{name}")


def _compare(source: zarr.Array, target: zarr.Array, name: str) -> None:
    if (source.shape, dims_of(source)) != (target.shape, dims_of(target)):
        raise ServiceUnavailable(f"{name} has another shape than its source")
    for box in _looks(source.shape):
        ours, theirs = cells(target, box), cells(source, box)
        if not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"):
            raise ServiceUnavailable(f"{name} differs from its source at {box}")


def _looks(shape: Shape) -> Iterator[tuple[slice, ...]]:
    """The corners and places between them, each a run along the last dimension."""
    rng = np.random.default_rng(len(shape))
    shares = np.vstack(
        [np.zeros(len(shape)), np.ones(len(shape)), rng.random((LOOKS - 2, len(shape)))]
    )
    for share in shares if shape else [()]:
        at = [min(int(s * n), n - 1) for s, n in zip(share, shape, strict=True)]
        yield tuple(slice(n, n + 1) for n in at[:-1]) + ((slice(None),) if shape else ())


def _chosen(info: GridInfo, wanted: list[str] | None) -> list[Variable]:
    cubes = {cube.name: cube for cube in info.cubes}
    for name in wanted or []:
        if name not in cubes:
            near = difflib.get_close_matches(name, cubes, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(cubes)[:300]}"
            raise BadInput(f"{info.source} has no variable {name!r} on its grid; {hint}")
    return [cubes[name] for name in sorted(set(wanted))] if wanted else list(cubes.values())


def _refuse(variable: Variable, info: GridInfo, asked: Mapping[str, int]) -> None:
    dims = {dim for cube in info.cubes for dim in cube.dims}
    for dim, size in asked.items():
        if dim not in dims or size < 1:
            raise BadInput(f"chunks names {dim}: {size}; dimensions are {', '.join(sorted(dims))}")
    if (size := prod(variable.chunks) * variable.itemsize) > LARGEST_SOURCE:
        raise BadInput(
            f"{variable.name} of {info.source} is kept in chunks of {size >> 20} MB, which no worker "
            f"can take apart; rewrite the file with smaller ones: nccopy -c {variable.dims[0]}/1 old new"
        )


def _size(variable: Variable, dim: str) -> int:
    return variable.shape[variable.dims.index(dim)] if dim in variable.dims else 1


def _source(blobs: Blobs, ref: BlobRef, etag: str, only: str | None = None) -> zarr.Group:
    group, found = opened.netcdf(blobs, ref, only)
    if found.states[ref] != etag:
        raise BlobChanged(f"{ref} was changed while it was converted; submit it again")
    return group
