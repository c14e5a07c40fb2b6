"""Time as the CF conventions write it: a number of units since a moment, in one of several calendars."""

from __future__ import annotations

import re
import warnings
from calendar import monthrange
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
from pydantic import BaseModel, ConfigDict

from core.errors import BadInput

warnings.simplefilter("ignore", cftime.CFWarning)  # of years before the first, which are refused


class Clock(BaseModel):
    """How numbers become moments."""

    model_config = ConfigDict(frozen=True)

    units: str
    calendar: str

    def moments(self, values: Sequence[float] | np.ndarray[Any, Any]) -> list[str]:
        """Each as `2000-02-30T06:00:00`, so that text order is time order."""
        numbers = np.asarray(values)
        numbers = numbers.astype("f8" if numbers.dtype.kind == "f" else "i8")
        with self._understood():
            if not np.isfinite(numbers).all():
                raise ValueError("some of its numbers are missing")
            found = cftime.num2date(
                numbers, self.units, self.calendar, only_use_cftime_datetimes=True
            )
            return [_text(moment) for moment in found]

    def numbers(self, moments: list[str]) -> list[float]:
        """The numbers that stand for moments of this calendar."""
        dates = [
            cftime.datetime(*map(int, re.split("[-T:]", moment)), calendar=self.calendar)
            for moment in moments
        ]
        return cftime.date2num(dates, self.units, self.calendar).tolist()

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OverflowError) as error:
            raise BadInput(
                f"{self.units!r} (calendar {self.calendar}) makes no moments: {error}; "
                "units are like 'hours since 2000-01-01'"
            ) from error


def clock(units: str, calendar: str) -> Clock:
    """What a time axis says of itself. BadInput says what is wrong with it."""
    found = Clock(units=units, calendar=calendar.lower())
    found.moments([0])
    return found


def _text(moment: cftime.datetime) -> str:
    if moment.microsecond:
        moment += timedelta(milliseconds=500)
    if not 0 <= moment.year <= 9999:
        raise ValueError(f"the year {moment.year} has not four digits")
    return moment.isoformat(timespec="seconds")


def as_instant(moment: str) -> str:
    """A moment as the rest of the world can read it: the 30th of a February becomes its last day."""
    date, _, time = moment.partition("T")
    year, month, day = map(int, date.split("-"))
    return f"{year:04d}-{month:02d}-{min(day, monthrange(year, month)[1]):02d}T{time}Z"


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
