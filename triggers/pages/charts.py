"""Geometry of the charts of what ended: numbers in, coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from core.insights.history import History, HistorySlice

WIDTH, HEIGHT = 960, 160
STRIP_WIDTH, STRIP_HEIGHT = 160, 24
GAP = 0.2
"""The share of a column that stays free beside it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a column."""

    kind: str
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One slice of time."""

    begin: datetime
    number: int
    failed: int
    x: float
    width: float
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns, and what the tallest of them stands for."""

    width: int
    height: int
    most: int
    total: int
    failed: int
    columns: list[Column]


class Shown(Enum):
    """What a chart counts: for each of its kinds, what it takes of a slice. The first lies at the bottom."""

    JOBS = {"ok": "completed", "idle": "cancelled", "bad": "failed"}
    TASKS = {"ok": "tasks"}
    BYTES = {"in": "bytes_in", "out": "bytes_out"}


def chart(told: History, shown: Shown) -> Chart:
    """All types together."""
    return _chart(told, told.slices, WIDTH, HEIGHT, shown)


def strip(told: History, job_type: str) -> Chart:
    """The same for one type, small enough for a row of a table."""
    mine = [each for each in told.slices if each.job_type == job_type]
    return _chart(told, mine, STRIP_WIDTH, STRIP_HEIGHT, Shown.JOBS)


def _chart(
    told: History, slices: Sequence[HistorySlice], width: int, height: int, shown: Shown
) -> Chart:
    by_time: dict[datetime, list[HistorySlice]] = {}
    for each in slices:
        by_time.setdefault(each.begin, []).append(each)
    times = _times(told)
    counts = [_counts(by_time.get(begin, []), shown) for begin in times]
    most = max((sum(each.values()) for each in counts), default=0)
    step = width / len(times)
    columns = [
        Column(
            begin,
            sum(count.values()),
            count.get("bad", 0),
            round(n * step, 2),
            round(step * (1 - GAP), 2),
            _parts(count, most, height),
        )
        for n, (begin, count) in enumerate(zip(times, counts, strict=True))
    ]
    total, failed = sum(c.number for c in columns), sum(c.failed for c in columns)
    return Chart(width, height, most, total, failed, columns)


def _times(told: History) -> list[datetime]:
    """Slices begin at whole hours or days, wherever the window does."""
    each = timedelta(seconds=told.slice_seconds)
    first = told.begin.timestamp() // told.slice_seconds * told.slice_seconds
    begin = datetime.fromtimestamp(first, told.begin.tzinfo)
    return [begin + n * each for n in range(int((told.end - begin) / each) + 1)]


def _counts(slices: Sequence[HistorySlice], shown: Shown) -> dict[str, int]:
    return {kind: sum(getattr(each, name) for each in slices) for kind, name in shown.value.items()}


def _parts(counts: dict[str, int], most: int, height: int) -> list[Part]:
    """From the ground up. What is there can be seen."""
    parts: list[Part] = []
    ground = float(height)
    for kind, number in counts.items():
        if number:
            tall = max(height * number / most, 1.5)
            ground -= tall
            parts.append(Part(kind, round(ground, 1), round(tall, 1)))
    return parts
