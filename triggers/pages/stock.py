"""The forecasts that are kept, as a matrix of models and runs: what is there, what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.weather.tilecache.inventory import HourState, Inventory, RunRow

RUNS = 6
"""Columns of a matrix, the newest run first."""
WHY = {
    HourState.FAILED: "failed",
    HourState.PENDING: "at the source, waiting for their turn",
    HourState.GRIB_ONLY: "GRIB is here, no tile yet",
    HourState.MISSING: "not at the source yet",
}
STRIP = 120
"""How wide the hours of a run are drawn."""


@dataclass(frozen=True, slots=True)
class Square:
    """Hours next to each other that have come equally far, in a strip."""

    x: float
    width: float
    state: HourState


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours that are in no tile, and why."""

    hours: str
    why: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of one model in one region."""

    row: RunRow
    strip: list[Square]
    gaps: list[Gap]

    @property
    def key(self) -> str:
        return f"{self.row.region}-{self.row.model}-{self.row.run}"

    @property
    def done(self) -> int:
        return len(self.row.expected_hours) - len(self.row.missing_hours)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A region: its models down, their runs across."""

    region: str
    runs: list[datetime]
    models: dict[str, list[Cell | None]]


def matrices(found: Inventory) -> list[Matrix]:
    regions = dict.fromkeys(row.region for row in found.runs)
    return [_matrix(name, [row for row in found.runs if row.region == name]) for name in regions]


def _matrix(region: str, rows: Sequence[RunRow]) -> Matrix:
    runs = sorted({row.init_time for row in rows}, reverse=True)[:RUNS]
    by_place = {(row.model, row.init_time): _cell(row) for row in rows}
    models = dict.fromkeys(row.model for row in rows)
    return Matrix(region, runs, {m: [by_place.get((m, run)) for run in runs] for m in models})


def unfinished(found: Sequence[Matrix]) -> list[Cell]:
    """The runs of which something is missing, in the order of the matrices."""
    cells = (cell for matrix in found for row in matrix.models.values() for cell in row)
    return [cell for cell in cells if cell is not None and cell.gaps]


def _cell(row: RunRow) -> Cell:
    return Cell(row, _strip(row), list(_gaps(row)))


def _strip(row: RunRow) -> list[Square]:
    step = STRIP / max(len(row.expected_hours), 1)
    found: list[Square] = []
    for n, hour in enumerate(row.expected_hours):
        state = row.hours[hour]
        if found and found[-1].state is state:
            last = found[-1]
            found[-1] = Square(last.x, round(last.width + step, 2), state)
        else:
            found.append(Square(round(n * step, 2), round(step, 2), state))
    return found


def _gaps(row: RunRow) -> list[Gap]:
    """By reason: what failed first, hour ranges as the model's own steps make them."""
    by_why: dict[str, list[int]] = {}
    for state in WHY:
        for hour in row.missing_hours:
            if row.hours[hour] is state:
                why = row.reasons.get(hour) if state is HourState.FAILED else None
                by_why.setdefault(f"{WHY[state]}: {why}" if why else WHY[state], []).append(hour)
    return [Gap(ranges(hours, row.expected_hours), why) for why, hours in by_why.items()]


def ranges(hours: Sequence[int], expected: Sequence[int]) -> str:
    """f003, f006 to f012: hours that follow each other among those that are expected."""
    place = {hour: n for n, hour in enumerate(expected)}
    spans: list[list[int]] = []
    for hour in sorted(hours):
        if spans and place[hour] == place[spans[-1][1]] + 1:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    return ", ".join(f"f{a:03d}" if a == b else f"f{a:03d} to f{b:03d}" for a, b in spans)
