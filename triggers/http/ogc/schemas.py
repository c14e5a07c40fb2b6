"""Schemas of parameters as the standard wants them: those of OpenAPI 3.0, each complete in itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Schema = dict[str, Any]

KEPT = frozenset(
    {"multipleOf", "maximum", "minimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
     "uniqueItems", "maxProperties", "minProperties", "required", "enum", "type", "format", "default",
     "description", "title", "readOnly", "writeOnly", "deprecated", "example"}
)  # fmt: skip
NULL = {"type": "null"}
DEEPEST = 12


def plain(schema: Schema, shared: Mapping[str, Schema], depth: int = 0) -> Schema:
    """The same in words of OpenAPI 3.0; what it refers to stands in it. What is nested without end becomes anything."""
    if depth > DEEPEST:
        return {}
    if "$ref" in schema:
        target = shared.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
        return plain({**target, **_without(schema, "$ref")}, shared, depth + 1)
    found = {key: value for key, value in schema.items() if key in KEPT}
    return {**found, **_rewritten(schema), **_nested(schema, shared, depth + 1)}


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}


def _rewritten(schema: Schema) -> Schema:
    """What JSON Schema has learnt since, in the words of its time."""
    found: Schema = {}
    if "const" in schema:
        found["enum"] = [schema["const"]]
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key in schema:
            found |= {bound: schema[key], key: True}
    if examples := schema.get("examples"):
        found["example"] = examples[0]
    return found


def _nested(schema: Schema, shared: Mapping[str, Schema], depth: int) -> Schema:
    found: Schema = {}
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            found |= _choices(key, schema[key], shared, depth)
    if "prefixItems" in schema:
        found["items"] = _any_of(schema["prefixItems"], shared, depth)
    elif isinstance(schema.get("items"), dict):
        found["items"] = plain(schema["items"], shared, depth)
    elif schema.get("type") == "array":
        found["items"] = {}
    if "properties" in schema:
        each = cast(Mapping[str, Schema], schema["properties"])
        found["properties"] = {name: plain(one, shared, depth) for name, one in each.items()}
    more = schema.get("additionalProperties")
    if isinstance(more, bool):
        found["additionalProperties"] = more
    elif isinstance(more, dict):
        found["additionalProperties"] = plain(cast(Schema, more), shared, depth)
    return found


def _choices(key: str, schemas: list[Schema], shared: Mapping[str, Schema], depth: int) -> Schema:
    """That it may be null is no choice but a property."""
    others = [plain(each, shared, depth) for each in schemas if each != NULL]
    nullable: Schema = {"nullable": True} if len(others) < len(schemas) else {}
    return {**others[0], **nullable} if len(others) == 1 else {key: others, **nullable}


def _any_of(schemas: list[Schema], shared: Mapping[str, Schema], depth: int) -> Schema:
    """Of a tuple the members are told, not their places."""
    kinds = [plain(each, shared, depth) for each in schemas]
    return kinds[0] if all(kind == kinds[0] for kind in kinds) else {"anyOf": kinds}
