"""Geometry of the charts of what ended: numbers in, coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.history import History, HistorySlice

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


def chart(told: History, *, tasks: bool) -> Chart:
    """All types together: jobs by how they ended, or the tasks they had."""
    return _chart(told, told.slices, WIDTH, HEIGHT, tasks=tasks)


def strip(told: History, job_type: str) -> Chart:
    """The same for one type, small enough for a row of a table."""
    mine = [each for each in told.slices if each.job_type == job_type]
    return _chart(told, mine, STRIP_WIDTH, STRIP_HEIGHT, tasks=False)


def _chart(
    told: History, slices: Sequence[HistorySlice], width: int, height: int, *, tasks: bool
) -> Chart:
    by_time: dict[datetime, list[HistorySlice]] = {}
    for each in slices:
        by_time.setdefault(each.begin, []).append(each)
    times = _times(told)
    counts = [_counts(by_time.get(begin, []), tasks=tasks) for begin in times]
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


def _counts(slices: Sequence[HistorySlice], *, tasks: bool) -> dict[str, int]:
    if tasks:
        return {"ok": sum(each.tasks for each in slices)}
    return {
        "ok": sum(each.completed for each in slices),
        "idle": sum(each.cancelled for each in slices),
        "bad": sum(each.failed for each in slices),
    }


def _parts(counts: dict[str, int], most: int, height: int) -> list[Part]:
    """From the ground up: what went well, what was cancelled, what failed. What is there can be seen."""
    parts: list[Part] = []
    ground = float(height)
    for kind, number in counts.items():
        if number:
            tall = max(height * number / most, 1.5)
            ground -= tall
            parts.append(Part(kind, round(ground, 1), round(tall, 1)))
    return parts
