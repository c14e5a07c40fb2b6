"""`coremachine audit`: who changed what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column

NOTES = (
    Column("at", lambda note: f"{note.at:%Y-%m-%d %H:%M:%S}"),
    Column("by", lambda note: note.by, gives=True),
    Column("did", lambda note: note.action),
    Column("to", lambda note: note.subject, gives=True),
    Column("with", lambda note: note.data or "", gives=True),
)


def audit(
    session: Session,
    actor: Annotated[
        str | None, typer.Option(help="Only what this one did, as key:3f9a27c41b60.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only such changes, as key_created.")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only changes of the last so many hours.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
) -> None:
    """List who changed what, newest first. What was done to a job stands in its events."""
    since = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    found = session.client.audit(
        actor=actor, action=action, created_after=since, page_size=min(limit, 500)
    )
    session.listing(islice(found, limit), NOTES, "Nothing was changed so.")


def register(app: typer.Typer) -> None:
    command(app, panel="Installation")(audit)
