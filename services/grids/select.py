"""Which cells a question is about, what reading them costs, and the cells themselves, part by part."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import BadInput, TooLarge
from services.grids.cubes import Cube
from services.grids.inspect import Array
from services.grids.models import Box, GridLimits, Variable
from services.grids.opened import understood
from services.grids.times import within

if TYPE_CHECKING:
    import xarray

HELD = 4_000_000
"""Cells in memory at once."""
ALONE = 0.5
"""How far from the only coordinate of an axis a place may be, in degrees."""
NEAR = 1e-6
EVERYWHERE: Box = (-180.0, -90.0, 180.0, 90.0)


class When(NamedTuple):
    """What is asked for beside the place."""

    variable: str | None = None
    start: str | None = None
    end: str | None = None
    level: float | None = None


class Names(NamedTuple):
    """The dimensions that a question runs along; no `time` where the variable has none."""

    x: str
    y: str
    time: str | None


class Question(NamedTuple):
    """Which cells of which variable, as positions along its dimensions."""

    variable: Variable
    cells: xarray.DataArray
    names: Names
    columns: list[slice]
    rows: slice
    times: slice | None
    fixed: dict[str, int]


def question(cube: Cube, columns: list[slice], rows: slice, when: When) -> Question:
    variable = _variable(cube, when.variable)
    time = cube.info.time.name if cube.info.time else None
    timed = time is not None and time in variable.dims
    return Question(
        variable=variable,
        cells=cube.dataset[variable.name],
        names=Names(cube.info.x.name, cube.info.y.name, time if timed else None),
        columns=columns,
        rows=rows,
        times=within(cube.at.moments, when.start, when.end) if timed else None,
        fixed=_fixed(cube, variable, when.level),
    )


def nearest(cube: Cube, lon: float, lat: float) -> tuple[int, int]:
    """The column and the row of the nearest cell. Places that no cell covers are refused."""
    columns = np.abs((cube.at.x.astype("f8") - lon + 180) % 360 - 180)
    rows = np.abs(cube.at.y.astype("f8") - lat)
    column, row = int(columns.argmin()), int(rows.argmin())
    if columns[column] > _reach(cube.at.x) or rows[row] > _reach(cube.at.y):
        raise BadInput(f"{lon}, {lat} lies outside the grid, {_extent(cube)}")
    return column, row


def within_box(cube: Cube, box: Box) -> tuple[list[slice], slice]:
    """The columns, from west to east, and the rows whose centres lie in the box."""
    west, south, east, north = box
    width = east - west if east >= west else east - west + 360
    from_west = (cube.at.x.astype("f8") - west) % 360
    columns = np.flatnonzero(from_west <= width + NEAR)
    rows = np.flatnonzero((cube.at.y >= south - NEAR) & (cube.at.y <= north + NEAR))
    if columns.size == 0 or rows.size == 0:
        raise BadInput(f"no cell has its centre in bbox={','.join(map(str, box))}; {_extent(cube)}")
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    runs.sort(key=lambda run: float(from_west[run].min()))
    return [_run(run) for run in runs], _run(rows)


def first(cube: Cube, asked: Question, limit: int) -> tuple[Question, str | None]:
    """No more than so many times, and the one that follows."""
    if asked.times is None or asked.times.stop - asked.times.start <= limit:
        return asked, None
    stop = asked.times.start + limit
    return asked._replace(times=slice(asked.times.start, stop)), cube.at.moments[stop]


def refuse_costly(asked: Question, limits: GridLimits) -> None:
    """Whole chunks are read, so whole chunks are counted."""
    cost = 0
    for columns in asked.columns:
        box = _box(asked, columns, asked.rows, asked.times or slice(0, 1))
        cost += prod(map(_touched, box, asked.variable.chunks, asked.variable.shape))
    if cost > limits.cells:
        raise TooLarge(
            f"this would read {cost:,} cells of {asked.variable.name}, more than {limits.cells:,}; "
            "narrow the time (start, end) or the region (bbox)"
        )


def parts(asked: Question) -> Iterator[tuple[slice, Array]]:
    """The cells over time, row and column, unpacked, in blocks that fit memory; each with its rows."""
    for times in _steps(asked.times or slice(0, 1), _times_at_once(asked)):
        for rows in _steps(asked.rows, _rows_at_once(asked)):
            found = [_read(asked, columns, rows, times) for columns in asked.columns]
            yield rows, np.concatenate(found, axis=2)


def _read(asked: Question, columns: slice, rows: slice, times: slice) -> Array:
    """As float64, so that sums keep their digits."""
    box = dict(zip(asked.variable.dims, _box(asked, columns, rows, times), strict=True))
    order = [name for name in reversed(asked.names) if name]
    shape = (-1, rows.stop - rows.start, columns.stop - columns.start)
    with understood(asked.variable.name):
        found = asked.cells.isel(box).transpose(..., *order)
        return found.to_numpy().astype("f8").reshape(shape)


def _box(asked: Question, columns: slice, rows: slice, times: slice) -> tuple[slice, ...]:
    along = {name: slice(at, at + 1) for name, at in asked.fixed.items()}
    along |= {asked.names.x: columns, asked.names.y: rows}
    return tuple(along.get(dim, times) for dim in asked.variable.dims)


def _chunk(asked: Question, name: str | None) -> int:
    variable = asked.variable
    return variable.chunks[variable.dims.index(name)] if name else 1


def _width(asked: Question) -> int:
    return sum(columns.stop - columns.start for columns in asked.columns)


def _rows_at_once(asked: Question) -> int:
    """As many rows of chunks as fit, with one chunk of times."""
    chunk = _chunk(asked, asked.names.y)
    one = _width(asked) * chunk * _chunk(asked, asked.names.time)
    return chunk * max(1, HELD // one)


def _times_at_once(asked: Question) -> int:
    chunk = _chunk(asked, asked.names.time)
    rows = min(asked.rows.stop - asked.rows.start, _rows_at_once(asked))
    return chunk * max(1, HELD // (_width(asked) * rows * chunk))


def _steps(whole: slice, step: int) -> Iterator[slice]:
    """Parts that begin where chunks do, so that no chunk is read twice."""
    start = whole.start
    while start < whole.stop:
        stop = min(whole.stop, (start // step + 1) * step)
        yield slice(start, stop)
        start = stop


def _touched(part: slice, chunk: int, size: int) -> int:
    """How many cells along a dimension lie in the chunks that a part needs."""
    return min(size, -(-part.stop // chunk) * chunk) - part.start // chunk * chunk


def _run(positions: Array) -> slice:
    return slice(int(positions[0]), int(positions[-1]) + 1)


def _reach(axis: Array) -> float:
    """How far the outermost cells reach beyond their centres."""
    return (float(np.abs(np.diff(axis.astype("f8"))).max()) / 2 if axis.size > 1 else ALONE) + NEAR


def _extent(cube: Cube) -> str:
    return f"which spans west,south,east,north={','.join(f'{edge:g}' for edge in cube.info.box)}"


def _variable(cube: Cube, name: str | None) -> Variable:
    cubes = {variable.name: variable for variable in cube.info.cubes}
    if name is None and len(cubes) == 1:
        return next(iter(cubes.values()))
    if name is None:
        raise BadInput(f"name one variable of {', '.join(sorted(cubes))[:500]}")
    if name not in cubes:
        near = difflib.get_close_matches(name, cubes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(cubes))[:500]}"
        raise BadInput(f"there is no variable {name!r} on this grid; {hint}")
    return cubes[name]


def _fixed(cube: Cube, variable: Variable, level: float | None) -> dict[str, int]:
    """Where to stand along every dimension that a question does not run along."""
    info = cube.info
    along = {info.x.name, info.y.name, info.time.name if info.time else ""}
    rest = {d: n for d, n in zip(variable.dims, variable.shape, strict=True) if d not in along}
    return {dim: _place(cube, dim, size, level) for dim, size in rest.items()}


def _place(cube: Cube, dim: str, size: int, level: float | None) -> int:
    if size == 1:
        return 0
    height = cube.info.height
    if height is None or dim != height.name:
        raise BadInput(f"{dim} has {size} positions, and nothing says which is meant")
    levels = cube.dataset[dim].to_numpy().astype("f8")
    if level is None or not levels.min() - NEAR <= level <= levels.max() + NEAR:
        raise BadInput(f"pass level, from {levels.min():g} to {levels.max():g} {height.unit}")
    return int(np.abs(levels - level).argmin())
