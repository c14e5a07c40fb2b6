"""Parquet files that hold no rows, only what a footer says, well or badly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

MAGIC = b"PAR1"


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def struct(fields: dict[int, Any]) -> bytes:
    """Of whole numbers, texts, structs (dict) and lists of structs or texts, as Thrift's compact protocol has them."""
    out, last = b"", 0
    for number, value in sorted(fields.items()):
        kind, data = _packed(value)
        out += bytes([(number - last) << 4 | kind]) + data
        last = number
    return out + b"\0"


def _packed(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return (1 if value else 2), b""
        case int():
            return 6, varint(value << 1 if value >= 0 else (-value << 1) - 1)
        case str():
            return 8, varint(len(value.encode())) + value.encode()
        case dict():
            return 12, struct(value)
        case _:
            items = [_packed(each) for each in value]
            head = bytes([0xF0 | (items[0][0] if items else 12)]) + varint(len(items))
            return 9, head + b"".join(data for _, data in items)


def file(footer: bytes, *, length: int | None = None) -> bytes:
    said = len(footer) if length is None else length
    return MAGIC + footer + said.to_bytes(4, "little") + MAGIC


def footer(
    columns: Sequence[dict[int, Any]], rows: int = 0, geo: Any = None, by: str = "a test"
) -> bytes:
    """Columns are schema elements by field: 1 type, 3 optional (1) or repeated (2), 4 name, 5 children, 10 logical type."""
    said = [{1: "geo", 2: geo if isinstance(geo, str) else json.dumps(geo)}] if geo else []
    groups = [{1: [], 2: 0, 3: rows}] if rows else []
    meta = {1: 2, 2: [{4: "root", 5: len(columns)}, *columns], 3: rows, 4: groups, 5: said, 6: by}
    return struct(meta)
