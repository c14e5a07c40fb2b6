"""Search the catalog for more than a page, and write down what is found."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from tempfile import TemporaryFile

from core.blobs import BlobRef, Blobs
from core.catalog import Catalog, Document
from services.raster.models import Frozen

PAGE = 500
OPEN = ".."


class Form(StrEnum):
    """One document with every item, or an item per line."""

    GEOJSON = "geojson"
    NDJSON = "ndjson"


TYPES = {Form.GEOJSON: "application/geo+json", Form.NDJSON: "application/x-ndjson"}
AROUND = {Form.GEOJSON: (b'{"type":"FeatureCollection","features":[\n', b",\n", b"\n]}\n")}


class Found(Frozen):
    """What a search found, and where it was written."""

    count: int
    blob: BlobRef
    complete: bool
    """Whether that is all there is; false where the limit was reached."""


def interval(text: str) -> str:
    """A moment, or two with a slash between them, where `..` leaves an end open."""
    ends = text.split("/")
    if len(ends) > 2 or ends == [OPEN] * len(ends):
        raise ValueError("write a moment, or two with a slash between, as 2024-01-01T00:00:00Z/..")
    for end in ends:
        if end != OPEN:
            datetime.fromisoformat(end)
    return text


def items(
    catalog: Catalog, query: Document, limit: int, each_page: Callable[[int], None]
) -> Iterator[Document]:
    """Page by page, so that memory stays flat."""
    given, token = 0, None
    while given < limit:
        asked = {**query, "limit": min(PAGE, limit - given), **({"token": token} if token else {})}
        page = catalog.search(asked)
        yield from page["features"]
        given += len(page["features"])
        each_page(given)
        token = next((link["token"] for link in page["links"] if link["rel"] == "next"), None)
        if token is None:
            return


def write(blobs: Blobs, found: Iterable[Document], target: BlobRef, form: Form) -> int:
    """How many were written."""
    head, between, tail = AROUND.get(form, (b"", b"\n", b"\n"))
    count = 0
    with TemporaryFile() as file:
        file.write(head)
        for item in found:
            text = json.dumps(item, allow_nan=False, ensure_ascii=False)
            file.write((between if count else b"") + text.encode())
            count += 1
        file.write(tail if count or head else b"")
        file.seek(0)
        blobs.write(target, file, content_type=TYPES[form])
    return count
