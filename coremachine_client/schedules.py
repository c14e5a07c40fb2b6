"""Schedules: jobs that are submitted by the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer, Submitted
from coremachine_client.transport import Transport


class Schedule(Answer):
    """A job that is submitted by the clock."""

    name: str
    job_type: str = ""
    cron: str = ""
    timezone: str = "UTC"
    parameters: Any = None
    paused: bool = False
    next_at: datetime | None = None


class Tick(Answer):
    """A moment at which a schedule was due, and what came of it."""

    at: datetime | None = None
    job_id: str | None = None


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
        timezone: str = "UTC",
        parameters: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Schedule:
        """A new schedule. A name that is taken raises Conflict."""
        body = {"name": name, **_body(job_type, cron, timezone, parameters), **more}
        return self.transport.post(Schedule, "/api/schedules", body)

    def update(
        self,
        name: str,
        job_type: str,
        cron: str,
        *,
        timezone: str = "UTC",
        parameters: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Schedule:
        """Replace what a schedule says."""
        body = {**_body(job_type, cron, timezone, parameters), **more}
        return self.transport.put(Schedule, _path(name), body)

    def delete(self, name: str) -> None:
        self.transport.send("DELETE", _path(name))

    def pause(self, name: str) -> Schedule:
        return self.transport.post(Schedule, _path(name, "pause"), repeatable=True)

    def resume(self, name: str) -> Schedule:
        return self.transport.post(Schedule, _path(name, "resume"), repeatable=True)

    def trigger(self, name: str) -> Submitted:
        """Submit its job now, too."""
        return self.transport.post(Submitted, _path(name, "trigger"))

    def history(self, name: str, *, page_size: int = 100) -> Iterator[Tick]:
        """When it was due, newest first, and which job came of it."""
        found = self.transport.pages(_path(name, "history"), "history", limit=page_size)
        return map(Tick.model_validate, found)

    def next(self, name: str, count: int = 5) -> list[datetime]:
        """The moments at which it is due next."""
        answer = self.transport.send("GET", _path(name, "next"), query={"count": count})
        return Upcoming.model_validate(self.transport.json(answer)).next


class Upcoming(Answer):
    """When a schedule is due next."""

    next: list[datetime] = []


def _path(name: str, verb: str = "") -> str:
    path = f"/api/schedules/{quote(name, safe='')}"
    return f"{path}/{verb}" if verb else path


def _body(
    job_type: str, cron: str, timezone: str, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "job_type": job_type,
        "cron": cron,
        "timezone": timezone,
        "parameters": parameters or {},
    }
