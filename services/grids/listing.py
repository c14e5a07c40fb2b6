"""What lies below a name, however much it is."""

from collections.abc import Iterator

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BlobNotFound

PAGE = 5000


def blobs_below(blobs: Blobs, root: BlobRef, prefix: str = "") -> Iterator[BlobInfo]:
    """Every blob whose name goes on with `prefix` after the root."""
    zone, container, after = root.zone, root.container, None
    while True:
        try:
            page = blobs.list(zone, container, f"{root.path}/{prefix}", after, PAGE)
        except BlobNotFound:
            return
        yield from page.blobs
        if (after := page.next) is None:
            return
