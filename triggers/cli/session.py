"""What every command has: a client of the server, and a way to answer people or programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from triggers.cli.config import Target
from triggers.cli.tables import Column, json_of, rows_of

if TYPE_CHECKING:
    from rich.console import Console

    from coremachine_client import Client


@dataclass
class Session:
    """One run of the command."""

    target: Target
    as_json: bool = False

    @cached_property
    def client(self) -> Client:
        return connect(self.target)

    @cached_property
    def err(self) -> Console:
        """For progress and remarks: never in the way of what is piped on."""
        from rich.console import Console  # noqa: PLC0415 - only who shows progress pays for it

        return Console(stderr=True, highlight=False, markup=False)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    # answers

    def answer(self, value: Any, human: Callable[[], object] | str) -> None:
        """One JSON document for programs, or what people read."""
        if self.as_json:
            typer.echo(json_of(value))
        elif isinstance(human, str):
            typer.echo(human)
        else:
            human()

    def listing(self, values: Iterable[Any], columns: Sequence[Column], empty: str) -> None:
        """A JSON line for each as it comes, or a table."""
        if self.as_json:
            for value in values:
                typer.echo(json_of(value))
            return
        rows = list(values)
        if not rows:
            self.remark(empty)
            return
        for line in rows_of(rows, columns):
            typer.echo(line)

    def remark(self, text: str) -> None:
        """Something for people, beside the answer."""
        if not self.as_json:
            typer.echo(text, err=True)

    @property
    def shows_progress(self) -> bool:
        return not self.as_json and sys.stderr.isatty()

    def job(self, prefix: str) -> str:
        """The whole id of a job that was named by the beginning of it."""
        return self.client.find(prefix)


def connect(target: Target, *, timeout: float = 30.0, retries: int = 3) -> Client:
    from coremachine_client import VERSION, Client  # noqa: PLC0415 - help and completion come without it

    return Client(
        target.server,
        api_key=target.api_key,
        timeout=timeout,
        retries=retries,
        agent=f"coremachine/{VERSION}",
    )
