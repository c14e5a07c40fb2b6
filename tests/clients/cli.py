"""Runs the command in this process, as a script would run it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from triggers.cli.app import app


@dataclass(frozen=True)
class Outcome:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Outcome]


def command(server: str, home: Path, **environment: str) -> Cli:
    """A command whose user has this home, and means this server."""
    env = {"CM_SERVER": server, "XDG_CONFIG_HOME": str(home), "CM_API_KEY": "", **environment}

    def run(*arguments: object, text: str | None = None) -> Outcome:
        words = [str(word) for word in arguments]
        done = CliRunner().invoke(app, words, input=text, env=env, prog_name="coremachine")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Outcome(done.exit_code, done.stdout, done.stderr)

    return run
