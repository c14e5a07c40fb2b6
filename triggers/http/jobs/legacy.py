"""The lists under the addresses that today's users know."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from core.insights.reading import JobFilter
from core.insights.views import JobLine, TaskView
from core.states import JobStatus
from triggers.http.jobs.jobs import JobId
from triggers.http.requests import Hours, later
from triggers.http.services import TheInsights

router = APIRouter(prefix="/api/db", tags=["jobs"])

Limit = Annotated[int, Query(ge=1, le=1000)]


class Jobs(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobLine]
    count: int


class Tasks(BaseModel):
    """Tasks of a job."""

    tasks: list[TaskView]
    count: int


@router.get("/jobs")
def db_jobs(
    insights: TheInsights,
    limit: Limit = 100,
    status: JobStatus | None = None,
    hours: Hours = None,
) -> Jobs:
    """The newest jobs. /api/jobs does the same in pages."""
    found = insights.jobs(JobFilter(status=status, created_after=later(None, hours)), limit=limit)
    return Jobs(jobs=found.jobs, count=len(found.jobs))


@router.get("/tasks/{job_id}")
def db_tasks(job_id: JobId, insights: TheInsights, limit: Limit = 1000) -> Tasks:
    """The first tasks of a job. /api/jobs/{job_id}/tasks does the same in pages."""
    found = insights.tasks(job_id, limit=limit)
    return Tasks(tasks=found.tasks, count=len(found.tasks))
