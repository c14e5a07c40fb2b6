"""Jobs over HTTP: submit them, follow them, read what they gave."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from core.admission.terms import HIGHEST, LOWEST
from core.insights.overview import Timeline
from core.insights.portrait import plan_lines
from core.insights.reading import JobFilter
from core.insights.views import JobPage, JobView, PlanLine, TaskDetail, TaskPage
from core.job import JobBase
from core.ports import Submission
from core.states import JobStatus, TaskStatus
from triggers.http.door.actor import TheActor
from triggers.http.requests import (
    Cursor,
    Hours,
    Limit,
    Parameters,
    Verbose,
    job_links,
    later,
    page_links,
)
from triggers.http.services import TheInsights, TheMachine

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

JobId = Annotated[str, Path(description="64 hex digits, as the submission gave them.")]
AfterId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
BODY = {
    "requestBody": {
        "description": "The parameters of the job; GET /api/job-types/{job_type} describes them.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class Submitted(BaseModel):
    """What came of a submission."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    job_type: str
    status: JobStatus
    message: str
    run: int
    is_new: bool
    """Whether this submission began the run."""
    waits: bool
    """Whether it has still to be let in; its status says what it waits for."""
    idempotent: bool
    """Whether the job existed already, so that nothing new was begun."""
    parameters: dict[str, Any]
    """All of them, with defaults, as they make up the job's id."""
    links: dict[str, str]


class Preview(BaseModel):
    """What a submission would do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    job_type: str
    dry_run: Literal[True] = True
    parameters: dict[str, Any]
    exists: bool
    status: JobStatus | None
    """Where the job stands, if it exists."""
    message: str
    plan: list[PlanLine]


class JobAnswer(JobView):
    """Where a job stands, and where its parts are found."""

    links: dict[str, str]


class JobList(JobPage):
    """A page of jobs."""

    links: dict[str, str | None]


class TaskList(TaskPage):
    """A page of tasks."""

    links: dict[str, str | None]


@router.post(
    "/submit/{job_type}",
    status_code=202,
    openapi_extra=BODY,
    responses={200: {"model": Preview, "description": "What a submission would do (dry_run)."}},
)
def submit(
    job_type: str,
    parameters: Parameters,
    machine: TheMachine,
    insights: TheInsights,
    actor: TheActor,
    response: Response,
    force: Annotated[bool, Query(description="Run a job again that has ended.")] = False,
    dry_run: Annotated[bool, Query(description="Check, and say what would happen.")] = False,
    priority: Annotated[
        int | None,
        Query(ge=LOWEST, le=HIGHEST, description="Higher goes first; else the job type's."),
    ] = None,
    after: Annotated[
        list[AfterId],
        Query(max_length=100, description="Jobs that must have ended before this one starts."),
    ] = [],  # noqa: B006 - FastAPI copies it
    after_success: Annotated[bool, Query(description="They must have ended well.")] = False,
) -> Submitted | Preview:
    """Submit a job. Equal parameters find the job that already exists."""
    job = machine.parse(job_type, parameters)
    if dry_run:
        response.status_code = 200
        return _preview(job, insights.status_of(job.fingerprint))
    submission = machine.submit(
        job, force=force, priority=priority, after=after, after_success=after_success, by=actor
    )
    return _submitted(job, submission)


@router.get("/status/{job_id}")
def status(job_id: JobId, insights: TheInsights, verbose: Verbose = False) -> JobAnswer:
    """Where a job stands, stage by stage, and its result once it is done."""
    return _answer(insights.job(job_id, verbose=verbose))


@router.get("")
def jobs(
    request: Request,
    insights: TheInsights,
    status: JobStatus | None = None,
    job_type: Annotated[str | None, Query(pattern="^[a-z][a-z0-9_]{0,62}$")] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    hours: Hours = None,
    prefix: Annotated[
        str | None, Query(pattern="^[0-9a-f]{1,64}$", description="How the job id begins.")
    ] = None,
    text: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="Stands in parameters, type or error."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JobList:
    """The jobs there are, newest first."""
    after = later(created_after, hours)
    wanted = JobFilter(status, job_type, after, created_before, prefix, text)
    page = insights.jobs(wanted, cursor, limit)
    return JobList(**dict(page), links=page_links(request, page.next))


@router.get("/{job_id}")
def job(job_id: JobId, insights: TheInsights, verbose: Verbose = False) -> JobAnswer:
    """The same as /api/jobs/status/{job_id}."""
    return _answer(insights.job(job_id, verbose=verbose))


@router.get("/{job_id}/tasks")
def tasks(
    request: Request,
    job_id: JobId,
    insights: TheInsights,
    stage: Annotated[str | None, Query(description="The name of a stage.")] = None,
    status: TaskStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> TaskList:
    """The tasks of the job's current run, stage by stage."""
    page = insights.tasks(job_id, stage=stage, status=status, cursor=cursor, limit=limit)
    return TaskList(**dict(page), links=page_links(request, page.next))


@router.get("/{job_id}/tasks/{task_id}")
def task(
    job_id: JobId, task_id: str, insights: TheInsights, verbose: Verbose = False
) -> TaskDetail:
    """One task, with what it was given and what it gave."""
    return insights.task(job_id, task_id, verbose=verbose)


@router.get("/{job_id}/timeline")
def timeline(
    job_id: JobId,
    insights: TheInsights,
    begin: Annotated[AwareDatetime | None, Query(description="When the run began.")] = None,
    end: Annotated[AwareDatetime | None, Query(description="When it ended, or now.")] = None,
) -> Timeline:
    """When tasks were under way, stage by stage, in 120 slices of time; one by one where they are 200 or fewer."""
    return insights.timeline(job_id, begin, end)


@router.get(
    "/{job_id}/result",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "The result."}},
)
def result(job_id: JobId, insights: TheInsights) -> StreamingResponse:
    """What the job gave, as JSON. Long lists are streamed."""
    return StreamingResponse(insights.result(job_id), media_type="application/json")


def _submitted(job: JobBase, submission: Submission) -> Submitted:
    run = submission.run
    return Submitted(
        job_id=run.job_id,
        job_type=run.job_type,
        status=run.status,
        message=_told(submission),
        run=run.number,
        is_new=submission.is_new,
        waits=submission.waits,
        idempotent=not submission.is_new,
        parameters=job.model_dump(mode="json"),
        links=job_links(run.job_id),
    )


def _told(submission: Submission) -> str:
    run = submission.run
    if not submission.is_new:
        return f"The job exists already; it is {run.status}. Nothing new was begun."
    again = f"as run {run.number}" if run.number > 1 else "for the first time"
    return f"The job waits to run {again}." if submission.waits else f"The job runs {again}."


def _preview(job: JobBase, status: JobStatus | None) -> Preview:
    return Preview(
        job_id=job.fingerprint,
        job_type=job.job_type,
        parameters=job.model_dump(mode="json"),
        exists=status is not None,
        status=status,
        message="A submission would begin a new job."
        if status is None
        else f"The job exists; it is {status}.",
        plan=plan_lines(type(job)),
    )


def _answer(view: JobView) -> JobAnswer:
    return JobAnswer.model_construct(**dict(view), links=job_links(view.job_id))
