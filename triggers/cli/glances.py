"""Commands that show much at a glance: gates that wait, what ended lately, when tasks ran."""

from __future__ import annotations

import typer

from triggers.cli.command import command
from triggers.cli.reading import PANEL, JobId
from triggers.cli.session import Session
from triggers.cli.tables import Column, age, facts, rows_of, short, span

GATES = (
    Column("job", lambda each: short(each.job_id)),
    Column("type", lambda each: each.job_type, gives=True),
    Column("stage", lambda each: each.stage, gives=True),
    Column("waits", lambda each: age(each.since), right=True),
)
STAGES = (
    Column("stage", lambda each: each.stage, gives=True),
    Column("tasks", lambda each: each.tasks, right=True),
    Column("at once", lambda each: max(each.busy, default=0), right=True),
    Column("failed", lambda each: sum(each.failed), right=True),
)


def gates(session: Session) -> None:
    """List the gates that wait for a person, the longest first."""
    session.listing(session.client.gates(), GATES, "No gate waits.")


def throughput(session: Session) -> None:
    """Show how many jobs ended in the last hour, and how many failed."""
    found = session.client.throughput()
    told = [
        ("ended", f"{found.ended:,} in the last hour"),
        ("failed", f"{found.failed:,} ({found.failure_rate:.1%})"),
    ]
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


def timeline(session: Session, job: JobId) -> None:
    """Show when the tasks of a job ran, stage by stage.

    With --json it is told for 120 slices of the time that it took.
    """
    found = session.client.timeline(session.job(job))
    lasted = span((found.end - found.begin).total_seconds())
    lines = [f"{found.begin:%Y-%m-%d %H:%M:%S}, {lasted}", "", *rows_of(found.stages, STAGES)]
    session.answer(found, lambda: typer.echo("\n".join(lines)))


def register(app: typer.Typer) -> None:
    for function in (gates, throughput, timeline):
        command(app, panel=PANEL)(function)
