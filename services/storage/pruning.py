"""Containers that are swept: what has become useless in them goes, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.blobs import BlobInfo, Blobs, Zone
from core.errors import BlobNotFound


class Pruned(NamedTuple):
    """What a sweep removed."""

    blobs: int
    bytes: int


def prune(
    blobs: Blobs,
    zone: Zone,
    container: str,
    is_old: Callable[[BlobInfo], bool],
    check: Callable[[], None] = lambda: None,
) -> Pruned:
    """Remove what is old; a container that nobody has written to yet is clean."""
    count = size = 0
    after: str | None = None
    while True:
        try:
            page = blobs.list(zone, container, "", after)
        except BlobNotFound:
            return Pruned(count, size)
        for info in page.blobs:
            if is_old(info) and blobs.delete(info.ref):
                count, size = count + 1, size + info.size
        if page.next is None:
            return Pruned(count, size)
        after = page.next
        check()
