"""Numbers and moments as people read them; the exact value shows on hover."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from markupsafe import Markup

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
STEPS = (("s", 60.0), ("min", 60.0), ("h", 24.0), ("d", 365.0), ("y", 1e9))
EMPTY: tuple[object, ...] = (None, "", [], {})
LONGEST = 400
"""Characters of a value that a table shows."""


def span(seconds: float) -> str:
    """42 ms, 4 s, 3 min, 5 h: one unit is enough to know."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    value = seconds
    for unit, step in STEPS:
        if value < step:
            return f"{value:.1f} {unit}" if value < 10 and unit != "s" else f"{value:.0f} {unit}"
        value /= step
    return f"{value:.0f} y"


def took(seconds: float | None) -> Markup | str:
    if seconds is None:
        return ""
    return Markup('<span title="{} seconds">{}</span>').format(f"{seconds:,.3f}", span(seconds))


def ago(moment: datetime | None) -> Markup | str:
    """How long ago, or in how long. A script keeps it true while the page is open."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    told = f"{span(seconds)} ago" if seconds >= 1 else "now"
    if seconds < -1:
        told = f"in {span(-seconds)}"
    return Markup('<time data-ago datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), exact(moment), told
    )


def exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(moment: datetime) -> Markup:
    """The time of day, for lists in which days do not matter."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), exact(moment), f"{moment.astimezone(UTC):%H:%M:%S}"
    )


def size(number: float | None) -> Markup | str:
    if number is None:
        return ""
    value, place = float(number), 0
    while value >= 1000 and place < len(UNITS) - 1:
        value, place = value / 1000, place + 1
    told = f"{value:.1f}" if place and value < 100 else f"{value:.0f}"
    return Markup('<span title="{} bytes">{} {}</span>').format(
        f"{number:,.0f}", told, UNITS[place]
    )


def count(number: int) -> Markup | str:
    """1.2 k and 3.4 M, but every number that is short already as it is."""
    if number < 10_000:
        return f"{number:,}"
    value, unit = (number / 1e6, "M") if number >= 1e6 else (number / 1e3, "k")
    return Markup('<span title="{}">{}\u202f{}</span>').format(f"{number:,}", f"{value:.1f}", unit)


def many(number: int, noun: str) -> Markup:
    """1 task, 2 tasks."""
    return Markup("{} {}").format(count(number), noun if number == 1 else f"{noun}s")


def percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share in (0, 1) or share >= 0.1 else f"{share * 100:.1f} %"


def words(name: object) -> str:
    """completed_with_errors: completed with errors."""
    return str(name).replace("_", " ")


def tersely(value: Any) -> str:
    """Parameters on one line: those that are few and short tell a job from others."""
    if isinstance(value, dict):
        given = cast(dict[str, Any], value)
        pairs = {name: each for name, each in given.items() if each not in EMPTY}
        return ", ".join(f"{name}={_plain(each)}" for name, each in pairs.items())[:LONGEST]
    return _plain(value)[:LONGEST]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def spot(parameters: dict[str, Any]) -> str:
    """Where a job looks: its point, its box, or what else it begins with."""
    if point := parameters.get("point"):
        return place(*point)
    if box := parameters.get("bbox"):
        return place((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return str(parameters.get("detections") or "a place")


def place(lon: float, lat: float) -> str:
    """39.970° N, 105.300° W"""
    lon = (lon + 180) % 360 - 180
    return f"{abs(lat):.3f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.3f}° {'E' if lon >= 0 else 'W'}"


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": ago,
    "clock": clock,
    "count": count,
    "many": many,
    "percent": percent,
    "pretty": pretty,
    "size": size,
    "span": span,
    "spot": spot,
    "tersely": tersely,
    "took": took,
    "words": words,
}
