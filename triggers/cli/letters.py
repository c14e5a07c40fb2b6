"""`coremachine letters`: messages that were set aside."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts

app = typer.Typer(no_args_is_help=True)
Number = Annotated[
    int, typer.Argument(metavar="LETTER", help="As `coremachine letters list` tells it.")
]
LETTERS = (
    Column("letter", lambda letter: letter.id),
    Column("queue", lambda letter: letter.queue),
    Column("task", lambda letter: letter.task_id),
    Column("age", lambda letter: letter.at, right=True),
    Column("reason", lambda letter: letter.reason, gives=True),
)


@app.callback()
def letters() -> None:
    """Messages that could not be read, or that the queue gave up on."""


@command(app, "list")
def list_(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
) -> None:
    """List the messages that were set aside, newest first."""
    found = islice(session.client.letters, limit)
    session.listing(found, LETTERS, "No message is set aside.")


@command(app)
def show(session: Session, letter: Number) -> None:
    """Show a message: why it was set aside, and what it says."""
    found = session.client.letters.get(letter)
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def replay(session: Session, letter: Number) -> None:
    """Send its task anew, if the task still waits for it."""
    told = session.client.letters.replay(letter)
    session.answer({"id": letter, "message": told}, told)


@command(app)
def discard(session: Session, letter: Number) -> None:
    """Remove a message for good. No task depends on it."""
    session.client.letters.discard(letter)
    session.answer({"id": letter, "discarded": True}, f"{letter} is discarded.")
