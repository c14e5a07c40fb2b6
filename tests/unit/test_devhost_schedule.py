"""Schedules of six fields, as the Functions host reads them."""

from datetime import UTC, datetime

import pytest

from triggers.devhost.schedule import Schedule
from triggers.devhost.settings import CannotStart

SATURDAY = datetime(2026, 11, 21, 3, 25, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("*/5 * * * * *", datetime(2026, 11, 21, 3, 26, 0, tzinfo=UTC)),
        ("* * * * * *", datetime(2026, 11, 21, 3, 26, 0, tzinfo=UTC)),
        ("59 25 3 * * *", datetime(2026, 11, 22, 3, 25, 59, tzinfo=UTC)),
        ("0 30 9 * * Mon-Fri", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 Jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 12 29 2 *", datetime(2028, 2, 29, 12, tzinfo=UTC)),
        ("0 0 6,18 * * 7", datetime(2026, 11, 22, 6, tzinfo=UTC)),
        ("10-20/5 0 4 * * 6", datetime(2026, 11, 21, 4, 0, 10, tzinfo=UTC)),
        ("0 0 0 13 * fri", datetime(2027, 8, 13, tzinfo=UTC)),
    ],
)
def test_a_schedule_fires_next_at(text: str, due: datetime) -> None:
    assert Schedule.parse(text).after(SATURDAY) == due


def test_a_schedule_goes_on_from_where_it_fired() -> None:
    schedule = Schedule.parse("0 */20 * * * *")
    first = schedule.after(SATURDAY)
    assert [first.minute, schedule.after(first).minute] == [40, 0]


@pytest.mark.parametrize(
    "text", ["* * * * *", "61 * * * * *", "a * * * * *", "*/0 * * * * *", "5-1 * * * * *", ""]
)
def test_a_wrong_schedule_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(CannotStart, match="schedule"):
        Schedule.parse(text)


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(CannotStart, match="never fires"):
        Schedule.parse("0 0 0 31 2 *")
