"""`coremachine schedules`: jobs that are submitted by the clock."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.document import From, parameters_from
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts, short

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]
Cron = Annotated[str, typer.Argument(metavar="CRON", help="When, as '0 6 * * *'.")]
JobType = Annotated[str, typer.Argument(metavar="JOB_TYPE", help="What to submit.")]
Zone = Annotated[str, typer.Option(help="The time zone of CRON, as Africa/Kigali.")]
SCHEDULES = (
    Column("name", lambda each: each.name),
    Column("job type", lambda each: each.job_type, gives=True),
    Column("cron", lambda each: each.cron),
    Column("zone", lambda each: each.time_zone),
    Column("next", lambda each: "paused" if each.paused else each.next),
)
TICKS = (
    Column("tick", lambda tick: f"{tick.tick:%Y-%m-%d %H:%M:%S} UTC"),
    Column("outcome", lambda tick: tick.outcome),
    Column("job", lambda tick: short(tick.job_id) if tick.job_id else None),
    Column("why", lambda tick: tick.reason or ("triggered" if tick.manual else ""), gives=True),
)


@app.callback()
def schedules() -> None:
    """Jobs that are submitted by the clock."""


@command(app, "list")
def list_(session: Session) -> None:
    """List the schedules."""
    session.listing(session.client.schedules, SCHEDULES, "There are no schedules.")


@command(app)
def show(session: Session, name: Name) -> None:
    """Show a schedule, and when it is due next."""
    found = session.client.schedules.get(name)
    session.answer(found, lambda: _show(found))


@command(app)
def create(
    session: Session,
    name: Name,
    job_type: JobType,
    cron: Cron,
    time_zone: Zone = "UTC",
    source: From = None,
) -> None:
    """Make a schedule.

    \b
    coremachine schedules create nightly summarize_container '0 6 * * *' \\
        --time-zone Africa/Kigali --from parameters.yaml
    """
    parameters = parameters_from(source)
    made = session.client.schedules.create(
        name, job_type, cron, time_zone=time_zone, parameters=parameters
    )
    session.answer(made, lambda: _show(made))


@command(app)
def update(
    session: Session,
    name: Name,
    job_type: JobType,
    cron: Cron,
    time_zone: Zone = "UTC",
    source: From = None,
) -> None:
    """Replace what a schedule says."""
    parameters = parameters_from(source)
    verdict = session.client.schedules.update(
        name, job_type, cron, time_zone=time_zone, parameters=parameters
    )
    session.answer(verdict, verdict.message)


@command(app)
def pause(session: Session, name: Name) -> None:
    """Submit nothing until it is resumed."""
    verdict = session.client.schedules.pause(name)
    session.answer(verdict, verdict.message)


@command(app)
def resume(
    session: Session,
    name: Name,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Make up for the pause as for downtime.")
    ] = False,
) -> None:
    """Let a paused schedule tick again."""
    verdict = session.client.schedules.resume(name, catch_up=catch_up)
    session.answer(verdict, verdict.message)


@command(app)
def trigger(session: Session, name: Name) -> None:
    """Submit its job now, whatever the clock says."""
    tick = session.client.schedules.trigger(name)
    session.answer(tick, tick.job_id or f"{tick.outcome}: {tick.reason}")


@command(app)
def delete(session: Session, name: Name) -> None:
    """Delete a schedule. Its history stays, and so do its jobs."""
    verdict = session.client.schedules.delete(name)
    session.answer(verdict, verdict.message)


@command(app)
def history(
    session: Session,
    name: Name,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
) -> None:
    """List when it was due, newest first, and which jobs came of it."""
    found = islice(session.client.schedules.history(name), limit)
    session.listing(found, TICKS, "It has not been due yet.")


@command(app, "next")
def next_(
    session: Session,
    name: Name,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 5,
) -> None:
    """List the moments at which it is due next."""
    found = session.client.schedules.next(name, count)
    moments = [moment.isoformat() for moment in found]
    session.answer(moments, "\n".join(moments))


def _show(schedule: Any) -> None:
    told = schedule.model_dump(mode="json", exclude={"links"})
    typer.echo("\n".join(facts(list(told.items()))))
