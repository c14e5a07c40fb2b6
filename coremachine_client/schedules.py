"""Schedules: jobs that are submitted by the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Schedule(Answer):
    """A job that is submitted by the clock."""

    name: str
    job_type: str
    cron: str
    time_zone: str = "UTC"
    parameters: Any = None
    overlap: str = ""
    """What a tick does while the run before is still running: skip, queue or replace."""
    catch_up: str = ""
    """Which ticks are made up for after downtime."""
    owner: str = ""
    """Who can change it: the job's class, or people."""
    paused: bool = False
    next: datetime | None = None
    """The next tick; None while paused."""
    last_job: str | None = None


class ScheduleVerdict(Answer):
    """What came of a change."""

    name: str
    changed: bool
    """False when it was so already."""
    message: str
    schedule: Schedule | None = None


class Tick(Answer):
    """A moment at which a schedule was due, and what came of it."""

    tick: datetime
    outcome: str
    reason: str | None = None
    job_id: str | None = None
    run: int | None = None
    manual: bool = False
    """Whether a person asked for it."""


class Upcoming(Answer):
    """When a schedule is due next."""

    ticks: list[datetime]


class Schedules:
    """What a client can do with schedules."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Schedule]:
        return map(Schedule.model_validate, self.transport.pages("/api/schedules", "schedules"))

    def get(self, name: str) -> Schedule:
        return self.transport.get(Schedule, _path(name))

    def create(
        self,
        name: str,
        job_type: str,
        cron: str,
        *,
        time_zone: str = "UTC",
        parameters: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Schedule:
        """A new schedule. `more`: `overlap`, `catch_up`, `backlog`. A name that is taken raises Conflict."""
        body = {"name": name, **_body(job_type, cron, time_zone, parameters), **more}
        return self.transport.post(Schedule, "/api/schedules", body)

    def update(
        self,
        name: str,
        job_type: str,
        cron: str,
        *,
        time_zone: str = "UTC",
        parameters: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> ScheduleVerdict:
        """Put another schedule in its place. A pause stays."""
        body = {**_body(job_type, cron, time_zone, parameters), **more}
        return self.transport.put(ScheduleVerdict, _path(name), body)

    def delete(self, name: str) -> ScheduleVerdict:
        """End a schedule. Its history stays, and so do the jobs it submitted."""
        return self.transport.read(ScheduleVerdict, self.transport.send("DELETE", _path(name)))

    def pause(self, name: str) -> ScheduleVerdict:
        return self.transport.post(ScheduleVerdict, _path(name, "pause"), repeatable=True)

    def resume(self, name: str, *, catch_up: bool = False) -> ScheduleVerdict:
        """Let it tick again. With `catch_up` the pause counts as downtime."""
        body = {"catch_up": catch_up}
        return self.transport.post(ScheduleVerdict, _path(name, "resume"), body, repeatable=True)

    def trigger(self, name: str) -> Tick:
        """Submit its job now, whatever the clock says."""
        return self.transport.post(Tick, _path(name, "trigger"))

    def history(self, name: str, *, page_size: int = 100) -> Iterator[Tick]:
        """Every tick with what became of it, the last decided first."""
        found = self.transport.pages(_path(name, "history"), "ticks", limit=page_size)
        return map(Tick.model_validate, found)

    def next(self, name: str, count: int = 5) -> list[datetime]:
        """When it will tick, by its own clock."""
        return self.transport.get(Upcoming, _path(name, "next"), count=count).ticks


def _path(name: str, verb: str = "") -> str:
    path = f"/api/schedules/{quote(name, safe='')}"
    return f"{path}/{verb}" if verb else path


def _body(
    job_type: str, cron: str, time_zone: str, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "job_type": job_type,
        "cron": cron,
        "time_zone": time_zone,
        "parameters": parameters or {},
    }
