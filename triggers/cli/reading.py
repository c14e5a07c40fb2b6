"""Commands that look at jobs: list, show, watch, tasks, events, logs, result."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triggers.cli import completion, watching
from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, age, facts, json_of, lasted, rows_of, short

if TYPE_CHECKING:
    from coremachine_client import Job, JobLine, Task

PANEL = "Look"
JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's id, or as much of its beginning as no other job has.",
        autocompletion=completion.jobs,
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]

JOBS = (
    Column("job", lambda job: short(job.job_id)),
    Column("type", lambda job: job.job_type, gives=True),
    Column("status", lambda job: f"{job.status}, waits" if job.waiting else job.status),
    Column("stages", lambda job: f"{job.stages_closed}/{job.stages_total}", right=True),
    Column("age", lambda job: age(job.created_at), right=True),
    Column("took", lambda job: lasted(job.started_at, job.finished_at), right=True),
    Column("error", lambda job: job.error or "", gives=True),
)
STAGES = (
    Column("stage", lambda stage: stage.name, gives=True),
    Column("status", lambda stage: stage.status),
    Column("done", lambda stage: f"{stage.counts.ended}/{stage.total}", right=True),
    Column("failed", lambda stage: stage.counts.failed or "", right=True),
    Column("running", lambda stage: stage.counts.processing or "", right=True),
    Column("took", lambda stage: lasted(stage.opened_at, stage.closed_at), right=True),
)
RUNS = (
    Column("run", lambda run: run.run, right=True),
    Column("status", lambda run: run.status),
    Column("age", lambda run: age(run.created_at), right=True),
    Column("took", lambda run: lasted(run.started_at, run.finished_at), right=True),
    Column("error", lambda run: run.error or "", gives=True),
)
TASKS = (
    Column("task", lambda task: task.task_id),
    Column("stage", lambda task: task.stage, gives=True),
    Column("status", lambda task: task.status),
    Column("attempt", lambda task: task.attempt, right=True),
    Column("took", lambda task: lasted(task.started_at, task.finished_at), right=True),
    Column("note", lambda task: _note(task), gives=True),
)


def list_(
    session: Session,
    status: Annotated[
        str | None, typer.Option(help="Only jobs that are so: failed, processing, …")
    ] = None,
    job_type: Annotated[str | None, typer.Option("--type", help="Only jobs of this type.")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only jobs of the last so many hours.")
    ] = None,
    limit: Limit = 20,
) -> None:
    """List jobs, newest first.

    \b
    coremachine list --status failed --hours 24
    coremachine list --type process_raster --json | jq -r .job_id
    """
    found = session.client.jobs(
        status=status, job_type=job_type, hours=hours, page_size=min(limit, 500)
    )
    session.listing(islice(found, limit), JOBS, "There are no such jobs.")


def show(
    session: Session,
    job: JobId,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every run of it, and long parameters.")
    ] = False,
) -> None:
    """Show where a job stands, and what it gave.

    Stage by stage; of a job that failed it tells where and why.
    """
    found = session.client.status(session.job(job), verbose=verbose)
    session.answer(found, lambda: typer.echo("\n".join(_portrait(found))))


def watch(
    session: Session,
    job: JobId,
    after: Annotated[
        int | None, typer.Option(min=0, help="Also show events after this one, 0 for all.")
    ] = None,
) -> None:
    """Follow a job live until it has ended.

    It shows what happens, and how far each stage is. The exit code tells how the job ended. With --json each event is a line.
    """
    job_id = session.job(job)
    known = session.client.status(job_id).last_event if after is None else after
    with watching.display(session) as shown:
        try:
            for each in session.client.stream(job_id, known):
                if hasattr(each, "what"):
                    shown.event(each)  # pyright: ignore[reportArgumentType]
                else:
                    shown.update(each)  # pyright: ignore[reportArgumentType]
        except KeyboardInterrupt:
            raise watching.interrupted(session, job_id) from None
    watching.conclude(session, session.client.status(job_id), quietly=session.as_json)


def tasks(
    session: Session,
    job: JobId,
    task: Annotated[
        str | None, typer.Argument(help="One task: what it was given, and what it gave.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only tasks of this stage.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only tasks that are so: failed, waiting, …")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List the tasks of a job, or show one of them.

    \b
    coremachine tasks 3f9a --status failed
    coremachine tasks 3f9a 12-1-0
    """
    job_id = session.job(job)
    if task is not None:
        found = session.client.task(job_id, task, verbose=True)
        return session.answer(found, lambda: typer.echo("\n".join(_task(found))))
    listed = session.client.tasks(job_id, stage=stage, status=status, page_size=min(limit, 500))
    session.listing(islice(listed, limit), TASKS, "There are no such tasks.")


def events(
    session: Session,
    job: JobId,
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    limit: Limit = 1000,
) -> None:
    """List what happened to a job, oldest first."""
    found = islice(session.client.events(session.job(job), after=after), limit)
    for event in found:
        typer.echo(json_of(event) if session.as_json else watching.told(event))


def logs(
    session: Session,
    job: JobId,
    task: Annotated[str | None, typer.Option(help="Only lines of this task.")] = None,
    level: Annotated[
        str | None, typer.Option(help="Only what matters so much: info, warning, error.")
    ] = None,
    limit: Limit = 1000,
) -> None:
    """Show what the tasks of a job logged, oldest first."""
    found = session.client.logs(
        session.job(job), task_id=task, level=level and level.lower(), page_size=min(limit, 1000)
    )
    for line in islice(found, limit):
        human = f"{line.at:%H:%M:%S}  {line.task_id or '-':<10}  {line.level:<7}  {line.message}"
        typer.echo(json_of(line) if session.as_json else human)


def result(
    session: Session,
    job: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to a file.")
    ] = None,
) -> None:
    """Print what a job gave, as JSON, however long it is."""
    job_id = session.job(job)
    if output is None:
        session.client.write_result(job_id, sys.stdout.buffer)
        sys.stdout.buffer.write(b"\n")
        return
    with output.open("wb") as file:
        session.client.write_result(job_id, file)
    told = {"job_id": job_id, "file": str(output), "size": output.stat().st_size}
    session.answer(told, f"{output} has the result, {told['size']:,} bytes")


def register(app: typer.Typer) -> None:
    command(app, "list", panel=PANEL)(list_)
    for function in (show, watch, tasks, events, logs, result):
        command(app, panel=PANEL)(function)


def _portrait(job: Job) -> Iterable[str]:
    yield from facts(
        [
            ("job", job.job_id),
            ("type", job.job_type),
            ("status", job.status),
            ("waits", None if job.waiting is None else watching.why(job.waiting)),
            ("run", job.run if job.run > 1 else None),
            ("priority", job.priority or None),
            ("begun", None if job.started_at is None else f"{age(job.started_at)} ago"),
            ("took", lasted(job.started_at, job.finished_at)),
            ("parameters", job.parameters or None),
        ]
    )
    if job.error is not None:
        where = " ".join(part for part in (job.error.stage, job.error.task) if part)
        because = f"{job.error.type}: {job.error.message}".removeprefix(": ")
        yield from facts([("failed in", where), ("because", because)])
    yield ""
    yield from rows_of(job.stages, STAGES)
    if job.runs:
        yield ""
        yield from rows_of(job.runs, RUNS)
    if job.result is not None:
        yield ""
        yield f"result  {json_of(job.result)[:400]}"


def _task(task: Task) -> Iterable[str]:
    error = task.error
    yield from facts(
        [
            ("task", task.task_id),
            ("stage", task.stage),
            ("status", task.status),
            ("attempt", task.attempt),
            ("took", lasted(task.started_at, task.finished_at)),
            ("note", task.note),
            ("error", None if error is None else f"{error.type}: {error.message}"),
            ("arguments", task.arguments),
            ("result", task.result),
        ]
    )
    if task.trace:
        yield ""
        yield task.trace.rstrip()


def _note(task: Task | JobLine) -> str:
    error = getattr(task, "error", None)
    return error.message if error is not None else getattr(task, "note", None) or ""
