"""Forms made of JSON Schemas: which field a parameter needs, and what was entered as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, cast

from pydantic_core import from_json
from starlette.datastructures import FormData

from core.errors import InvalidParameters

Schema = dict[str, Any]
WHOLE = re.compile("[+-]?[0-9]{1,300}")
PREFIX = "p."
"""Names of fields begin so, and never meet those of the page itself."""
ROOMY = 200
"""Texts that may be so long get more than a line."""
BLOBS = ("source", "blob_name", "raster", "file", "blob")


class Kind(StrEnum):
    """How a value is entered."""

    CHOICE = "choice"
    CHOICES = "choices"
    FLAG = "flag"
    NUMBER = "number"
    TEXT = "text"
    LONG = "long"
    LINES = "lines"
    BOX = "box"
    BLOB = "blob"
    CONTAINER = "container"
    JSON = "json"


class NotEntered(Exception):
    """A field holds nothing, so its default counts."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as people fill it in."""

    name: str
    kind: Kind
    title: str
    help: str
    required: bool
    schema: Schema
    choices: list[str] = field(default_factory=list[str])
    default: Any = None

    @property
    def key(self) -> str:
        return PREFIX + self.name

    @property
    def is_whole(self) -> bool:
        return self.schema.get("type") == "integer"

    @property
    def hint(self) -> str:
        """What stands in it when nothing is entered."""
        if self.required or self.default in (None, "", [], {}):
            return ""
        return self.default if isinstance(self.default, str) else json.dumps(self.default)

    def text(self, value: Any) -> str:
        """A value as it stands in the field."""
        match self.kind:
            case _ if value is None:
                return ""
            case Kind.LINES if isinstance(value, list):
                return "\n".join(str(each) for each in cast(list[Any], value))
            case Kind.JSON:
                return json.dumps(value, indent=2, ensure_ascii=False)
            case _:
                return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fields(schema: Schema) -> list[Field]:
    """Those that are needed first; within each group as the job declares them."""
    needed: Sequence[str] = schema.get("required", ())
    found = [
        _field(name, given, schema.get("$defs", {}), required=name in needed)
        for name, given in schema.get("properties", {}).items()
    ]
    return sorted(found, key=lambda each: not each.required)


def _field(name: str, given: Schema, defs: Schema, *, required: bool) -> Field:
    plain = _plain(given, defs)
    kind, choices = _kind(name, plain, defs)
    return Field(
        name=name,
        kind=kind,
        title=name.replace("_", " "),
        help=str(given.get("description", "")),
        required=required,
        schema=plain,
        choices=choices,
        default=given.get("default"),
    )


def _plain(given: Schema, defs: Schema) -> Schema:
    """Without references, and without the null that only says that it may be left out."""
    options = [each for each in given.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) == 1:
        return _plain(options[0], defs)
    if "$ref" in given:
        return _plain(defs[given["$ref"].rpartition("/")[2]], defs)
    return given


def _kind(name: str, schema: Schema, defs: Schema) -> tuple[Kind, list[str]]:
    if choices := _choices(schema):
        return Kind.CHOICE, choices
    match schema.get("type"):
        case "boolean":
            return Kind.FLAG, []
        case "integer" | "number":
            return Kind.NUMBER, []
        case "string":
            return _of_text(name, schema), []
        case "array":
            return _of_list(name, schema, defs)
        case _:
            return Kind.JSON, []


def _choices(schema: Schema) -> list[str]:
    given = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [each for each in given if isinstance(each, str)]


def _of_text(name: str, schema: Schema) -> Kind:
    if schema.get("format") == "blob" or name in BLOBS:
        return Kind.BLOB
    if name in ("container", "container_name"):
        return Kind.CONTAINER
    return Kind.LONG if schema.get("maxLength", 0) > ROOMY else Kind.TEXT


def _of_list(name: str, schema: Schema, defs: Schema) -> tuple[Kind, list[str]]:
    inner = _plain(schema.get("items") or {}, defs)
    if "bbox" in name and schema.get("minItems") == schema.get("maxItems") == 4:
        return Kind.BOX, []
    if choices := _choices(inner):
        return Kind.CHOICES, choices
    simple = inner.get("type") in ("string", "integer", "number")
    return (Kind.LINES if simple else Kind.JSON), []


def entered(form: FormData, known: Sequence[Field]) -> tuple[dict[str, Any], dict[str, str]]:
    """The parameters that were filled in, and what is no value at all, by name."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for each in known:
        try:
            values[each.name] = _value(each, form)
        except NotEntered:
            continue
        except ValueError as error:
            wrong[each.name] = str(error)
    return values, wrong


def _value(each: Field, form: FormData) -> Any:
    texts = [str(text) for text in form.getlist(each.key)]
    match each.kind:
        case Kind.FLAG:
            return _changed(each, "true" in texts)
        case Kind.CHOICES:
            return _changed(each, [text for text in texts if text])
        case Kind.BOX:
            return _box(texts)
        case _:
            return _of_one(each, texts[-1] if texts else "")


def _changed(each: Field, value: Any) -> Any:
    """Boxes always say something, so only what differs from the default is a wish."""
    if value == each.default:
        raise NotEntered
    return value


def _box(texts: Sequence[str]) -> list[float]:
    if not any(text.strip() for text in texts):
        raise NotEntered
    return [_number(text) for text in texts]


def _of_one(each: Field, text: str) -> Any:
    if not text.strip():
        raise NotEntered
    match each.kind:
        case Kind.NUMBER:
            return _number(text)
        case Kind.LINES:
            return [_item(each, line.strip()) for line in text.splitlines() if line.strip()]
        case Kind.JSON:
            try:
                return from_json(text, allow_inf_nan=False)
            except ValueError as error:
                raise ValueError(f"this is not JSON: {error}") from None
        case Kind.LONG:
            return text
        case _:
            return text.strip()


def _item(each: Field, line: str) -> Any:
    inner: Mapping[str, Any] = each.schema.get("items", {})
    return _number(line) if inner.get("type") in ("integer", "number") else line


def _number(text: str) -> int | float:
    try:
        number = float(text)
        if isfinite(number):
            return int(text) if WHOLE.fullmatch(text.strip()) else number
    except ValueError:
        pass
    raise ValueError(f"{text[:40]!r} is no number")


def wrong_by_parameter(error: InvalidParameters) -> dict[str, str]:
    """What is wrong with a submission, by parameter; under an empty name what is wrong with the whole."""
    wrong: dict[str, str] = {}
    for each in error.errors:
        place: Any = each["loc"]
        names = [str(part) for part in place if part != "body"]
        name = names[0] if names else ""
        wrong.setdefault(name, str(each["msg"]).removeprefix("Value error, "))
    return wrong
