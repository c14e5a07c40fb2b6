"""One job: where it stands, its tasks, its events, its logs."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import AwareDatetime

from core.control.verbs import RULINGS, Ruling, Verb
from core.errors import TaskNotFound
from core.insights.logbook import Level, Logbook
from core.insights.views import JobView, StageView, TaskDetail
from core.stages import Shape
from core.states import JobStatus, StageStatus, TaskStatus
from triggers.pages import drawings
from triggers.pages.page import Page, ThePage

router = APIRouter(prefix="/jobs/{job_id}", include_in_schema=False)

ROWS = 100
LARGEST = 20_000
"""Characters of parameters or of a result that a page shows."""
ROUTES = {
    Verb.CANCEL: ("POST", "/api/jobs/{job_id}/cancel"),
    Verb.PAUSE: ("POST", "/api/jobs/{job_id}/pause"),
    Verb.RESUME: ("POST", "/api/jobs/{job_id}/resume"),
    Verb.RESUBMIT: ("POST", "/api/jobs/{job_id}/resubmit"),
    Verb.REPLAY: ("POST", "/api/jobs/{job_id}/replay"),
    Verb.RETRY: ("POST", "/api/jobs/{job_id}/tasks/{task_id}/retry"),
    Verb.DELETE: ("DELETE", "/api/jobs/{job_id}"),
    Verb.DECIDE: ("POST", "/api/jobs/{job_id}/gates/{stage}/approve"),
}
"""The route behind each button."""


@router.get("")
def job(page: ThePage, job_id: str) -> Response:
    """Where a job stands."""
    view = page.services.insights.job(job_id, verbose=True)
    return page.show(
        "job.html",
        job=view,
        tab="overview",
        verbs=offered(page, view),
        graph=drawings.graph(view.stages),
        etas={stage.name: drawings.eta(stage, datetime.now(UTC)) for stage in view.stages},
        gates=_open_gates(page, view),
        failure=_failure(page, view),
        hands=page.services.insights.hands([job_id]).get(job_id, []),
        largest=LARGEST,
    )


@router.get("/timeline")
def timeline(
    page: ThePage,
    job_id: str,
    begin: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
) -> Response:
    """When its tasks ran; a part of the page of a job, and a page of its own for browsers without scripts."""
    told = page.services.insights.timeline(job_id, begin, end)
    return page.show(
        "timeline.html",
        job_id=job_id,
        timeline=told,
        bands=drawings.timeline(told),
        views=drawings.views(told),
        width=drawings.BAND_WIDTH,
        whole=begin is None and end is None,
    )


@router.get("/tasks")
def tasks(
    page: ThePage, job_id: str, stage: str = "", status: str = "", cursor: str | None = None
) -> Response:
    """Its tasks, stage by stage."""
    insights = page.services.insights
    view = insights.job(job_id)
    wanted = TaskStatus(status) if status in list(TaskStatus) else None
    found = insights.tasks(job_id, stage=stage or None, status=wanted, cursor=cursor, limit=ROWS)
    chosen = {name: value for name, value in (("stage", stage), ("status", status)) if value}
    return page.show(
        "tasks.html",
        job=view,
        tab="tasks",
        verbs=offered(page, view),
        tasks=found.tasks,
        following=_next(f"/jobs/{job_id}/tasks", chosen, cursor=found.next),
        stage=stage,
        status=status,
        statuses=list(TaskStatus),
    )


@router.get("/tasks/{task_id}")
def task(page: ThePage, job_id: str, task_id: str) -> Response:
    """One task. Tracebacks are for operators."""
    insights = page.services.insights
    view = insights.job(job_id)
    found = insights.task(job_id, task_id, verbose=_may_see_traces(page))
    return page.show(
        "task.html", job=view, tab="tasks", verbs=offered(page, view), task=found, largest=LARGEST
    )


@router.get("/events")
def events(page: ThePage, job_id: str, after: int = 0) -> Response:
    """What happened to it, oldest first."""
    insights = page.services.insights
    view, found = insights.job(job_id), insights.events(job_id, max(after, 0), ROWS)
    return page.show(
        "events.html",
        job=view,
        tab="events",
        verbs=offered(page, view),
        events=found.events,
        following=_next(f"/jobs/{job_id}/events", {}, after=found.next),
        is_first=after <= 0,
    )


@router.get("/logs")
def logs(
    page: ThePage, job_id: str, level: Level = Level.DEBUG, task_id: str = "", after: int = 0
) -> Response:
    """What its tasks logged."""
    services = page.services
    view = services.insights.job(job_id)
    lines, following = [], None
    if services.task_logs is not None:
        book = Logbook(services.insights, services.task_logs)
        found = book.page(job_id, task_id or None, after=max(after, 0), level=level, limit=ROWS)
        lines, following = found.lines, found.next
    chosen = {"level": str(level), **({"task_id": task_id} if task_id else {})}
    return page.show(
        "logs.html",
        job=view,
        tab="logs",
        verbs=offered(page, view),
        lines=lines,
        following=_next(f"/jobs/{job_id}/logs", chosen, after=following),
        level=level,
        levels=list(Level),
        task_id=task_id,
    )


def offered(page: Page, view: JobView) -> set[str]:
    """The verbs that the job's state allows and the caller's role too."""
    allowed = {verb for verb in Verb if RULINGS[verb][view.status] in (Ruling.ACTS, Ruling.FORCED)}
    return {str(verb) for verb in allowed if page.may(*ROUTES[verb])}


def _open_gates(page: Page, view: JobView) -> list[tuple[StageView, str]]:
    """The gates that wait for a person, and what each asks."""
    waiting = [
        stage
        for stage in view.stages
        if stage.shape is Shape.GATE and stage.status is StageStatus.OPEN and stage.counts.waiting
    ]
    return [(stage, _question(page, view.job_id, stage.name)) for stage in waiting]


def _question(page: Page, job_id: str, stage: str) -> str:
    insights = page.services.insights
    asking = insights.tasks(job_id, stage=stage, status=TaskStatus.WAITING, limit=1).tasks
    return str(insights.task(job_id, asking[0].task_id).result) if asking else ""


def _failure(page: Page, view: JobView) -> TaskDetail | None:
    """The task whose failure made the job fail."""
    if view.status is not JobStatus.FAILED or view.error is None or view.error.task is None:
        return None
    try:
        return page.services.insights.task(
            view.job_id, view.error.task, verbose=_may_see_traces(page)
        )
    except TaskNotFound:  # its run may have been pruned; the message says enough
        return None


def _may_see_traces(page: Page) -> bool:
    return page.may("GET", "/operate/database")


def _next(path: str, chosen: dict[str, str], **position: str | int | None) -> str | None:
    given = {name: str(value) for name, value in position.items() if value is not None}
    return f"{path}?{urlencode({**chosen, **given})}" if given else None
