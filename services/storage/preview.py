"""A glance into a blob: its first bytes, told as what they are. Never more than a little is read."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum

from core.blobs import BlobInfo, Blobs
from core.errors import BadInput
from services.storage.models import Frozen, extension_of
from services.storage.parquet import Parquet, describe

HEAD = 64 * 1024
ROWS, COLUMNS, CELL = 50, 30, 200
BYTES = 256
RASTERS = frozenset({"tif", "tiff"})
TABLES = {"csv": ",", "tsv": "\t"}
FOOTERS = frozenset({"parquet", "geoparquet"})
DOCUMENTS = frozenset({"json", "geojson"})


class Kind(StrEnum):
    """How a blob is shown."""

    EMPTY = "empty"
    PICTURE = "picture"
    TABLE = "table"
    PARQUET = "parquet"
    DOCUMENT = "document"
    TEXT = "text"
    BYTES = "bytes"


class Preview(Frozen):
    """What a glance shows."""

    kind: Kind
    text: str = ""
    rows: list[list[str]] = []
    """The first of a table; row 0 names the columns."""
    parquet: Parquet | None = None
    note: str = ""
    """Why there is no better glance."""
    left_out: bool = False
    """Whether there is more than this."""


def preview(blobs: Blobs, info: BlobInfo) -> Preview:
    """Of a blob of any size, no more than its first 64 KB, or the footer of a Parquet file."""
    if info.size == 0:
        return Preview(kind=Kind.EMPTY)
    extension = extension_of(info.ref)
    if extension in RASTERS:
        return Preview(kind=Kind.PICTURE)
    note = ""
    if extension in FOOTERS:
        try:
            return Preview(kind=Kind.PARQUET, parquet=describe(blobs, info))
        except BadInput as error:
            note = str(error)
    head = blobs.read(info.ref, 0, HEAD)
    more = info.size > len(head)
    text = _text(head)
    if text is None:
        left_out = info.size > BYTES
        return Preview(kind=Kind.BYTES, text=_dump(head), left_out=left_out, note=note)
    if extension in TABLES and (rows := _rows(text, TABLES[extension], more)):
        return Preview(
            kind=Kind.TABLE, rows=rows[: ROWS + 1], left_out=more or len(rows) > ROWS + 1
        )
    if extension in DOCUMENTS and not more and (pretty := _pretty(text)):
        return Preview(kind=Kind.DOCUMENT, text=pretty[:HEAD], left_out=len(pretty) > HEAD)
    return Preview(kind=Kind.TEXT, text=text, left_out=more, note=note)


def _text(head: bytes) -> str | None:
    """None where it is no text. A character may be cut in two where the head ends."""
    if b"\0" in head:
        return None
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return head[: error.start].decode("utf-8-sig") if error.start > len(head) - 4 else None


def _rows(text: str, delimiter: str, more: bool) -> list[list[str]]:
    """Nothing where it is no table after all."""
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return []
    whole = rows[:-1] if more else rows  # the last line may have been cut
    return [[cell[:CELL] for cell in row[:COLUMNS]] for row in whole]


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _dump(head: bytes) -> str:
    """As a hex editor shows it."""
    lines = [head[at : at + 16] for at in range(0, min(len(head), BYTES), 16)]
    return "\n".join(f"{line.hex(' '):<47}  {_printable(line)}" for line in lines)


def _printable(line: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
