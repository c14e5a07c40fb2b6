"""What the tasks of a job wrote to their logs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from core.errors import ServiceUnavailable
from core.insights.logbook import Level, Logbook
from core.watching.task_logs import LogPage
from triggers.http.jobs.events import NEWEST
from triggers.http.jobs.jobs import JobId
from triggers.http.requests import page_links
from triggers.http.services import TheServices

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class LogList(LogPage):
    """A page of log lines."""

    links: dict[str, str | None]


@router.get("/{job_id}/logs")
def logs(
    request: Request,
    job_id: JobId,
    services: TheServices,
    task_id: Annotated[str | None, Query(description="Of one task, of any run.")] = None,
    after: Annotated[
        int, Query(ge=0, le=NEWEST, description="Lines after the one with this id.")
    ] = 0,
    level: Annotated[Level, Query(description="How much they must matter.")] = Level.DEBUG,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
) -> LogList:
    """The lines that tasks logged, oldest first. Follow a running job by asking after the last id."""
    if services.task_logs is None:
        raise ServiceUnavailable("this web app was made without task logs")
    book = Logbook(services.insights, services.task_logs)
    page = book.page(job_id, task_id, after=after, level=level, limit=limit)
    return LogList(**dict(page), links=page_links(request, page.next, "after"))
