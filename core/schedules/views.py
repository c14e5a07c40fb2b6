"""What the outside world sees of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.insights.views import Moment, View
from core.schedules.book import Outcome, Owner, ScheduleRow, Tick
from core.schedules.schedule import CatchUp, Overlap


class ScheduleView(View):
    """A schedule."""

    name: str
    job_type: str
    cron: str
    time_zone: str
    parameters: dict[str, Any]
    overlap: Overlap
    catch_up: CatchUp
    backlog: int
    owner: Owner
    """Who can change it: the job's class, or people."""
    installed: bool
    """Whether this process knows the job type; the scheduler of one that does not passes the schedule over."""
    paused: bool
    paused_at: Moment | None
    paused_by: str | None
    next: Moment | None
    """The next tick; null while paused."""
    last_job: str | None
    created_at: Moment
    created_by: str
    changed_at: Moment
    changed_by: str


class TickView(View):
    """A tick, and what became of it."""

    tick: Moment
    outcome: Outcome
    reason: str | None
    job_id: str | None
    run: int | None
    manual: bool
    """Whether a person pressed the button."""
    by: str | None
    at: Moment | None
    """When this was decided."""


class SchedulePage(View):
    """Schedules by name."""

    schedules: list[ScheduleView]
    next: str | None


class TickPage(View):
    """Ticks, the last decided first."""

    ticks: list[TickView]
    next: int | None


class ScheduleVerdict(View):
    """What came of a change to a schedule."""

    name: str
    changed: bool
    """False when it was so already."""
    message: str
    schedule: ScheduleView | None


def schedule_view(row: ScheduleRow, now: datetime, *, installed: bool) -> ScheduleView:
    schedule = row.schedule
    following = schedule.times.following(schedule.clock, max(now, row.decided))
    return ScheduleView(
        name=row.name,
        job_type=row.job_type,
        cron=schedule.cron,
        time_zone=schedule.zone,
        parameters=dict(schedule.parameters),
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        backlog=schedule.backlog,
        owner=row.owner,
        installed=installed,
        paused=row.paused_at is not None,
        paused_at=row.paused_at,
        paused_by=row.paused_by,
        next=None if row.paused_at else following,
        last_job=row.last_job,
        created_at=row.created_at,
        created_by=row.created_by,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )


def tick_view(tick: Tick) -> TickView:
    return TickView(
        tick=tick.tick,
        outcome=tick.outcome,
        reason=tick.reason,
        job_id=tick.job_id,
        run=tick.run,
        manual=tick.manual,
        by=tick.by,
        at=tick.at,
    )
