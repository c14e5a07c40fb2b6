"""Bring the rasters of a container into the catalog as they are."""

from collections.abc import Iterable, Iterator
from itertools import islice

from core.blobs import BlobInfo, BlobRef, Blobs
from core.catalog import Catalog, Document
from core.errors import CollectionNotFound
from core.results import Results
from services.raster.models import Frozen
from services.stac.collection import collection
from services.storage.models import Container

BATCH = 500
"""Items that are added in one transaction."""
TOLD = 20


class Cataloged(Frozen):
    """What became of the rasters of a container."""

    collection: str
    added: int
    failed: int
    failures: list[str]
    """Why the first of them failed."""


def find(
    blobs: Blobs, container: Container, prefix: str, ending: str, limit: int | None
) -> list[BlobRef]:
    """The blobs whose names begin and end so, upper and lower case alike."""
    matching = (
        blob.ref
        for blob in _listed(blobs, container, prefix)
        if blob.ref.lower().endswith(ending.lower())
    )
    return list(islice(matching, limit))


def require(catalog: Catalog, name: str) -> None:
    if catalog.collection(name) is None:
        raise CollectionNotFound(
            f"There is no collection {name!r}; create it, or leave collection_must_exist away"
        )


def add(catalog: Catalog, name: str, items: Results[Document]) -> Cataloged:
    """In batches, each of which is there as a whole or not at all; the collection is made when missing."""
    made, added = collection(name), 0
    for batch in _batches(items):
        added += catalog.add(made, batch)
    failures = [failure.error for failure in items.failures]
    return Cataloged(collection=name, added=added, failed=len(failures), failures=failures[:TOLD])


def _listed(blobs: Blobs, container: Container, prefix: str) -> Iterator[BlobInfo]:
    after: str | None = None
    while True:
        page = blobs.list(container.zone, container.name, prefix, after)
        yield from page.blobs
        after = page.next
        if after is None:
            return


def _batches(items: Iterable[Document]) -> Iterator[list[Document]]:
    waiting = iter(items)
    while batch := list(islice(waiting, BATCH)):
        yield batch
