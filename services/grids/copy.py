"""Copy a Zarr store, batch by batch, and count that all of it has arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BadInput, BlobChanged, ServiceUnavailable
from services.grids import opened
from services.grids.listing import blobs_below
from services.grids.models import Batch, Share

BATCH = 500
THREADS = 8
HELD = 8 << 20
"""A larger blob goes by way of the disk, so that memory does not depend on how a store was made."""


def batches(blobs: Blobs, root: BlobRef) -> list[Batch]:
    """Where each part of the listing begins, and what it holds."""
    found: list[Batch] = []
    after: str | None = None
    while True:
        page = blobs.list(root.zone, root.container, f"{root.path}/", after, BATCH)
        if page.blobs:
            found.append(Batch(after=after, holds=_share(page.blobs)))
        if (after := page.next) is None:
            return found


def copy(
    blobs: Blobs, root: BlobRef, batch: Batch, target: BlobRef, check: Callable[[], None]
) -> Share:
    """Copy one part of the listing. Doing it again writes the same blobs."""
    page = blobs.list(root.zone, root.container, f"{root.path}/", batch.after, BATCH)
    if (found := _share(page.blobs)) != batch.holds:
        raise BlobChanged(
            f"{root} was changed while it was copied: {found.count} blobs where "
            f"{batch.holds.count} were; submit it again when it is at rest"
        )

    def one(info: BlobInfo) -> None:
        check()
        _copy(blobs, info, BlobRef(f"{target}/{info.ref[len(root) + 1 :]}"))

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(one, page.blobs):
            pass
    return _share(_kept(page.blobs, root))


def verify(blobs: Blobs, target: BlobRef, copied: Iterable[Share]) -> Share:
    """What arrived is what was sent, to the blob and the byte. The root's metadata is then consolidated."""
    sent = reduce(_plus, copied, Share())
    arrived = _share(_kept(blobs_below(blobs, target), target))
    if sent.count == 0:
        raise BadInput(f"nothing was copied to {target}")
    if sent != arrived:
        raise ServiceUnavailable(f"{arrived} arrived at {target} of {sent}")
    opened.consolidate(blobs, target)
    return sent


def _copy(blobs: Blobs, info: BlobInfo, target: BlobRef) -> None:
    if info.size <= HELD:
        data = blobs.read(info.ref, etag=info.etag)
        blobs.write(target, data, content_type=info.content_type)
        return
    with blobs.local(info.ref) as path, path.open("rb") as file:
        blobs.write(target, file, content_type=info.content_type)


def _kept(found: Iterable[BlobInfo], root: BlobRef) -> Iterable[BlobInfo]:
    """All but the root's own metadata, which consolidation writes anew."""
    return (info for info in found if info.ref[len(root) + 1 :] not in opened.ROOTS)


def _share(found: Iterable[BlobInfo]) -> Share:
    return reduce(_plus, (Share(count=1, bytes=info.size) for info in found), Share())


def _plus(one: Share, other: Share) -> Share:
    return Share(count=one.count + other.count, bytes=one.bytes + other.bytes)
