"""Status: the whole installation on one page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from core.reading import JobFilter
from core.views import JobLine
from triggers.http.health import Checkup
from triggers.pages.drawings import sparkline
from triggers.pages.page import ThePage

router = APIRouter(include_in_schema=False)

NEWEST = 25
DISKS = frozenset({"scratch"})


@router.get("/status")
def status(page: ThePage) -> Response:
    """Workers, queues, failures, alerts, and the newest jobs."""
    insights = page.services.insights
    checkup: Checkup = page.request.app.state.checkup
    told, jobs = insights.throughput(), insights.jobs(JobFilter(), limit=NEWEST).jobs
    return page.show(
        "status.html",
        status=insights.deep(),
        queues=insights.queues(),
        workers=insights.workers(),
        throughput=told,
        sticks=sparkline(told),
        jobs=jobs,
        hands=insights.hands(unfinished(jobs)),
        disks=checkup.run(DISKS).components if checkup.probes.keys() >= DISKS else {},
    )


def unfinished(jobs: list[JobLine]) -> list[str]:
    """Those that somebody may be working for."""
    return [line.job_id for line in jobs if not line.status.is_final]
