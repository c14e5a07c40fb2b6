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
from triggers.cli.tables import Column, facts

app = typer.Typer(no_args_is_help=True)
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="As `coremachine batches` lists it.")]
BATCHES = (
    Column("batch", lambda batch: batch.id),
    Column("name", lambda batch: batch.name, gives=True),
    Column("status", lambda batch: batch.status),
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
) -> None:
    """Submit many jobs: a list of {"job_type": …, "parameters": {…}}.

    \b
    coremachine batches create --name tiles --from jobs.yaml
    """
    try:
        jobs = _jobs(sys.stdin.read() if source == "-" else Path(source).read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None
    made = session.client.batches.create(jobs, name)
    session.answer(made, made.id)


@command(app)
def show(session: Session, batch: BatchId) -> None:
    """Show how far the jobs of a batch are."""
    found = session.client.batches.get(batch)
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def cancel(session: Session, batch: BatchId) -> None:
    """Cancel every job of a batch that has not ended."""
    session.answer(session.client.batches.cancel(batch), f"{batch} is cancelled.")


def _jobs(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else _list(parse(text))
    except ValueError:
        return _list(parse(text))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it holds no list of jobs")
    return value  # pyright: ignore[reportUnknownVariableType]
