"""Commands that change jobs: cancel, pause, resume, run again, approve, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triggers.cli import watching
from triggers.cli.command import command
from triggers.cli.reading import JobId
from triggers.cli.session import Session
from triggers.cli.tables import short, size

if TYPE_CHECKING:
    from coremachine_client.control import Changed

PANEL = "Steer"
Stage = Annotated[str, typer.Argument(metavar="STAGE", help="The name of a stage.")]
Note = Annotated[str | None, typer.Option(help="Why; it is kept with the decision.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Show the job until it has ended; its end is the exit code.")
]


def cancel(
    session: Session,
    job: JobId,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept with the job.")] = None,
) -> None:
    """Cancel a job. Tasks that run stop at their next safe point."""
    _told(session, session.client.cancel(session.job(job), reason))


def pause(session: Session, job: JobId) -> None:
    """Pause a job: running tasks end, no further one begins."""
    _told(session, session.client.pause(session.job(job)))


def resume(session: Session, job: JobId) -> None:
    """Go on with a paused job."""
    _told(session, session.client.resume(session.job(job)))


def resubmit(
    session: Session,
    job: JobId,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Run everything again, not only what failed.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the job has succeeded.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Run a job again that failed or was cancelled.

    What it had finished is kept, and not done twice.
    """
    changed = session.client.resubmit(session.job(job), from_start=from_start, force=force)
    _told(session, changed, wait=wait)


def replay(session: Session, job: JobId, stage: Stage, wait: Wait = False) -> None:
    """Run a job again from a stage on."""
    _told(session, session.client.replay(session.job(job), stage), wait=wait)


def retry(
    session: Session,
    job: JobId,
    task: Annotated[str, typer.Argument(metavar="TASK", help="As `coremachine tasks` lists it.")],
) -> None:
    """Try one failed task again."""
    _told(session, session.client.retry(session.job(job), task))


def approve(session: Session, job: JobId, stage: Stage, note: Note = None) -> None:
    """Let a job pass the gate where it waits for a person."""
    _told(session, session.client.approve(session.job(job), stage, note))


def reject(session: Session, job: JobId, stage: Stage, note: Note = None) -> None:
    """Do not let a job pass the gate where it waits for a person."""
    _told(session, session.client.reject(session.job(job), stage, note))


def delete(
    session: Session,
    job: JobId,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go; delete nothing.")
    ] = False,
    keep_outputs: Annotated[
        bool, typer.Option("--keep-outputs", help="Delete the records alone, not the blobs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a job, with its history and its blobs."""
    job_id = session.job(job)
    if not (dry_run or yes):
        typer.confirm(f"Delete job {short(job_id)} with all it made?", abort=True, err=True)
    deleted = session.client.delete(job_id, dry_run=dry_run, keep_outputs=keep_outputs)
    counted = f"{deleted.runs} runs, {deleted.tasks} tasks, {deleted.blobs} blobs"
    session.answer(deleted, f"{deleted.message} ({counted}, {size(deleted.blob_bytes)})")


def register(app: typer.Typer) -> None:
    for function in (cancel, pause, resume, resubmit, replay, retry, approve, reject, delete):
        command(app, panel=PANEL)(function)


def _told(session: Session, changed: Changed, *, wait: bool = False) -> None:
    if wait:
        session.remark(changed.message)
        return watching.conclude(session, watching.wait(session, changed.job_id, None))
    told = changed.message or f"Job {short(changed.job_id)} is {changed.status}."
    session.answer(changed, told)
