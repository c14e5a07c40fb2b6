"""`coremachine keys` and `coremachine whoami`: who may do what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts

app = typer.Typer(no_args_is_help=True)
KEYS = (
    Column("key", lambda key: key.id),
    Column("name", lambda key: key.name, gives=True),
    Column("role", lambda key: key.role),
    Column("age", lambda key: key.created_at, right=True),
    Column("expires", lambda key: key.expires_at, right=True),
)


@app.callback()
def keys() -> None:
    """API keys: who may do what without signing in."""


@command(app, "list")
def list_(session: Session) -> None:
    """List the keys; never the secrets."""
    session.listing(session.client.keys, KEYS, "There are no keys.")


@command(app)
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    role: Annotated[str, typer.Option(help="reader, submitter, approver or operator.")] = "reader",
    days: Annotated[int | None, typer.Option(min=1, help="It expires after so many days.")] = None,
) -> None:
    """Make a key. It is shown now, and never again.

    \b
    coremachine keys create nightly-import --role submitter --days 90
    """
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    _show(session, session.client.keys.create(name, role, expires_at=until))


@command(app)
def revoke(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `coremachine keys list` tells it.")],
) -> None:
    """Revoke a key: from now on nobody is let in with it."""
    session.client.keys.revoke(key)
    session.answer({"id": key, "revoked": True}, f"{key} is revoked.")


def whoami(session: Session) -> None:
    """Show who the server takes you for."""
    _show(session, session.client.whoami())


def _show(session: Session, answer: Any) -> None:
    told = list(answer.model_dump(mode="json", exclude={"links"}).items())
    session.answer(answer, lambda: typer.echo("\n".join(facts(told))))
