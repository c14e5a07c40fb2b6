"""`coremachine house`: the database, and what piles up in it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, size, span

if TYPE_CHECKING:
    from coremachine_client.house import Swept

app = typer.Typer(no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
CONNECTIONS = (
    Column("pid", lambda each: each.pid, right=True),
    Column("who", lambda each: each.application, gives=True),
    Column("state", lambda each: each.state),
    Column("since", lambda each: span(each.seconds), right=True),
    Column("waits for", lambda each: each.blocked_by or each.waits_for or "", gives=True),
    Column("statement", lambda each: each.statement, gives=True),
)
TABLES = (
    Column("table", lambda each: each.name, gives=True),
    Column("rows", lambda each: each.rows, right=True),
    Column("dead", lambda each: each.dead_rows, right=True),
    Column("size", lambda each: size(each.bytes), right=True),
    Column("indexes", lambda each: size(each.index_bytes), right=True),
    Column("vacuumed", lambda each: each.vacuumed_at, right=True),
)
MIGRATIONS = (
    Column("migration", lambda each: each.name, gives=True),
    Column("age", lambda each: each.applied_at or "missing", right=True),
)


class Kind(StrEnum):
    """Which connections are shown."""

    CONNECTIONS = "connections"
    RUNNING = "running"
    SLOW = "slow"
    LOCKS = "locks"


@app.callback()
def house() -> None:
    """The database, and what piles up in it."""


@command(app)
def tables(session: Session) -> None:
    """List the tables, largest first, and when each was cleaned last."""
    session.listing(session.client.house.tables(), TABLES, "There are no tables.")


@command(app)
def activity(
    session: Session,
    kind: Annotated[
        Kind, typer.Option("--type", help="Only those that run, are slow, or wait for locks.")
    ] = Kind.CONNECTIONS,
) -> None:
    """List who is connected to the database, what runs, and who waits for whom.

    \b
    coremachine house activity --type locks
    """
    found = session.client.house.activity(kind)
    session.listing(found, CONNECTIONS, "There are no such connections.")


@command(app)
def migrations(session: Session) -> None:
    """List the migrations, and which are missing."""
    session.listing(session.client.house.migrations(), MIGRATIONS, "There are none.")


@command(app)
def ensure(session: Session) -> None:
    """Apply the migrations that are missing. It is safe while jobs run."""
    applied = session.client.house.ensure()
    session.answer({"applied": applied}, "\n".join(applied) or "No migration is missing.")


@command(app)
def cleanup(
    session: Session,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go; remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove what was kept for long enough: old records and temporary blobs."""
    if not dry_run:
        _sure("Remove old records and temporary blobs for good?", yes=yes)
    swept = session.client.house.cleanup(dry_run=dry_run)
    session.answer(swept, lambda: _swept(swept))


@command(app)
def rebuild(session: Session, yes: Yes = False) -> None:
    """Drop every job and begin anew. In development only, and while no job runs."""
    _sure(f"Drop every job of {session.target.server}?", yes=yes)
    applied = session.client.house.rebuild()
    told = f"Every job is gone; {len(applied)} migrations are applied."
    session.answer({"applied": applied}, told)


def _sure(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)


def _swept(swept: Swept) -> None:
    records = {**swept.records, "jobs": len(swept.jobs)}
    counted = [f"{count} {what}" for what, count in records.items() if count]
    counted.append(f"{swept.blobs} blobs ({size(swept.bytes)})")
    verb = "would go" if swept.dry_run else "are gone"
    more = "" if swept.done else "; more is left, so run it again"
    typer.echo(f"{', '.join(counted)} {verb}{more}.")
