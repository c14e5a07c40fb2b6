"""Cron expressions on clocks that are changed, against another implementation and against the calendar."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from core.schedules.cron import Cron, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
WHOLE_HOURS = ("UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Africa/Casablanca")


def ticks(cron: str, zone: ZoneInfo, after: datetime, count: int) -> list[str]:
    """In local time, with its offset."""
    found = Cron.parse(cron).ticks(zone, after, after + timedelta(days=400))
    return [f"{tick.astimezone(zone):%d %H:%M%z}" for tick in islice(found, count)]


def test_a_time_that_the_clock_leaves_out_is_made_up_for_right_after_the_gap() -> None:
    """Fault 51, R129: 02:30 on the 29th does not exist in Berlin."""
    assert ticks("30 2 * * *", BERLIN, SPRING, 2) == ["29 03:00+0200", "30 02:30+0200"]


def test_a_time_that_the_clock_shows_twice_counts_once() -> None:
    """Fault 51, R129: 02:30 on the 25th comes twice in Berlin; the first is meant."""
    assert ticks("30 2 * * *", BERLIN, AUTUMN, 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_whoever_begins_inside_the_fold_does_not_run_again() -> None:
    inside = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert ticks("30 2 * * *", BERLIN, inside, 1) == ["26 02:30+0100"]


def test_several_times_inside_one_gap_are_made_up_for_once() -> None:
    assert ticks("10,30,50 2 * * *", BERLIN, SPRING, 2) == ["29 03:00+0200", "30 02:10+0200"]
    assert ticks("0,30 2-3 * * *", BERLIN, SPRING, 3) == [
        "29 03:00+0200",
        "29 03:30+0200",
        "30 02:00+0200",
    ]


def test_a_wildcard_goes_by_real_time_through_the_gap_and_the_fold() -> None:
    """Fault 51, R129: every half hour is every half hour."""
    spring = list(
        islice(Cron.parse("*/30 * * * *").ticks(BERLIN, SPRING, SPRING + timedelta(days=1)), 99)
    )
    autumn = list(
        islice(Cron.parse("*/30 * * * *").ticks(BERLIN, AUTUMN, AUTUMN + timedelta(days=1)), 99)
    )
    assert len(spring) == len(autumn) == 48


def test_clocks_that_change_by_half_an_hour_lose_no_tick() -> None:
    after = datetime(2026, 10, 3, 10, tzinfo=UTC)
    assert ticks("*/15 2 * * *", LORD_HOWE, after, 3) == [
        "04 02:30+1100",
        "04 02:45+1100",
        "05 02:00+1100",
    ]
    assert ticks("15 2 * * *", LORD_HOWE, after, 1) == ["04 02:30+1100"]


def test_a_day_that_a_country_left_out_is_made_up_for_once() -> None:
    """Samoa had no 30th of December 2011."""
    after = datetime(2011, 12, 29, 20, tzinfo=UTC)
    assert ticks("0 9 * * *", ZoneInfo("Pacific/Apia"), after, 3) == [
        "31 00:00+1400",
        "31 09:00+1400",
        "01 09:00+1400",
    ]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("@daily", ["02 00:00", "03 00:00"]),
        ("0 0 29 2 *", ["29 00:00"]),
        ("0 12 * * mon-fri", ["01 12:00", "02 12:00"]),
        ("0 12 1 * 7", ["01 12:00", "04 12:00"]),
        ("*/20 5-6/1 * jan,FEB *", ["01 05:00", "01 05:20"]),
        ("50/5 0 * * *", ["02 00:50", "02 00:55"]),
        ("0 0 */10 * 1", ["11 00:00"]),
    ],
)
def test_expressions_mean_what_cron_means(cron: str, expected: list[str]) -> None:
    after = datetime(2026, 1, 1, 1, tzinfo=UTC)
    found = Cron.parse(cron).ticks(ZoneInfo("UTC"), after, after + timedelta(days=1200))
    assert [f"{tick:%d %H:%M}" for tick in islice(found, len(expected))] == expected


@pytest.mark.parametrize(
    ("cron", "wrong"),
    [
        ("* * * *", "has 4 fields"),
        ("60 * * * *", "'60' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "day of the month"),
        ("* * * 13 *", "is no month"),
        ("* * * * 8", "day of the week"),
        ("*/0 * * * *", "no range"),
        ("5-1 * * * *", "no range"),
        ("a * * * *", "'a' is no minute"),
        ("1,, * * * *", "is no minute"),
        ("0 0 31 2,4 *", "never comes"),
        ("٣ * * * *", "is no minute"),
        ("", "has 0 fields"),
    ],
)
def test_what_is_no_cron_expression_is_refused_and_says_why(cron: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Cron.parse(cron)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe", "a\0b"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_named(name)


def test_the_last_ticks_are_found_without_those_before() -> None:
    every = Cron.parse("* * * * *")
    now = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
    found = every.latest(BERLIN, now - timedelta(days=3000), now, 3)
    assert found == [now.replace(second=0) - timedelta(minutes=n) for n in (2, 1, 0)]
    assert Cron.parse("@yearly").latest(BERLIN, now - timedelta(days=800), now, 1) == [
        datetime(2025, 12, 31, 23, tzinfo=UTC)
    ]
    assert every.latest(BERLIN, now, now, 3) == []


def test_time_ends_before_the_next_tick() -> None:
    assert Cron.parse("@yearly").following(BERLIN, datetime(9999, 6, 1, tzinfo=UTC)) is None


def part(first: int, last: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    ends = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    span = ends.map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.integers(1, last).map("*/{}".format),
        span,
        st.lists(number.map(str), min_size=1, max_size=3).map(",".join),
        st.tuples(span, st.integers(1, 9)).map(lambda p: f"{p[0]}/{p[1]}"),
    )


@settings(max_examples=150)
@given(
    st.tuples(part(0, 59), part(0, 5), part(1, 28), part(1, 12), part(0, 6)).map(" ".join),
    st.sampled_from(WHOLE_HOURS),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_another_implementation_finds_the_same_ticks(cron: str, zone: str, after: datetime) -> None:
    """cronsim does as Debian's cron does, where clocks change by whole hours."""
    start, clock = after.replace(tzinfo=UTC, microsecond=0), ZoneInfo(zone)
    end = start + timedelta(days=70)
    mine = list(islice(Cron.parse(cron).ticks(clock, start, end), 100))
    theirs = [tick.astimezone(UTC) for tick in islice(CronSim(cron, start.astimezone(clock)), 100)]
    assert mine == [tick for tick in theirs if tick <= end]


@settings(max_examples=60)
@given(
    st.tuples(part(0, 59), part(0, 23), part(1, 28), part(1, 12), part(0, 6)).map(" ".join),
    st.sampled_from([*WHOLE_HOURS, "Australia/Lord_Howe"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_looking_back_finds_what_looking_forward_found(
    cron: str, zone: str, after: datetime
) -> None:
    start, clock = after.replace(tzinfo=UTC), ZoneInfo(zone)
    parsed = Cron.parse(cron)
    forward = list(parsed.ticks(clock, start, start + timedelta(days=3)))
    back = parsed.latest(clock, start, start + timedelta(days=3), 10_000)
    assert back == forward
    one_by_one = [parsed.following(clock, tick) for tick in [start, *forward[:20]]]
    assert [tick for tick in one_by_one if tick in forward] == forward[:21]
