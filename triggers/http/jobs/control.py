"""Control over HTTP: cancel, pause, resume, run again, delete, and settle gates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from core.blobs import BlobRef
from core.control.desk import Control, Done
from core.errors import JobNotFound, TaskNotFound
from core.insights.questions import JOB_ID, fits
from core.stages import Decision
from core.states import JobStatus
from core.tasks import TaskKey
from core.upkeep.removal import Removal, Removed
from triggers.http.door.actor import TheActor
from triggers.http.requests import body_of, described, job_links
from triggers.http.services import TheMachine

router = APIRouter(prefix="/api/jobs", tags=["control"])


async def job_id_of(
    job_id: Annotated[str, Path(description="64 hex digits, as the submission gave them.")],
) -> str:
    """What is no job's id finds no job."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound(f"There is no job {job_id!r}. GET /api/jobs lists those there are.")
    return job_id


JobId = Annotated[str, Depends(job_id_of)]
TaskId = Annotated[str, Path(description="The id of a task that failed, like 12-0-345.")]
StageName = Annotated[str, Path(description="The name of a gate.")]
DryRun = Annotated[bool, Query(description="Tell what would go, and let it stay.")]

KeepOutputs = Annotated[bool, Query(description="Delete the records alone.")]


class Body(BaseModel):
    """What a verb is told besides."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Reason(Body):
    """Why a job is cancelled."""

    reason: str = Field("", max_length=500)
    """Kept in the job's history."""


class Again(Body):
    """How a job runs again."""

    from_start: bool = False
    """Take nothing over from the run before."""
    force: bool = False
    """Also when the job has completed."""


class Stage(Body):
    """From where a job is replayed."""

    stage: str
    """The name of a stage: it and everything that depends on it run again."""


class Note(Body):
    """What a person says to a decision."""

    note: str = Field("", max_length=500)


class Steered(BaseModel):
    """What came of a verb."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    run: int
    status: JobStatus
    changed: bool
    """Whether this request did it; false when it was done already."""
    message: str
    links: dict[str, str]


class Deletion(BaseModel):
    """What goes with a job, or has gone."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    dry_run: bool
    runs: int
    tasks: int
    checkpoints: int
    events: int
    blobs: int
    blob_bytes: int
    blob_names: list[BlobRef]
    """The first thousand of them."""
    gone: bool
    """Whether nothing is left; else the rest goes in the background."""
    message: str


async def control_of(machine: TheMachine) -> Control:
    return Control(machine)


async def removal_of(machine: TheMachine) -> Removal:
    return Removal(machine)


TheControl = Annotated[Control, Depends(control_of)]
TheRemoval = Annotated[Removal, Depends(removal_of)]


@router.post("/{job_id}/cancel", openapi_extra=described(Reason, required=False))
def cancel(
    job_id: JobId,
    told: Annotated[Reason, Depends(body_of(Reason))],
    control: TheControl,
    actor: TheActor,
) -> Steered:
    """End a job. What is due is dropped at once; what runs ends at its next safe point."""
    return _steered(control.cancel(job_id, by=actor, reason=told.reason))


@router.post("/{job_id}/pause")
def pause(job_id: JobId, control: TheControl, actor: TheActor) -> Steered:
    """Begin nothing of a job until it is resumed. What runs may end."""
    return _steered(control.pause(job_id, by=actor))


@router.post("/{job_id}/resume")
def resume(job_id: JobId, control: TheControl, actor: TheActor) -> Steered:
    """Go on with a paused job."""
    return _steered(control.resume(job_id, by=actor))


@router.post("/{job_id}/resubmit", status_code=202, openapi_extra=described(Again, required=False))
def resubmit(
    job_id: JobId,
    told: Annotated[Again, Depends(body_of(Again))],
    control: TheControl,
    actor: TheActor,
) -> Steered:
    """Run a job again: only what failed or was cancelled, or everything from the start."""
    return _steered(
        control.resubmit(job_id, by=actor, from_start=told.from_start, force=told.force)
    )


@router.post("/{job_id}/replay", status_code=202, openapi_extra=described(Stage))
def replay(
    job_id: JobId,
    told: Annotated[Stage, Depends(body_of(Stage))],
    control: TheControl,
    actor: TheActor,
) -> Steered:
    """Run one stage of a job, and everything that depends on it, again."""
    return _steered(control.replay(job_id, told.stage, by=actor))


@router.post("/{job_id}/tasks/{task_id}/retry", status_code=202)
def retry(job_id: JobId, task_id: TaskId, control: TheControl, actor: TheActor) -> Steered:
    """Run one failed task again, in a new run that takes the rest over."""
    return _steered(control.retry(job_id, _key(task_id), by=actor))


@router.delete(
    "/{job_id}", responses={202: {"model": Deletion, "description": "The rest goes later."}}
)
def delete(
    job_id: JobId,
    removal: TheRemoval,
    actor: TheActor,
    response: Response,
    dry_run: DryRun = False,
    keep_outputs: KeepOutputs = False,
) -> Deletion:
    """Delete a job with its history and the blobs that its runs made."""
    if dry_run:
        found = removal.preview(job_id, outputs=not keep_outputs)
        return _deletion(found, "This would go.", dry_run=True)
    removed = removal.delete(job_id, by=actor, outputs=not keep_outputs)
    if not removed.gone:
        response.status_code = 202
    message = "It is gone." if removed.gone else "It is being deleted; this has gone so far."
    return _deletion(removed, message, dry_run=False)


@router.post("/{job_id}/gates/{stage}/approve", openapi_extra=described(Note, required=False))
def approve(
    job_id: JobId,
    stage: StageName,
    told: Annotated[Note, Depends(body_of(Note))],
    control: TheControl,
    actor: TheActor,
) -> Steered:
    """Let a job go on behind a gate."""
    decision = Decision(approved=True, by=actor, note=told.note)
    return _steered(control.decide(job_id, stage, decision))


@router.post("/{job_id}/gates/{stage}/reject", openapi_extra=described(Note, required=False))
def reject(
    job_id: JobId,
    stage: StageName,
    told: Annotated[Note, Depends(body_of(Note))],
    control: TheControl,
    actor: TheActor,
) -> Steered:
    """Let a job fail at a gate."""
    decision = Decision(approved=False, by=actor, note=told.note)
    return _steered(control.decide(job_id, stage, decision))


def _key(task_id: str) -> TaskKey:
    key = TaskKey.parse(task_id)
    if not fits(key):
        raise TaskNotFound(f"There is no task {task_id}.")
    return key


def _steered(done: Done) -> Steered:
    return Steered(
        job_id=done.run.job_id,
        run=done.run.number,
        status=done.run.status,
        changed=done.changed,
        message=done.message,
        links=job_links(done.run.job_id),
    )


def _deletion(removed: Removed, message: str, *, dry_run: bool) -> Deletion:
    census = removed.census
    return Deletion(
        job_id=removed.job_id,
        dry_run=dry_run,
        runs=census.runs,
        tasks=census.tasks,
        checkpoints=census.checkpoints,
        events=census.events,
        blobs=removed.blobs,
        blob_bytes=removed.bytes,
        blob_names=removed.names,
        gone=removed.gone,
        message=message,
    )
