"""Cron expressions: when a clock on some wall shows a time that fits, also where clocks are changed.

A schedule at fixed times (`30 2 * * *`) ticks once on every day that fits: a time that the clock leaves out is made
up for right after the gap, and a time that it shows twice counts the first time. A schedule whose minute or hour is
a wildcard (`*/10 * * * *`) goes by real time: it ticks whenever the clock shows a time that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HORIZON = timedelta(days=8 * 366)
"""How far apart two ticks may be: the 29th of February can be eight years away."""
DAY = timedelta(days=1)
BACK = (timedelta(hours=1), DAY, 32 * DAY, 366 * DAY, HORIZON)
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
TERM = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five: its name, what it may hold, and words for its numbers."""

    name: str
    first: int
    last: int
    words: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        return frozenset(n for term in text.split(",") for n in self._term(term))

    def _term(self, term: str) -> range:
        found = TERM.fullmatch(term)
        if found is None:
            raise ValueError(f"{term!r} is no {self.name}")
        star, low, high, step = found.groups()
        if star:
            start, end = self.first, self.last
        else:
            start = self._number(low)
            end = self._number(high) if high else (self.last if step else start)
        if end < start or step == "0" * len(step or " "):
            raise ValueError(f"{term!r} is no range of {self.name}s")
        return range(start, end + 1, int(step or 1))

    def _number(self, text: str) -> int:
        if text.upper() in self.words:
            return self.words.index(text.upper()) + self.first
        if not text.isdecimal() or not self.first <= int(text) <= self.last:
            raise ValueError(f"{text!r} is no {self.name}: {self.first} to {self.last}")
        return int(text)


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, tuple(MONTHS)),
    Field("day of the week", 0, 7, tuple(DAYS)),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. Moments that go in and come out are aware; ticks are in UTC."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Whether one of day and weekday suffices: so it is when neither begins with a star."""
    is_fixed: bool
    """Whether it names times of day, which happen once a day however clocks are changed."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises ValueError that says what is wrong."""
        parts = MACROS.get(text.strip().lower(), text).split()
        if len(parts) != len(FIELDS):
            raise ValueError(f"{text!r} has {len(parts)} fields; cron has five: */10 * * * *")
        minutes, hours, days, months, weekdays = (
            field.read(part) for field, part in zip(FIELDS, parts, strict=True)
        )
        either = not (parts[2].startswith("*") or parts[4].startswith("*"))
        if not either and min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
            raise ValueError(f"{text!r} never comes: no such month has a day {min(days)}")
        return cls(
            tuple(sorted(minutes)),
            tuple(sorted(hours)),
            days,
            months,
            frozenset(day % 7 for day in weekdays),
            either,
            not (parts[0].startswith("*") or parts[1].startswith("*")),
        )

    def ticks(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every tick later than `after`, up to and with `until`, in order."""
        # Two days earlier, so that the last change of the clock is seen by whoever begins right behind it.
        pieces = _pieces(zone, after.astimezone(UTC) - 2 * DAY, until.astimezone(UTC) + DAY)
        for tick in self._all(pieces):
            if tick > until:
                return
            if tick > after:
                yield tick

    def following(self, zone: ZoneInfo, after: datetime) -> datetime | None:
        """The next tick; None when the calendar of this machine ends before it comes."""
        for reach in (DAY, 32 * DAY, HORIZON):
            tick = next(self.ticks(zone, after, _plus(after, reach)), None)
            if tick is not None:
                return tick
        return None

    def latest(
        self, zone: ZoneInfo, after: datetime, until: datetime, count: int
    ) -> list[datetime]:
        """The last so many ticks later than `after`, up to and with `until`, oldest first."""
        found = list[datetime]()
        for reach in BACK:
            start = max(after, until - reach)
            found = list(self.ticks(zone, start, until))
            if len(found) >= count or start == after:
                break
        return found[-count:]

    def _all(self, pieces: Iterator[Piece]) -> Iterator[datetime]:
        before: Piece | None = None
        for piece in pieces:
            first = piece.first
            if self.is_fixed and before is not None:
                if before.last < first and any(self._times(before.last, first)):
                    if not any(self._times(first, first + timedelta(minutes=1))):
                        yield piece.at(first)
                else:
                    first = max(first, before.last)
            for time in self._times(first, piece.last):
                yield piece.at(time)
            before = piece

    def _times(self, first: datetime, end: datetime) -> Iterator[datetime]:
        """The times of the wall clock that fit, from `first` on and before `end`."""
        day = first.date()
        while day <= end.date():
            if self._is_day(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        time = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock's
                        if first <= time < end:
                            yield time
            day += DAY

    def _is_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        fits = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return any(fits) if self.either_day else all(fits)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time in which a wall clock runs evenly: from `first` until just before `last`."""

    first: datetime
    last: datetime
    offset: timedelta

    def at(self, time: datetime) -> datetime:
        """The moment at which the clock shows that time."""
        return (time - self.offset).replace(tzinfo=UTC)


def _pieces(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Piece]:
    """The stretches between two changes of the clock."""
    changes = [start, *_changes(zone, start, end), end]
    for begin, stop in pairwise(changes):
        offset = _offset(zone, begin)
        wall = begin.replace(tzinfo=None) + offset
        yield Piece(wall, wall + (stop - begin), offset)


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    here = start
    while here < end:
        there = min(here + DAY, end)
        if _offset(zone, here) != _offset(zone, there):
            yield _change(zone, here, there)
        here = there


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second that has the later offset."""
    new = _offset(zone, after)
    low, high = 0, int((after - before).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == new:
            high = middle
        else:
            low = middle + 1
    return (before + timedelta(seconds=low)).replace(microsecond=0)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _plus(moment: datetime, reach: timedelta) -> datetime:
    try:
        return moment + reach
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) - 3 * DAY


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone; they look like Europe/Berlin, and there is UTC"
        ) from None
