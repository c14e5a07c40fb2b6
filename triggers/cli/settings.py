"""`coremachine config`: which server, and with which key."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from triggers.cli import config
from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import facts

app = typer.Typer(no_args_is_help=True)


class Name(StrEnum):
    """What can be set."""

    SERVER = "server"
    API_KEY = "api-key"


What = Annotated[Name, typer.Argument(metavar="server|api-key", help="What to set.")]


@app.callback()
def configure() -> None:
    """Which server to speak with, and with which key.

    An option wins over the environment (CM_SERVER, CM_API_KEY), and that over the file.
    """


@command(app)
def show(session: Session) -> None:
    """Show what is used, and who said so. The key is shown by its beginning only."""
    target = session.target
    key = config.masked(target.api_key) if target.api_key else None
    told = {
        "server": target.server,
        "api_key": key,
        "file": str(config.file()),
        "from": target.said,
    }
    pairs = [
        ("server", f"{target.server}  ({target.said['server']})"),
        ("api-key", f"{key}  ({target.said['api_key']})" if key else "none"),
        ("file", told["file"]),
    ]
    session.answer(told, lambda: typer.echo("\n".join(facts(pairs))))


@command(app, "set")
def set_(
    session: Session,
    name: What,
    value: Annotated[
        str | None,
        typer.Argument(metavar="[VALUE]", help="Left out, it is asked for without showing it."),
    ] = None,
) -> None:
    """Write a server or a key into the file, which only you can read.

    \b
    coremachine config set server https://coremachine.internal
    coremachine config set api-key < key.txt
    """
    given = _asked(name) if value is None else value
    if name is Name.SERVER and not given.startswith(("http://", "https://")):
        raise typer.BadParameter("it begins with https:// or http://", param_hint="VALUE")
    config.write({**config.read(), config.NAMES[name]: given.rstrip("/")})
    session.answer({"name": name.value, "file": str(config.file())}, f"{name} is set.")


@command(app)
def unset(session: Session, name: What) -> None:
    """Remove a server or a key from the file."""
    told = config.read()
    told.pop(config.NAMES[name], None)
    config.write(told)
    session.answer({"name": name.value, "file": str(config.file())}, f"{name} is not set.")


def _asked(name: Name) -> str:
    """What a person types, or what is piped in: a key in the arguments would show in the list of processes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    return typer.prompt(name.value, hide_input=name is Name.API_KEY, err=True)
