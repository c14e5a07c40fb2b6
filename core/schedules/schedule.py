"""Schedules as values: when a job is submitted by itself, with which parameters, and what becomes of missed ticks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, cast
from zoneinfo import ZoneInfo

from core.schedules.cron import Cron, zone_named

LATE = timedelta(minutes=5)
"""A tick that is noticed later than this was missed: nobody ran the scheduler when it came."""
MOST_BACKLOG = 1000
PLACEHOLDER = re.compile(r"\{tick(?::([^{}]*))?\}")
FORMAT = re.compile(r"(?:%[YymdHMSjUVGuzZ%]|[^%])+")
SAMPLE = datetime(2024, 2, 29, 12, 34, tzinfo=UTC)


class Overlap(StrEnum):
    """What a tick does while the run before is still running."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Which ticks are made up for after a time when no scheduler ran."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True)
class Schedule:
    """Submit a job by the clock. Raises ValueError when that makes no sense.

    A text among the parameters may hold `{tick}`, the moment in UTC, or `{tick:%Y-%m-%d}`, the local time in that
    form: each tick is then a job of its own. Without it, every tick is another run of the same job.
    """

    cron: str
    zone: str = "UTC"
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    backlog: int = 10
    """How many ticks may wait for the run before, or be made up for."""
    name: str = ""
    """Tells the schedules of one job class apart."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "overlap", Overlap(self.overlap))
        object.__setattr__(self, "catch_up", CatchUp(self.catch_up))
        _ = self.times, self.clock
        if not 1 <= self.backlog <= MOST_BACKLOG:
            raise ValueError(f"backlog is {self.backlog}; it may be 1 to {MOST_BACKLOG}")
        if self.overlap is Overlap.ALLOW and not self.names_tick:
            raise ValueError(
                "overlap 'allow' needs {tick} in a parameter: equal parameters are one job, "
                "which cannot run twice at a time"
            )
        if self.catch_up is CatchUp.ALL and self.overlap is Overlap.SKIP:
            raise ValueError(
                "catch_up 'all' needs overlap 'queue' or 'allow': with 'skip', the first tick made up for "
                "would make the others skip"
            )
        self.filled(SAMPLE)

    @cached_property
    def times(self) -> Cron:
        return Cron.parse(self.cron)

    @cached_property
    def clock(self) -> ZoneInfo:
        return zone_named(self.zone)

    @cached_property
    def names_tick(self) -> bool:
        """Whether each tick is a job of its own."""
        return _holds_tick(self.parameters)

    def filled(self, tick: datetime) -> dict[str, Any]:
        """The parameters of one tick."""
        return cast(dict[str, Any], _fill(self.parameters, tick, self.clock))

    def next_ticks(self, after: datetime, count: int) -> list[datetime]:
        found: list[datetime] = []
        while len(found) < count:
            tick = self.times.following(self.clock, found[-1] if found else after)
            if tick is None:
                break
            found.append(tick)
        return found


@dataclass(frozen=True, slots=True)
class Due:
    """Ticks that have come: those to act on, and before them a time whose ticks are left out."""

    ticks: list[datetime]
    missed: tuple[datetime, datetime] | None = None
    """The first and the last tick that were missed."""


def due(schedule: Schedule, decided: datetime, now: datetime) -> Due:
    """What is to be done now about the ticks later than `decided`."""
    count = schedule.backlog if schedule.catch_up is CatchUp.ALL else 1
    found = schedule.times.latest(schedule.clock, decided, now, count)
    if not found:
        return Due([])
    if schedule.catch_up is CatchUp.NONE and now - found[-1] > LATE:
        kept, last = list[datetime](), found[-1]
    else:
        kept = found
        before = schedule.times.latest(
            schedule.clock, decided, found[0] - timedelta(microseconds=1), 1
        )
        last = before[-1] if before else None
    if last is None:
        return Due(kept)
    first = schedule.times.following(schedule.clock, decided)
    return Due(kept, (first or last, last))


def _holds_tick(value: Any) -> bool:
    match value:
        case str():
            return PLACEHOLDER.search(value) is not None
        case Mapping():
            return any(_holds_tick(part) for part in cast(Mapping[str, Any], value).values())
        case list() | tuple():
            return any(_holds_tick(part) for part in cast(list[Any], value))
        case _:
            return False


def _fill(value: Any, tick: datetime, zone: ZoneInfo) -> Any:
    match value:
        case str():
            return PLACEHOLDER.sub(lambda found: _told(tick, found[1], zone), value)
        case Mapping():
            given = cast(Mapping[str, Any], value)
            return {name: _fill(part, tick, zone) for name, part in given.items()}
        case list() | tuple():
            return [_fill(part, tick, zone) for part in cast(list[Any], value)]
        case _:
            return value


def _told(tick: datetime, form: str | None, zone: ZoneInfo) -> str:
    if form is None:
        return tick.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if not FORMAT.fullmatch(form):
        raise ValueError(f"{form!r} is no form of a time; they look like %Y-%m-%dT%H:%M")
    return tick.astimezone(zone).strftime(form)
