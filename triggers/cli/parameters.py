"""A job type's parameters as options of the command line, made from their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import typer

from triggers.cli.document import parse

Schema = Mapping[str, Any]
SCALARS: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool}


@dataclass(frozen=True)
class Flag:
    """One parameter as an option."""

    name: str
    """As the job knows it."""
    kind: type
    """What one value is; str, where it is JSON."""
    many: bool
    """It may be given several times, and is a list."""
    choices: tuple[str, ...]
    is_json: bool
    """It is given as JSON, for it is more than a list of words."""
    required: bool
    help: str

    def option(self, taken: frozenset[str]) -> str:
        """How it is written. A name that an option of the command has is written `--with-…`."""
        word = self.name.replace("_", "-")
        word = f"with-{word}" if f"--{word}" in taken else word
        is_switch = self.kind is bool and not self.many
        return f"--{word}/--no-{word}" if is_switch else f"--{word}"

    def value(self, given: Any) -> Any:
        """What the job gets."""
        if not self.is_json:
            return [_word(each) for each in given] if self.many else _word(given)
        try:
            return parse(given)
        except ValueError as error:
            raise typer.BadParameter(f"{self.name}: {error}") from None


def _word(given: Any) -> Any:
    return given.value if isinstance(given, Enum) else given


def flags_of(schema: Schema) -> Iterator[Flag]:
    """The options of a job type, those that must be given first."""
    required = set(schema.get("required", ()))
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: name not in required):
        yield _flag(name, properties[name], schema.get("$defs", {}), name in required)


def _flag(name: str, schema: Schema, definitions: Mapping[str, Schema], required: bool) -> Flag:
    plain = _resolved(schema, definitions)
    many = plain.get("type") == "array"
    one = _resolved(plain.get("items", {}), definitions) if many else plain
    kind = SCALARS.get(str(one.get("type", "")))
    choices = tuple(str(choice) for choice in one.get("enum", ())) if kind is str else ()
    return Flag(
        name=name,
        kind=kind or str,
        many=many and kind is not None,
        choices=choices,
        is_json=kind is None,
        required=required,
        help=_help(schema, plain, required, is_json=kind is None),
    )


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Without references, and without the null that only says that it may be left out."""
    if "$ref" in schema:
        return _resolved(definitions.get(str(schema["$ref"]).rpartition("/")[2], {}), definitions)
    alternatives = cast(
        list[Schema], schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    )
    real = [each for each in alternatives if each.get("type") != "null"]
    return _resolved(real[0], definitions) if len(real) == 1 else schema


def _help(schema: Schema, plain: Schema, required: bool, *, is_json: bool) -> str:
    remarks = list(_limits(plain))
    if is_json:
        remarks.append("as JSON")
    if plain.get("type") == "array" and not is_json:
        remarks.append("may be given several times")
    if required:
        remarks.append("required")
    elif schema.get("default") is not None:
        remarks.append(f"default {_default(schema['default'])}")
    told = str(schema.get("description", "")).replace("`", "")
    return f"{told} [{'; '.join(remarks)}]" if remarks else told


def _limits(plain: Schema) -> Iterator[str]:
    low, high = plain.get("minimum"), plain.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"
    elif high is not None:
        yield f"at most {high}"


def _default(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
