"""`coremachine limits`: what may run at once, and who holds which key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts, short

if TYPE_CHECKING:
    from coremachine_client.limits import Limit, RunInLine

app = typer.Typer(no_args_is_help=True)
JobType = Annotated[str, typer.Argument(metavar="JOB_TYPE", help="The job type.")]
KEYS = (
    Column("key", lambda key: key.key, gives=True),
    Column("at most", lambda key: key.at_most, right=True),
    Column("held by", lambda key: _named(key.holders), gives=True),
    Column("waiting", lambda key: key.waiting, right=True),
    Column("next", lambda key: _named(key.next), gives=True),
)


@app.callback()
def limits() -> None:
    """What may run at once, and who holds which key."""


@command(app)
def show(session: Session, job_type: JobType) -> None:
    """Show what a job type may do at once, and how many of its runs run and wait."""
    _show(session, session.client.limits.get(job_type))


@command(app, "set")
def set_(
    session: Session,
    job_type: JobType,
    max_running: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="How many runs may run at once; 0 stops new ones."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="How fast runs may start, as 100/minute.")
    ] = None,
) -> None:
    """Limit a job type. What is left out is lifted; runs under way go on.

    \b
    coremachine limits set process_raster --max-running 4 --rate 20/minute
    """
    if max_running is None and rate is None:
        raise typer.BadParameter(
            "give --max-running or --rate; `coremachine limits lift` takes both away",
            param_hint="limits",
        )
    _show(session, session.client.limits.set(job_type, max_running=max_running, rate=rate))


@command(app)
def lift(session: Session, job_type: JobType) -> None:
    """Take away what an operator has set; the job type's own rate stays."""
    _show(session, session.client.limits.lift(job_type))


@command(app)
def keys(session: Session) -> None:
    """List the concurrency keys in use: who holds each, and who is next."""
    session.listing(session.client.limits.keys(), KEYS, "No key is in use.")


def _show(session: Session, limit: Limit) -> None:
    at_most = "as many as there are" if limit.max_running is None else str(limit.max_running)
    told = [
        ("job type", limit.job_type),
        ("at once", at_most),
        ("rate", limit.rate),
        ("own rate", limit.own_rate),
        ("set by", limit.set_by),
        ("set", limit.set_at),
        ("running", limit.running),
        ("waiting", limit.waiting),
    ]
    session.answer(limit, lambda: typer.echo("\n".join(facts(told))))


def _named(runs: Sequence[RunInLine]) -> str:
    return ", ".join(short(run.job_id) for run in runs)
