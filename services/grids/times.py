"""Time as the CF conventions write it: a number of units since a moment, in one of several calendars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.errors import BadInput

UNITS = re.compile(r"\s*(?P<unit>[a-zA-Z]+)\s+since\s+(?P<since>\S.*?)\s*$")
MOMENT = re.compile(
    r"(?P<y>\d{1,4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})"
    r"(?:[T ]+(?P<h>\d{1,2})(?::(?P<mi>\d{1,2})(?::(?P<s>\d{1,2})(?:\.\d*)?)?)?)?"
    r"\s*(?:Z|UTC|[+-]00?:?(?:00)?)?$"
)
SECONDS = {
    "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60,
    "h": 3_600, "hr": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400,
}  # fmt: skip
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
CALENDARS = {
    "standard": None,
    "gregorian": None,
    "proleptic_gregorian": None,
    "noleap": MONTHS,
    "365_day": MONTHS,
    "all_leap": (31, 29, *MONTHS[2:]),
    "366_day": (31, 29, *MONTHS[2:]),
    "360_day": (30,) * 12,
}
"""The days of each month, where every year has the same."""


class Clock(BaseModel):
    """How numbers become moments: seconds per unit, and the days and seconds of number zero."""

    model_config = ConfigDict(frozen=True)

    calendar: str
    seconds: int
    day: int
    second: int

    def moments(self, values: Sequence[float] | np.ndarray[Any, Any]) -> list[str]:
        """Each as `2000-02-30T06:00:00`, so that text order is time order."""
        numbers = np.asarray(values)
        scaled = np.rint(numbers.astype("f8") * self.seconds).astype("i8")
        total = self.day * 86_400 + self.second + scaled
        days, rest = total // 86_400, total % 86_400
        return [
            f"{y:04d}-{m:02d}-{d:02d}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
            for y, m, d, s in zip(*self._dates(days), rest.tolist(), strict=True)
        ]

    def numbers(self, moments: list[str]) -> list[float]:
        """The numbers that stand for moments of this calendar."""
        zero = self.day * 86_400 + self.second
        return [(day * 86_400 + second - zero) / self.seconds for day, second in
                (_days(moment, self.calendar) for moment in moments)]  # fmt: skip

    def _dates(self, days: np.ndarray[Any, Any]) -> tuple[list[int], list[int], list[int]]:
        months = CALENDARS[self.calendar]
        if months is None:
            date = days.astype("M8[D]")
            year, month = date.astype("M8[Y]"), date.astype("M8[M]")
            since = (month - year).astype("i8") + 1, (date - month).astype("i8") + 1
            return (year.astype("i8") + 1970).tolist(), since[0].tolist(), since[1].tolist()
        starts = np.array([0, *accumulate(months)])
        years, of_year = days // starts[-1], days % starts[-1]
        month = np.searchsorted(starts, of_year, "right")
        return years.tolist(), month.tolist(), (of_year - starts[month - 1] + 1).tolist()


def clock(units: str, calendar: str) -> Clock:
    """What a time axis says of itself. BadInput says what is wrong with it."""
    found = UNITS.match(units)
    unit = found["unit"].lower() if found else ""
    seconds = SECONDS.get(unit) or SECONDS.get(unit.removesuffix("s"))
    if found is None or seconds is None:
        raise BadInput(f"{units!r} is no unit of time; write one like 'hours since 2000-01-01'")
    name = calendar.lower()
    if name not in CALENDARS:
        raise BadInput(
            f"the calendar {calendar!r} is not known here; known: {', '.join(CALENDARS)}"
        )
    day, second = _days(found["since"], name)
    return Clock(calendar=name, seconds=seconds, day=day, second=second)


def _days(text: str, calendar: str) -> tuple[int, int]:
    found = MOMENT.match(text)
    if found is None:
        raise BadInput(f"{text!r} is no moment; write one like 2000-01-01 00:00:00")
    year, month, day = int(found["y"]), int(found["m"]), int(found["d"])
    second = 3600 * int(found["h"] or 0) + 60 * int(found["mi"] or 0) + int(found["s"] or 0)
    months = CALENDARS[calendar]
    if not 1 <= month <= 12 or not 1 <= day <= (months or (31,) * 12)[month - 1]:
        raise BadInput(f"{text!r} is no day of the calendar {calendar}")
    if months is None:
        return _real_day(year, month, day, text), second
    return year * sum(months) + sum(months[: month - 1]) + day - 1, second


def _real_day(year: int, month: int, day: int, text: str) -> int:
    try:
        return int(np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D").astype("i8"))
    except ValueError as error:
        raise BadInput(f"{text!r} is no day of the calendar") from error


def as_instant(moment: str) -> str:
    """A moment as the rest of the world can read it: the 30th of a February becomes its last day."""
    date, _, time = moment.partition("T")
    year, month, day = map(int, date.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = MONTHS[month - 1] + (1 if leap and month == 2 else 0)
    return f"{year:04d}-{month:02d}-{min(day, last):02d}T{time}Z"


def within(moments: list[str], start: str | None, end: str | None) -> slice:
    """The moments from one to another, both included; `2000-01` means all of that month."""
    first = next((n for n, m in enumerate(moments) if not start or m[: len(start)] >= start), None)
    count = sum(1 for m in moments if not end or m[: len(end)] <= end)
    if first is None or first >= count:
        raise BadInput(
            f"no time from {start or 'the start'} to {end or 'the end'}; "
            f"the data goes from {moments[0]} to {moments[-1]}"
        )
    return slice(first, count)
