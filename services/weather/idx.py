"""Inventories of GRIB files: NOAA's `.idx` lines and ECMWF's JSON lines, and exact matches in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import BadInput

MINUTES = {"min": 1, "hour": 60, "day": 1440}
FORECAST = re.compile(r"(?:(\d+)-)?(\d+) (min|hour|day)(?: (acc|ave|max|min))? fcst")
SUMMED = frozenset(
    {"tp", "cp", "lsp", "sf", "ro", "e", "ssr", "str", "ssrd", "strd", "ttr", "tsr", "ewss", "nsss"}
)
"""What ECMWF adds up from the start of a forecast; its index does not say so."""
MOST_LINES = 20_000


class BadIndex(BadInput):
    """What was read is no inventory."""

    code = "bad_index"


class Kind(StrEnum):
    """What a message says of its time."""

    INSTANT = "instant"
    SUM = "acc"
    MEAN = "ave"
    MAX = "max"
    MIN = "min"


class Span(NamedTuple):
    """Minutes since the cycle: when something began to be added up, and when it ended."""

    start: int
    end: int


class Match(BaseModel):
    """What a message must be, exactly: `UGRD` alone is also that of the boundary layer."""

    model_config = ConfigDict(frozen=True)

    variable: str
    level: str
    kind: Kind = Kind.INSTANT
    more: tuple[str, ...] = ()
    """What follows the forecast, as `ens std dev`. Nothing, for the forecast itself."""


class Entry(NamedTuple):
    """One message, or one part of a message that holds several."""

    offset: int
    length: int | None
    """None for the last message of a file, which ends where the file does."""
    part: int
    """Which field of its message: 1, unless several share an offset."""
    variable: str
    level: str
    kind: Kind | None
    span: Span | None
    """None where the time is written in a way not known here: it then matches nothing."""
    more: tuple[str, ...] = ()

    def fits(self, wanted: Match) -> bool:
        return (self.variable, self.level, self.kind, self.more) == (
            wanted.variable,
            wanted.level,
            wanted.kind,
            wanted.more,
        )

    @property
    def key(self) -> str:
        """Names the message within its file, whatever its offset is elsewhere."""
        start, end = self.span or (0, 0)
        said = [self.variable, self.level, f"{start}-{end}", self.kind or "", *self.more]
        return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(said))


class Inventory(NamedTuple):
    """What a file holds."""

    cycle: datetime
    entries: tuple[Entry, ...]

    def instant(self, wanted: Match, minutes: int) -> Entry | None:
        """The message of that moment. Two that say the same of themselves are the same: the first."""
        return next(
            (e for e in self.entries if e.fits(wanted) and e.span == (minutes, minutes)), None
        )

    def ending(self, wanted: Match, minutes: int) -> dict[Span, Entry]:
        """The sums, means or extremes up to that moment, by what they span."""
        found: dict[Span, Entry] = {}
        for entry in self.entries:
            if entry.fits(wanted) and entry.span is not None and entry.span.end == minutes:
                found.setdefault(entry.span, entry)
        return found


def parse(text: str) -> Inventory:
    """Either kind of inventory. Anything else, as a page that says sorry, is BadIndex."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadIndex("the inventory is empty")
    if len(lines) > MOST_LINES:
        raise BadIndex(f"the inventory has more than {MOST_LINES} lines")
    return _json_lines(lines) if lines[0].lstrip().startswith("{") else _noaa(lines)


def _noaa(lines: Sequence[str]) -> Inventory:
    rows = [_row(line) for line in lines]
    cycles = {row.cycle for row in rows}
    if len(cycles) != 1:
        raise BadIndex(f"the inventory is of {len(cycles)} cycles")
    offsets = sorted({row.offset for row in rows})
    ends: dict[int, int] = dict(pairwise(offsets))
    seen: dict[int, int] = {}
    entries: list[Entry] = []
    for row in rows:
        seen[row.offset] = seen.get(row.offset, 0) + 1
        length = ends[row.offset] - row.offset if row.offset in ends else None
        entries.append(_entry(row, length, seen[row.offset]))
    return Inventory(cycles.pop(), tuple(entries))


class _Row(NamedTuple):
    offset: int
    cycle: datetime
    variable: str
    level: str
    forecast: str
    more: tuple[str, ...]


def _row(line: str) -> _Row:
    """`number:offset:d=cycle:variable:level:forecast:` and whatever follows."""
    fields = line.strip().split(":")
    if len(fields) < 6 or not fields[2].startswith("d=") or not fields[1].isdigit():
        raise BadIndex(f"this is no line of an inventory: {line[:80]!r}")
    cycle = _moment(fields[2][2:])
    more = tuple(field for field in fields[6:] if field)
    return _Row(int(fields[1]), cycle, fields[3], fields[4], fields[5], more)


def _moment(text: str) -> datetime:
    digits = text.ljust(12, "0")
    if len(digits) != 12 or not digits.isdigit():
        raise BadIndex(f"{text!r} is no time of a cycle")
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadIndex(f"{text!r} is no time of a cycle") from error


def _entry(row: _Row, length: int | None, part: int) -> Entry:
    kind, span = timing(row.forecast)
    return Entry(row.offset, length, part, row.variable, row.level, kind, span, row.more)


def timing(forecast: str) -> tuple[Kind | None, Span | None]:
    """`anl`, `3 hour fcst`, `495 min fcst`, `18-21 hour acc fcst`, `0-1 day acc fcst`: in minutes."""
    if forecast == "anl":
        return Kind.INSTANT, Span(0, 0)
    found = FORECAST.fullmatch(forecast)
    if found is None:
        return None, None
    start, end, unit, kind = found.groups()
    last = int(end) * MINUTES[unit]
    if kind is None:
        return (Kind.INSTANT, Span(last, last)) if start is None else (None, None)
    first = last if start is None else int(start) * MINUTES[unit]
    return Kind(kind), Span(first, last)


def _json_lines(lines: Iterable[str]) -> Inventory:
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        cycles = {_moment(f"{row['date']}{row['time']}") for row in rows}
        entries = tuple(_json_entry(row) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadIndex("these are no lines of an ECMWF index") from error
    if len(cycles) != 1:
        raise BadIndex(f"the inventory is of {len(cycles)} cycles")
    return Inventory(cycles.pop(), entries)


def _json_entry(row: dict[str, Any]) -> Entry:
    name, level = str(row["param"]), str(row["levtype"])
    if "levelist" in row:
        level += f" {row['levelist']}"
    end = int(row["step"]) * 60 if str(row["step"]).isdigit() else None
    summed = name in SUMMED
    member = (
        [] if row.get("type") in {"fc", None} else [str(row["type"]), str(row.get("number", ""))]
    )
    return Entry(
        offset=int(row["_offset"]),
        length=int(row["_length"]),
        part=1,
        variable=name,
        level=level,
        kind=Kind.SUM if summed else Kind.INSTANT,
        span=None if end is None else Span(0 if summed else end, end),
        more=tuple(filter(None, member)),
    )
