"""Ask a cube: a place over time, a region in numbers, a map of many times in one. All of it bounded."""

from __future__ import annotations

import numpy as np

from core.errors import TooLarge
from services.grids import select
from services.grids.cubes import Cube
from services.grids.inspect import Array, wrap
from services.grids.models import Box, Frozen, GridLimits
from services.grids.moments import Moments, Reduction, Sums
from services.grids.select import EVERYWHERE, Question, When

EARTH = 6371.0088
"""The mean radius, in kilometres."""


class Series(Frozen):
    """A variable at one cell, over time."""

    variable: str
    unit: str
    lon: float
    lat: float
    distance_km: float
    times: list[str]
    values: list[float | None]
    next: str | None
    """Where to start for what did not fit."""


class Statistics(Frozen):
    """A variable over a region and a time. Cells weigh as much as they are large; the missing do not count."""

    variable: str
    unit: str
    bbox: Box
    start: str | None
    end: str | None
    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None


class Map(Frozen):
    """One value per cell: `values[row][column]` lies at `lats[row]`, `lons[column]`."""

    variable: str
    unit: str
    function: Reduction
    times: int
    lons: list[float]
    lats: list[float]
    values: list[list[float | None]]


def point(
    cube: Cube, lon: float, lat: float, limits: GridLimits, when: When, limit: int = 1000
) -> Series:
    """The nearest cell over time."""
    column, row = select.nearest(cube, lon, lat)
    asked = select.question(cube, [slice(column, column + 1)], slice(row, row + 1), when)
    asked, following = select.first(cube, asked, limit)
    select.refuse_costly(asked, limits)
    x, y = float(cube.at.x[column]), float(cube.at.y[row])
    values = np.concatenate([part.reshape(-1) for _, part in select.parts(asked)])
    return Series(
        variable=asked.variable.name,
        unit=asked.variable.unit,
        lon=round(wrap(x), 6),
        lat=round(y, 6),
        distance_km=round(_distance(lon, lat, x, y), 3),
        times=_moments(cube, asked),
        values=_nullable(values),
        next=following,
    )


def statistics(cube: Cube, box: Box, limits: GridLimits, when: When) -> Statistics:
    """Over the cells whose centres lie in the box, and over all of the times."""
    asked = select.question(cube, *select.within_box(cube, box), when)
    select.refuse_costly(asked, limits)
    total = Moments()
    for rows, part in select.parts(asked):
        weights = np.cos(np.radians(cube.at.y[rows].astype("f8")))
        total = total.plus(part, np.broadcast_to(weights[None, :, None], part.shape))
    moments = _moments(cube, asked)
    return Statistics(
        variable=asked.variable.name,
        unit=asked.variable.unit,
        bbox=box,
        start=moments[0] if moments else None,
        end=moments[-1] if moments else None,
        **total.told(),
    )


def aggregate(
    cube: Cube, function: Reduction, limits: GridLimits, when: When, box: Box = EVERYWHERE
) -> Map:
    """One value per cell over all of the times."""
    asked = select.question(cube, *select.within_box(cube, box), when)
    lons = np.concatenate([cube.at.x[columns] for columns in asked.columns])
    lats = cube.at.y[asked.rows]
    _refuse_large(lons.size * lats.size, limits)
    select.refuse_costly(asked, limits)
    sums = Sums.of((lats.size, lons.size))
    for rows, part in select.parts(asked):
        sums.add(slice(rows.start - asked.rows.start, rows.stop - asked.rows.start), part)
    return Map(
        variable=asked.variable.name,
        unit="" if function is Reduction.COUNT else asked.variable.unit,
        function=function,
        times=max(1, len(_moments(cube, asked))),
        lons=[round(wrap(float(lon)), 6) for lon in lons],
        lats=[round(float(lat), 6) for lat in lats],
        values=[_nullable(row) for row in sums.told(function)],
    )


def _refuse_large(size: int, limits: GridLimits) -> None:
    if size > limits.answer:
        raise TooLarge(f"the map would have {size} cells, more than {limits.answer}; narrow bbox")


def _moments(cube: Cube, asked: Question) -> list[str]:
    return cube.at.moments[asked.times] if asked.times is not None else []


def _nullable(values: Array) -> list[float | None]:
    """JSON knows no NaN."""
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _distance(lon: float, lat: float, x: float, y: float) -> float:
    """Along a great circle, in kilometres."""
    here, there = np.radians([lon, lat]), np.radians([x, y])
    half = np.sin((there - here) / 2) ** 2
    chord = half[1] + np.cos(here[1]) * np.cos(there[1]) * half[0]
    return float(2 * EARTH * np.arcsin(np.sqrt(min(1.0, chord))))
