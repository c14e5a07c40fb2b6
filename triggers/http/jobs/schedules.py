"""Schedules over HTTP: jobs that are submitted by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.names import PATTERN
from core.schedules.cron import Cron, zone_named
from core.schedules.schedule import MOST_BACKLOG, CatchUp, Overlap, Schedule
from core.schedules.views import SchedulePage, ScheduleVerdict, ScheduleView, TickPage, TickView
from triggers.http.door.actor import TheActor
from triggers.http.requests import Limit, body_of, described, page_links
from triggers.http.services import TheSchedules

router = APIRouter(prefix="/api/schedules", tags=["schedules"])

Name = Annotated[
    str, Path(description="As the schedule was named; that of a class is its job type.")
]

After = Annotated[
    str | None, Query(pattern=f"^{PATTERN}$", description="The `next` of the page before.")
]


class ScheduleOrder(BaseModel):
    """When which job shall be submitted."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    job_type: str
    cron: str
    """Five fields (minute, hour, day, month, weekday), or @hourly, @daily, @weekly, @monthly, @yearly."""
    time_zone: str = "UTC"
    """An IANA zone, as Europe/Berlin: its clock is meant."""
    parameters: dict[str, Any] = {}
    """Of the job. `{tick}` in a text is the moment of the tick, `{tick:%Y-%m-%d}` its local time in that form."""
    overlap: Overlap = Overlap.SKIP
    """What a tick does while the run before is still running."""
    catch_up: CatchUp = CatchUp.NONE
    """Which ticks are made up for after a time when no scheduler ran."""
    backlog: int = Field(default=10, ge=1, le=MOST_BACKLOG, strict=True)
    """How many ticks may wait for the run before, or be made up for."""

    @field_validator("cron")
    @classmethod
    def is_cron(cls, text: str) -> str:
        Cron.parse(text)
        return text

    @field_validator("time_zone")
    @classmethod
    def is_zone(cls, name: str) -> str:
        zone_named(name)
        return name

    @model_validator(mode="after")
    def makes_sense(self) -> Self:
        _ = self.schedule
        return self

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            self.cron, self.time_zone, self.parameters, self.overlap, self.catch_up, self.backlog
        )


class NamedScheduleOrder(ScheduleOrder):
    """A new schedule."""

    name: str
    """Lower case letters, digits and . _ -"""


class Resumption(BaseModel):
    """How a schedule is resumed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    catch_up: bool = Field(default=False, strict=True)
    """Treat the pause as downtime: make up for what the schedule makes up for."""


class ScheduleAnswer(ScheduleView):
    """A schedule, and where its parts are found."""

    links: dict[str, str]


class ScheduleList(SchedulePage):
    """A page of schedules."""

    links: dict[str, str | None]


class ScheduleVerb(ScheduleVerdict):
    """What came of a change."""

    links: dict[str, str]


class TickList(TickPage):
    """A page of ticks."""

    links: dict[str, str | None]


class TickAnswer(TickView):
    """The tick of a pressed button."""

    links: dict[str, str]


class NextTicks(BaseModel):
    """When a schedule will tick, as things are now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    time_zone: str
    ticks: list[datetime]
    """With the offset of the schedule's own clock."""


@router.get("")
def schedules(
    request: Request,
    schedules: TheSchedules,
    job_type: Annotated[str | None, Query(pattern="^[a-z][a-z0-9_]{0,62}$")] = None,
    cursor: After = None,
    limit: Limit = 50,
) -> ScheduleList:
    """The schedules there are, by name."""
    page = schedules.page(cursor, limit, job_type)
    return ScheduleList(**dict(page), links=page_links(request, page.next))


@router.post("", status_code=201, openapi_extra=described(NamedScheduleOrder))
def create_schedule(
    order: Annotated[NamedScheduleOrder, Depends(body_of(NamedScheduleOrder))],
    schedules: TheSchedules,
    actor: TheActor,
) -> ScheduleAnswer:
    """Submit a job by the clock from now on."""
    view = schedules.create(order.name, order.job_type, order.schedule, by=actor)
    return _answer(view)


@router.get("/{name}")
def schedule(name: Name, schedules: TheSchedules) -> ScheduleAnswer:
    """One schedule."""
    return _answer(schedules.get(name))


@router.put("/{name}", openapi_extra=described(ScheduleOrder))
def change_schedule(
    name: Name,
    order: Annotated[ScheduleOrder, Depends(body_of(ScheduleOrder))],
    schedules: TheSchedules,
    actor: TheActor,
) -> ScheduleVerb:
    """Put another schedule in its place. Another time begins now; a pause stays."""
    return _verb(schedules.change(name, order.job_type, order.schedule, by=actor))


@router.delete("/{name}")
def delete_schedule(name: Name, schedules: TheSchedules, actor: TheActor) -> ScheduleVerb:
    """End a schedule. Its history stays, and so do the jobs it submitted."""
    return _verb(schedules.delete(name, by=actor))


@router.post("/{name}/pause")
def pause_schedule(name: Name, schedules: TheSchedules, actor: TheActor) -> ScheduleVerb:
    """Let no tick come until it is resumed. Jobs that run go on."""
    return _verb(schedules.pause(name, by=actor))


@router.post("/{name}/resume", openapi_extra=described(Resumption, required=False))
def resume_schedule(
    name: Name,
    wanted: Annotated[Resumption, Depends(body_of(Resumption))],
    schedules: TheSchedules,
    actor: TheActor,
) -> ScheduleVerb:
    """Let it tick again. Ticks that came while it was paused are left out, unless `catch_up` is true."""
    return _verb(schedules.resume(name, by=actor, catch_up=wanted.catch_up))


@router.post("/{name}/trigger", status_code=202)
def trigger_schedule(name: Name, schedules: TheSchedules, actor: TheActor) -> TickAnswer:
    """Submit its job now, whatever the clock says, also while it is paused."""
    tick = schedules.trigger(name, by=actor)
    job = {} if tick.job_id is None else {"job": f"/api/jobs/{tick.job_id}"}
    return TickAnswer(**dict(tick), links={"history": f"/api/schedules/{name}/history", **job})


@router.get("/{name}/history")
def schedule_history(
    request: Request,
    name: Name,
    schedules: TheSchedules,
    cursor: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Limit = 50,
) -> TickList:
    """Every tick with what became of it, the last decided first; also of a schedule that was deleted."""
    page = schedules.history(name, cursor, limit)
    return TickList(**dict(page), links=page_links(request, page.next))


@router.get("/{name}/next")
def next_ticks(
    name: Name,
    schedules: TheSchedules,
    count: Annotated[int, Query(ge=1, le=100, description="How many.")] = 10,
) -> NextTicks:
    """When it will tick, also while it is paused: as if it were resumed now."""
    zone, ticks = schedules.next_ticks(name, count)
    return NextTicks(name=name, time_zone=zone.key, ticks=[tick.astimezone(zone) for tick in ticks])


def _answer(view: ScheduleView) -> ScheduleAnswer:
    return ScheduleAnswer(**dict(view), links=_links(view.name))


def _verb(verdict: ScheduleVerdict) -> ScheduleVerb:
    return ScheduleVerb(**dict(verdict), links=_links(verdict.name))


def _links(name: str) -> dict[str, str]:
    here = f"/api/schedules/{name}"
    return {"self": here, "history": f"{here}/history", "next": f"{here}/next"}
