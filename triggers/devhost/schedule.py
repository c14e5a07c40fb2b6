"""Schedules of six fields, seconds first, in UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product

from triggers.devhost.settings import CannotStart

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_NAMES = {name: str(n) for n, name in enumerate(_MONTHS, 1)} | {
    name: str(n) for n, name in enumerate(_DAYS)
}
_SUNDAY_AGAIN = 7
_LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, _SUNDAY_AGAIN))
_HORIZON = 366 * 8  # the 29th of February is up to eight years away


@dataclass(frozen=True)
class Schedule:
    """An NCRONTAB expression. Unlike in cron, a day must fit both of its fields."""

    seconds: list[int]
    minutes: list[int]
    hours: list[int]
    days: list[int]
    months: list[int]
    weekdays: list[int]

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read an expression; refuse one that is malformed or fits no day at all."""
        fields = text.split()
        try:
            values = [
                _values(field, *limits) for field, limits in zip(fields, _LIMITS, strict=True)
            ]
            schedule = cls(*values)
            schedule.after(datetime.now(UTC))
        except ValueError as error:
            raise CannotStart(
                f"the schedule {text!r} is wrong: {error}; it needs six fields, "
                "second minute hour day month weekday"
            ) from None
        return schedule

    def after(self, moment: datetime) -> datetime:
        """The first time it fires later than the moment."""
        today = moment.date()
        for day in (today + timedelta(days=n) for n in range(_HORIZON)):
            if self._falls_on(day):
                hours = [h for h in self.hours if day > today or h >= moment.hour]
                for clock in product(hours, self.minutes, self.seconds):
                    if (due := datetime.combine(day, time(*clock), UTC)) > moment:
                        return due
        raise ValueError("it never fires")

    def _falls_on(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        return day.day in self.days and day.month in self.months and weekday in self.weekdays


def _values(field: str, low: int, high: int) -> list[int]:
    """The values a field allows: `*`, `5`, `1-5`, `*/10`, `mon-fri`, and lists of those."""
    values: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        begin, end = _bounds(span, high if step else None, low, high)
        if not low <= begin <= end <= high or step == "0":
            raise ValueError(f"{part!r} is not between {low} and {high}")
        values.update(range(begin, end + 1, int(step or 1)))
    return sorted({value % 7 for value in values} if high == _SUNDAY_AGAIN else values)


def _bounds(span: str, open_end: int | None, low: int, high: int) -> tuple[int, int]:
    if span == "*":
        return low, high
    first, _, last = (_NAMES.get(word, word) for word in span.partition("-"))
    begin = int(first)
    return begin, int(last) if last else open_end or begin
