"""Geometry of a line over time: numbers in, coordinates out. Gaps stay gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import isfinite

from services.grids.times import as_instant

WIDTH, HEIGHT, EDGE = 600, 110, 6
MOST_TITLES = 200
"""Of more moments none tells its number on hover; the table has them all."""
TURNING = frozenset({"degree", "degrees"})
"""Directions jump from 359 to 0, so they are dots and no line."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One number of a line, and where to point for it."""

    time: str
    value: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """A variable over time. `least` and `most` are empty where it has no value at all."""

    title: str
    unit: str
    first: str
    last: str
    least: str
    most: str
    path: str
    """A stroke for each run of values."""
    dots: str
    """Values that stand alone: strokes without length, which no scale turns into ovals."""
    moments: list[Moment]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def has_titles(self) -> bool:
        return len(self.moments) <= MOST_TITLES

    @property
    def said(self) -> str:
        """What the drawing shows, in words."""
        if not self.most:
            return f"{self.title}: no value here at any time."
        return f"{self.title}: from {self.least} to {self.most} {self.unit}".rstrip() + "."


def line(title: str, unit: str, times: Sequence[str], values: Sequence[float | None]) -> Line:
    """Times are `2026-11-25T12:00:00`, in any calendar."""
    numbers = [each if each is not None and isfinite(each) else None for each in values]
    known = [each for each in numbers if each is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    xs = _across(times)
    points = [
        None if each is None else (x, _height(each, low, high))
        for x, each in zip(xs, numbers, strict=True)
    ]
    width = WIDTH / max(len(xs), 1)
    moments = [
        Moment(shown(time), "" if each is None else terse(each), round(x - width / 2, 1), width)
        for time, each, x in zip(times, numbers, xs, strict=True)
    ]
    ends = (terse(low), terse(high)) if known else ("", "")
    first, last = (shown(times[0]), shown(times[-1])) if times else ("", "")
    return Line(title, unit, first, last, *ends, *_strokes(points, unit not in TURNING), moments)


def shown(time: str) -> str:
    return time[:16].replace("T", " ")


def terse(value: float) -> str:
    return f"{value:.6g}"


def _across(times: Sequence[str]) -> list[float]:
    """To scale; evenly where a calendar has days that nobody else knows."""
    try:
        seconds = [datetime.fromisoformat(as_instant(each)).timestamp() for each in times]
    except (ValueError, OverflowError):
        seconds = [float(n) for n in range(len(times))]
    first, length = (seconds[0], seconds[-1] - seconds[0]) if seconds else (0.0, 0.0)
    room = WIDTH - 2 * EDGE
    return [
        round(EDGE + (room * (each - first) / length if length > 0 else room / 2), 1)
        for each in seconds
    ]


def _height(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share, 1)


def _strokes(points: Sequence[tuple[float, float] | None], joins: bool) -> tuple[str, str]:
    drawn: list[str] = []
    dots: list[str] = []
    for is_there, run in groupby(points, lambda each: each is not None):
        places = [each for each in run if each is not None] if is_there else []
        if joins and len(places) > 1:
            drawn.append("M" + "L".join(f"{x:g} {y:g}" for x, y in places))
        else:
            dots += [f"M{x:g} {y:g}h0" for x, y in places]
    return "".join(drawn), "".join(dots)
