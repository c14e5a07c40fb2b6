"""`coremachine batches`: many jobs submitted in one call."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.document import parse
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts, short

app = typer.Typer(no_args_is_help=True)
BatchId = Annotated[int, typer.Argument(metavar="BATCH", help="As `coremachine batches` lists it.")]
BATCHES = (
    Column("batch", lambda batch: batch.batch_id, right=True),
    Column("name", lambda batch: batch.name, gives=True),
    Column("jobs", lambda batch: batch.total, right=True),
    Column("age", lambda batch: batch.created_at, right=True),
    Column("by", lambda batch: batch.created_by, gives=True),
)
MEMBERS = (
    Column("n", lambda job: job.index, right=True),
    Column("job", lambda job: short(job.job_id) if job.job_id else None),
    Column("type", lambda job: job.job_type, gives=True),
    Column("status", lambda job: job.status),
    Column("why", lambda job: job.reason or "", gives=True),
)


@app.callback()
def batches() -> None:
    """Many jobs submitted in one call, with one handle."""


@command(app, "list")
def list_(session: Session) -> None:
    """List the batches, newest first."""
    session.listing(session.client.batches, BATCHES, "There are no batches.")


@command(app)
def create(
    session: Session,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A list of jobs in JSON, YAML or JSON lines, from a file or stdin (-).",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Submit the others when some are not right.")
    ] = False,
) -> None:
    """Submit many jobs: a list of {"job_type": …, "parameters": {…}}.

    \b
    coremachine batches create --name tiles --from jobs.yaml
    """
    try:
        orders = _orders(sys.stdin.read() if source == "-" else Path(source).read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None
    made = session.client.batches.create(orders, name, skip_invalid=skip_invalid)
    session.answer(made, str(made.batch_id))


@command(app)
def show(session: Session, batch: BatchId) -> None:
    """Show how far the jobs of a batch are."""
    found = session.client.batches.get(batch)
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def jobs(
    session: Session,
    batch: BatchId,
    status: Annotated[
        str | None, typer.Option(help="Only jobs that are so: failed, invalid, …")
    ] = None,
) -> None:
    """List the jobs of a batch, in the order of the call."""
    found = session.client.batches.jobs(batch, status=status)
    session.listing(found, MEMBERS, "There are no such jobs.")


@command(app)
def cancel(
    session: Session,
    batch: BatchId,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the jobs.")] = "",
) -> None:
    """Cancel every job that a batch has begun."""
    done = session.client.batches.cancel(batch, reason)
    session.answer(done, f"{done.cancelled} jobs are cancelled, {done.left} are left as they were.")


def _orders(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else _list(parse(text))
    except ValueError:
        return _list(parse(text))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it holds no list of jobs")
    return value  # pyright: ignore[reportUnknownVariableType]
