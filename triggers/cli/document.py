"""Parameters from files: JSON or YAML, read so that every text stays the text it is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Parameters from a JSON or YAML file, or from stdin (-). What options say wins.",
    ),
]
BOOLEAN = re.compile("^(?:true|false)$")


def parameters_from(source: str | None) -> dict[str, Any]:
    """The object that a file holds; none without one."""
    if source is None:
        return {}
    try:
        return load(source)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None


def load(source: str) -> dict[str, Any]:
    """The object in a file, or in what comes in (`-`)."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} cannot be read: {error}") from None
    value = parse(text)
    if not isinstance(value, dict):
        raise ValueError(f'{source} holds no object, like {{"names": ["Ada"]}}')
    return cast(dict[str, Any], value)


def parse(text: str) -> Any:
    """JSON, else YAML."""
    try:
        return json.loads(text)
    except ValueError:
        return _yaml(text)


def _yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - only who writes YAML pays for it

    class Plain(yaml.SafeLoader):
        """YAML with JSON's values: dates stay text, and `no` is a country."""

    kept = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:null")
    Plain.yaml_implicit_resolvers = {
        first: [(tag, found) for tag, found in resolvers if tag in kept]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    } | {key: [("tag:yaml.org,2002:bool", BOOLEAN)] for key in "tf"}
    try:
        return yaml.load(text, Plain)  # noqa: S506 - a safe loader, with fewer types yet
    except yaml.YAMLError as error:
        raise ValueError(f"neither JSON nor YAML: {' '.join(str(error).split())}") from None
