"""Time as the CF conventions write it becomes moments, in every calendar, and numbers again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from services.grids.times import as_instant, clock, within

CALENDARS = ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")


@given(st.datetimes(datetime(1700, 1, 1), datetime(2400, 1, 1)), st.integers(-(10**6), 10**6))  # noqa: DTZ001
def test_the_standard_calendar_is_that_of_python(since: datetime, hours: int) -> None:
    since = since.replace(microsecond=0)
    moments = clock(f"hours since {since:%Y-%m-%d %H:%M:%S}", "standard").moments([hours])
    assert moments == [(since + timedelta(hours=hours)).isoformat()]


def test_the_standard_calendar_leaves_ten_days_out_in_1582() -> None:
    """As CF has it: Julian before."""
    moments = clock("days since 1582-10-04", "standard").moments([0, 1])
    assert moments == ["1582-10-04T00:00:00", "1582-10-15T00:00:00"]


@pytest.mark.parametrize("calendar", CALENDARS)
@given(days=st.integers(0, 200_000))
def test_numbers_become_moments_and_numbers_again(calendar: str, days: int) -> None:
    found = clock("days since 1850-01-01 06:00", calendar)
    assert found.numbers(found.moments([days, days + 0.25])) == [days, days + 0.25]


@pytest.mark.parametrize(
    ("calendar", "days", "moment"),
    [
        ("noleap", 365, "2001-01-01"),
        ("noleap", 59, "2000-03-01"),
        ("all_leap", 59, "2000-02-29"),
        ("360_day", 59, "2000-02-30"),
        ("360_day", 360, "2001-01-01"),
        ("standard", 59, "2000-02-29"),
    ],
)
def test_every_calendar_has_its_own_days(calendar: str, days: int, moment: str) -> None:
    assert clock("days since 2000-01-01", calendar).moments([days]) == [f"{moment}T00:00:00"]


@pytest.mark.parametrize(
    "units",
    ["seconds since 1970-01-01T00:00:00Z", "Hours since 1970-1-1 0:0:0", "minutes since 1970-01-01 00:00:00.0 UTC",
     "days since 1970-01-01 00:00:00 +00:00", "h since 1970-01-01"],
)  # fmt: skip
def test_units_are_read_as_people_write_them(units: str) -> None:
    assert clock(units, "Gregorian").moments([0]) == ["1970-01-01T00:00:00"]


def test_thirds_of_an_hour_are_whole_minutes() -> None:
    assert clock("hours since 2000-01-01", "standard").moments([1 / 3])[0].endswith("00:20:00")


@pytest.mark.parametrize(
    ("moment", "instant"),
    [("2001-02-30T06:00:00", "2001-02-28T06:00:00Z"), ("2000-02-30T00:00:00", "2000-02-29T00:00:00Z"),
     ("1900-02-29T00:00:00", "1900-02-28T00:00:00Z"), ("2000-12-31T23:00:00", "2000-12-31T23:00:00Z")],
)  # fmt: skip
def test_a_day_that_only_its_calendar_knows_is_told_as_the_nearest(
    moment: str, instant: str
) -> None:
    assert as_instant(moment) == instant
    assert datetime.fromisoformat(instant).tzinfo == UTC


def test_a_range_of_time_has_both_its_ends() -> None:
    moments = clock("days since 2000-01-01", "standard").moments(list(range(100)))
    assert within(moments, "2000-02", "2000-02") == slice(31, 60)
    assert within(moments, None, None) == slice(0, 100)
    with pytest.raises(BadInput, match="no time from 2000-03-01 to 2000-02-01"):
        within(moments, "2000-03-01", "2000-02-01")
