"""`coremachine keys` and `coremachine whoami`: who may do what."""

from __future__ import annotations

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
    Column("expires", lambda key: "revoked" if key.revoked_at else key.expires_at, right=True),
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
    days: Annotated[float, typer.Option(min=0, help="How long it is good; 0 for ever.")] = 90.0,
    job_type: Annotated[
        list[str] | None,
        typer.Option(help="Let it submit this type only; may be given several times."),
    ] = None,
) -> None:
    """Make a key. It is shown now, and never again.

    \b
    coremachine keys create nightly-import --role submitter --days 90
    """
    made = session.client.keys.create(name, role, job_types=job_type or None, days=days or None)
    _show(session, made)


@command(app)
def revoke(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `coremachine keys list` tells it.")],
) -> None:
    """Revoke a key: from now on nobody is let in with it."""
    session.answer(session.client.keys.revoke(key), f"{key} is revoked.")


def whoami(session: Session) -> None:
    """Show who the server takes you for."""
    _show(session, session.client.whoami())


def _show(session: Session, answer: Any) -> None:
    told = list(answer.model_dump(mode="json", exclude={"links"}).items())
    session.answer(answer, lambda: typer.echo("\n".join(facts(told))))
