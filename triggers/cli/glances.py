"""Commands that show much at a glance: gates that wait, what ended lately, when tasks ran."""

from __future__ import annotations

from typing import Annotated

import typer

from triggers.cli.command import command
from triggers.cli.reading import PANEL, JobId
from triggers.cli.session import Session
from triggers.cli.tables import Column, age, facts, rows_of, short, size
from triggers.cli.tables import span as lasting

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

TYPES = (
    Column("type", lambda each: each.job_type, gives=True),
    Column("jobs", lambda each: each.jobs, right=True),
    Column("failed", lambda each: each.failed, right=True),
    Column("tasks", lambda each: each.tasks, right=True),
    Column("read", lambda each: size(each.bytes_in) if each.bytes_in else "", right=True),
    Column("stored", lambda each: size(each.bytes_out) if each.bytes_out else "", right=True),
    Column("half took", lambda each: "" if each.p50 is None else lasting(each.p50), right=True),
    Column("90 % took", lambda each: "" if each.p90 is None else lasting(each.p90), right=True),
)
REASONS = (
    Column("tasks", lambda each: each.tasks, right=True),
    Column("where", lambda each: f"{each.job_type}, {each.stage}", gives=True),
    Column("why they failed", lambda each: f"{each.error}: {each.message}", gives=True),
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


def history(
    session: Session,
    span: Annotated[str, typer.Argument(help="How far back: 24h, 7d or 30d.")] = "24h",
) -> None:
    """Show how it went over 24h, 7d or 30d: jobs by type, what they moved, how long they took, why tasks failed.

    With --json it is told slice by slice of time.
    """
    found = session.client.history(span)
    reasons = ["", *rows_of(found.reasons, REASONS)] if found.reasons else []
    lines = [*rows_of(found.types, TYPES), *reasons]
    session.answer(found, lambda: typer.echo("\n".join(lines)))


def timeline(session: Session, job: JobId) -> None:
    """Show when the tasks of a job ran, stage by stage.

    With --json it is told for 120 slices of the time that it took.
    """
    found = session.client.timeline(session.job(job))
    lasted = lasting((found.end - found.begin).total_seconds())
    lines = [f"{found.begin:%Y-%m-%d %H:%M:%S}, {lasted}", "", *rows_of(found.stages, STAGES)]
    session.answer(found, lambda: typer.echo("\n".join(lines)))


def register(app: typer.Typer) -> None:
    for function in (gates, throughput, history, timeline):
        command(app, panel=PANEL)(function)
