"""Which server, and with which key: options first, then the environment, then the file of this user."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import typer

LOCAL = "http://127.0.0.1:7071"
NAMES = {"server": "server", "api-key": "api_key"}
"""What can be set, and its name in the file."""


@dataclass(frozen=True)
class Target:
    """A server, the key for it, and where each was said."""

    server: str
    api_key: str | None
    said: dict[str, str]


def file() -> Path:
    return Path(typer.get_app_dir("coremachine")) / "config.toml"


def read() -> dict[str, str]:
    """What the file says. A file that is damaged is told, not ignored."""
    try:
        told = tomllib.loads(file().read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file()} cannot be read: {error}") from None
    return {name: value for name, value in told.items() if isinstance(value, str)}


def write(told: dict[str, str]) -> None:
    """Replace the file in one step. Nobody else may read it, for it holds a key."""
    where = file()
    where.parent.mkdir(parents=True, exist_ok=True)
    fresh = where.with_suffix(f".{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123 - with its mode from the beginning
        # JSON's strings are TOML's.
        out.writelines(f"{name} = {json.dumps(value)}\n" for name, value in sorted(told.items()))
    fresh.replace(where)


def target(server: str | None, api_key: str | None) -> Target:
    """What to use. `server` and `api_key` are those of options or the environment."""
    told = read()
    given = {"server": server, "api_key": api_key}
    chosen = {name: value or told.get(name) for name, value in given.items()}
    said = {
        name: "option or environment" if value else "file" if told.get(name) else "default"
        for name, value in given.items()
    }
    return Target(chosen["server"] or LOCAL, chosen["api_key"], said)


def masked(secret: str) -> str:
    """Enough of a secret to know it again."""
    return f"{secret[:6]}…" if len(secret) > 12 else "…"
