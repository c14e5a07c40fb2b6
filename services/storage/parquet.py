"""What a Parquet file says of itself at its end: columns, rows, geometries. Nothing else of it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.blobs import BlobInfo, Blobs
from core.errors import BadInput
from services.storage import compact
from services.storage.compact import Malformed, Struct
from services.storage.models import Frozen

TAIL = 64 * 1024
"""Read at once: few files say more."""
LARGEST = 1024 * 1024
MAGIC, ENCRYPTED = b"PAR1", b"PARE"
MOST_COLUMNS, LONGEST = 500, 200
PHYSICAL = ("boolean", "int32", "int64", "int96", "float", "double", "bytes", "fixed bytes")
LOGICAL = {
    1: "string", 2: "map", 3: "list", 4: "enum", 5: "decimal", 6: "date", 7: "time", 8: "timestamp", 10: "integer",
    11: "null", 12: "json", 13: "bson", 14: "uuid", 15: "float16", 16: "variant", 17: "geometry", 18: "geography",
}  # fmt: skip
CONVERTED = (
    "string", "map", "map", "list", "enum", "decimal", "date", "time", "time", "timestamp", "timestamp", "uint8",
    "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "json", "bson", "interval",
)  # fmt: skip
USUAL_CRS = "OGC:CRS84"
"""What GeoParquet means where it says nothing."""


class Column(Frozen):
    """One column; a nested one by its path."""

    name: str
    type: str
    nullable: bool
    repeated: bool


class Geometry(Frozen):
    """A column of geometries, as GeoParquet describes it."""

    column: str
    is_primary: bool
    encoding: str
    types: str
    crs: str
    bbox: str


class Parquet(Frozen):
    """The footer of a file."""

    rows: int
    row_groups: int
    written_by: str
    columns: list[Column]
    more_columns: int
    """How many are not among them."""
    geometries: list[Geometry]


def describe(blobs: Blobs, info: BlobInfo) -> Parquet:
    """BadInput says what is wrong with the file."""
    footer = _footer(blobs, info)
    try:
        return _told(compact.parse(footer))
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        why = f": {error}" if isinstance(error, Malformed) else ""
        raise BadInput(f"Its footer cannot be read{why}. It is damaged, or no Parquet.") from None


def _footer(blobs: Blobs, info: BlobInfo) -> bytes:
    start = max(info.size - TAIL, 0)
    tail = blobs.read(info.ref, start, TAIL)
    if tail.endswith(ENCRYPTED):
        raise BadInput("Its footer is encrypted.")
    if len(tail) < 12 or not tail.endswith(MAGIC):
        raise BadInput("It does not end as a Parquet file does: it was cut short, or is none.")
    length = int.from_bytes(tail[-8:-4], "little")
    if length + 12 > info.size:
        raise BadInput(f"Its footer would be longer than the file: {length:,} bytes.")
    if length > LARGEST:
        raise BadInput(f"Its footer takes {length:,} bytes, too many for a glance.")
    if length + 8 > len(tail):
        return blobs.read(info.ref, info.size - 8 - length, length)
    return tail[-8 - length : -8]


def _told(meta: Struct) -> Parquet:
    columns = list(_columns(meta[2]))
    said = {each[1]: each.get(2, b"") for each in meta.get(5, [])}
    return Parquet(
        rows=int(meta[3]),
        row_groups=len(meta.get(4, [])),
        written_by=_text(meta.get(6, b"")),
        columns=columns[:MOST_COLUMNS],
        more_columns=max(len(columns) - MOST_COLUMNS, 0),
        geometries=list(_geometries(said.get(b"geo", b""))),
    )


def _columns(elements: list[Struct]) -> Iterator[Column]:
    """The leaves of the tree that the elements are, each before its children; the first is the root."""
    open_groups: list[tuple[str, int, bool, bool]] = []
    for element in elements[1:]:
        while open_groups and open_groups[-1][1] == 0:
            open_groups.pop()
        before, left, nullable, repeated = (
            open_groups.pop() if open_groups else ("", 1, False, False)
        )
        if before:
            open_groups.append((before, left - 1, nullable, repeated))
        path = f"{before}.{_text(element[4])}" if before else _text(element[4])
        nullable, repeated = nullable or element.get(3) == 1, repeated or element.get(3) == 2
        if children := element.get(5, 0):
            open_groups.append((path[:LONGEST], int(children), nullable, repeated))
        else:
            yield Column(
                name=path[:LONGEST], type=_type(element), nullable=nullable, repeated=repeated
            )


def _type(element: Struct) -> str:
    """As people say it; the stored type where there is nothing better."""
    stored = element.get(1)
    name = (
        PHYSICAL[stored] if isinstance(stored, int) and 0 <= stored < len(PHYSICAL) else "unknown"
    )
    kind, about = next(iter((element.get(10) or {}).items()), (0, {}))
    if kind == 10:
        return f"{'int' if about.get(2, True) else 'uint'}{about.get(1, '')}"
    if kind in LOGICAL:
        return f"{LOGICAL[kind]} (UTC)" if kind == 8 and about.get(1) else LOGICAL[kind]
    converted = element.get(6)
    known = isinstance(converted, int) and 0 <= converted < len(CONVERTED)
    return CONVERTED[cast(int, converted)] if known else name


def _geometries(geo: bytes) -> Iterator[Geometry]:
    """Whoever wrote the file may have written anything here."""
    try:
        found = json.loads(geo) if geo else {}
    except (ValueError, RecursionError):
        return
    told = _mapping(found)
    for name, each in list(_mapping(told.get("columns")).items())[:MOST_COLUMNS]:
        about = _mapping(each)
        yield Geometry(
            column=str(name)[:LONGEST],
            is_primary=told.get("primary_column") == name,
            encoding=_short(about.get("encoding")),
            types=_short(about.get("geometry_types")) or "any",
            crs=_crs(about),
            bbox=_short(about.get("bbox")),
        )


def _crs(about: Mapping[str, Any]) -> str:
    if "crs" not in about:
        return USUAL_CRS
    crs = _mapping(about["crs"])
    code = _mapping(crs.get("id"))
    if "authority" in code and "code" in code:
        return _short(f"{code['authority']}:{code['code']}")
    return _short(crs.get("name")) or "not known"


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    """On one line."""
    if isinstance(value, list):
        value = ", ".join(map(str, cast("list[Any]", value)[:20]))
    return "" if value is None else str(value)[:LONGEST]


def _text(value: bytes) -> str:
    return value.decode(errors="replace")[:LONGEST]
