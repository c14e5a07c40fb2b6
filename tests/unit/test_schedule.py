"""Schedules as values: what they refuse, what they put into parameters, and what is due when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import CatchUp, Context, JobBase, Overlap, Schedule, single
from core.errors import JobDefinitionError
from core.schedules.schedule import LATE, Due, due

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"cron": "often"}, "has 1 fields"),
        ({"zone": "Berlin"}, "no time zone"),
        ({"backlog": 0}, "backlog is 0"),
        ({"overlap": "maybe"}, "not a valid Overlap"),
        ({"overlap": "allow"}, "needs {tick} in a parameter"),
        ({"catch_up": "all"}, "needs overlap 'queue' or 'allow'"),
        ({"parameters": {"day": "{tick:%d%n%c}"}}, "no form of a time"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Schedule(**{"cron": "@daily", **given})


def test_a_tick_stands_in_parameters_in_utc_or_in_local_form() -> None:
    schedule = Schedule(
        "@daily",
        "Europe/Berlin",
        {"at": "{tick}", "day": "d/{tick:%Y-%m-%d}", "deep": [{"x": "{tick:%H:%M}"}], "n": 1},
    )
    assert schedule.names_tick
    assert schedule.filled(datetime(2025, 12, 31, 23, tzinfo=UTC)) == {
        "at": "2025-12-31T23:00:00Z",
        "day": "d/2026-01-01",
        "deep": [{"x": "00:00"}],
        "n": 1,
    }


def test_other_braces_are_left_alone() -> None:
    text = "{ticks} {0} {tick.year} {}"
    assert Schedule("@daily", parameters={"x": text}).filled(NOON) == {"x": text}


def dues(catch_up: CatchUp, behind: timedelta, backlog: int = 2) -> Due:
    """Of an hourly schedule that was looked at last behind noon."""
    schedule = Schedule("@hourly", overlap=Overlap.QUEUE, catch_up=catch_up, backlog=backlog)
    return due(schedule, NOON - 3 * HOUR, NOON + behind)


SOON, LATER = timedelta(seconds=3), LATE + timedelta(seconds=1)
TEN, ELEVEN = NOON - 2 * HOUR, NOON - HOUR


@pytest.mark.parametrize(
    ("catch_up", "behind", "expected"),
    [
        (CatchUp.NONE, SOON, Due([NOON], (TEN, ELEVEN))),
        (CatchUp.NONE, LATE, Due([NOON], (TEN, ELEVEN))),
        (CatchUp.NONE, LATER, Due([], (TEN, NOON))),
        (CatchUp.LAST, LATER, Due([NOON], (TEN, ELEVEN))),
        (CatchUp.ALL, LATER, Due([ELEVEN, NOON], (TEN, TEN))),
        (CatchUp.NONE, -4 * HOUR, Due([])),
    ],
)
def test_what_is_due_after_three_hours(catch_up: CatchUp, behind: timedelta, expected: Due) -> None:
    """Fault 51, R129."""
    assert dues(catch_up, behind) == expected


def test_a_backlog_that_holds_all_misses_none() -> None:
    assert dues(CatchUp.ALL, LATER, backlog=3) == Due([TEN, ELEVEN, NOON])


def test_years_of_downtime_are_looked_through_quickly() -> None:
    found = due(Schedule("* * * * *"), NOON - timedelta(days=3650), NOON)
    assert found.ticks == [NOON]


# on a job class


def clocked(schedule: Any) -> type[JobBase]:
    class Clocked(JobBase, schedule=schedule):
        """Says when."""

        day: str = "today"

        @single
        def say(self, ctx: Context) -> str:
            return self.day

    return Clocked


def test_a_class_says_when_in_one_word_or_in_many() -> None:
    night = Schedule("0 3 * * *", "Europe/Berlin", {"day": "{tick}"}, name="night")
    assert clocked("*/10 * * * *").schedules == (Schedule("*/10 * * * *"),)
    assert clocked(night).schedules == (night,)
    assert clocked([Schedule("@daily"), night]).schedules == (Schedule("@daily"), night)
    assert clocked(None).schedules == ()


@pytest.mark.parametrize(
    ("schedule", "wrong"),
    [
        ("often", "Clocked: 'often' has 1 fields"),
        (Schedule("@daily", parameters={"dey": "x"}), "parameters of its schedule do not fit"),
        (Schedule("@daily", parameters={"day": 5}), "parameters of its schedule do not fit"),
        (Schedule("@daily", parameters={"day": {1, 2}}), "parameters of its schedule do not fit"),
        ([Schedule("@daily"), Schedule("@hourly")], "schedules of one name"),
        (Schedule("@daily", name="At Night"), "no name of a schedule"),
    ],
)
def test_a_class_with_a_wrong_schedule_does_not_come_to_be(schedule: Any, wrong: str) -> None:
    with pytest.raises(JobDefinitionError, match=wrong):
        clocked(schedule)
