"""`coremachine types`: what can be submitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.parameters import flags_of
from triggers.cli.session import Session
from triggers.cli.tables import Column, rows_of

if TYPE_CHECKING:
    from coremachine_client import JobType

TYPES = (
    Column("type", lambda each: each.job_type),
    Column("does", lambda each: each.description, gives=True),
)
PARAMETERS = (
    Column("parameter", lambda flag: flag.name),
    Column("what", lambda flag: flag.help, gives=True),
)
STAGES = (
    Column("stage", lambda stage: stage.name),
    Column("shape", lambda stage: stage.shape),
    Column("reads", lambda stage: ", ".join(stage.reads)),
    Column("does", lambda stage: stage.description, gives=True),
)


def types(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(help="One job type: its parameters and stages.")
    ] = None,
) -> None:
    """List the job types that can be submitted, or show one."""
    if name is None:
        found: Any = session.client.job_types()
        return session.listing(found, TYPES, "The server has no job types.")
    one = session.client.job_type(name)
    session.answer(one, lambda: typer.echo("\n".join(_portrait(one))))


def _portrait(job_type: JobType) -> Iterator[str]:
    yield f"{job_type.job_type}: {job_type.description}"
    yield ""
    yield from rows_of(list(flags_of(job_type.parameters)), PARAMETERS)
    yield ""
    yield from rows_of(job_type.stages, STAGES)


def register(app: typer.Typer) -> None:
    command(app, panel="Look")(types)
