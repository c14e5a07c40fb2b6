"""Find blobs with equal content: by size and digest as listings tell them, and by reading only where one is missing."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BlobNotFound
from services.storage.models import Frozen, Share

BATCH_BYTES = 1024**3
BATCH_BLOBS = 200
SHOWN = 200
"""How many groups the result shows; the report has all."""


class Copy(Frozen):
    """A blob that may have an equal."""

    ref: BlobRef
    size: int
    md5: str | None

    @classmethod
    def of(cls, info: BlobInfo) -> Copy:
        return cls(ref=info.ref, size=info.size, md5=info.md5)


class Equals(Frozen):
    """Blobs with the same content."""

    size: int
    md5: str
    blobs: list[BlobRef]

    @property
    def wasted(self) -> int:
        return self.size * (len(self.blobs) - 1)


class Duplicates(Frozen):
    """How much of a container is there more than once."""

    container_name: str
    looked_at: Share
    hashed: int
    """How many blobs were read, because storage knows no digest of them."""
    groups: int
    copies: int
    """Blobs that could go."""
    wasted_bytes: int
    largest: list[Equals]
    """The groups that waste most; the report has all."""
    report: BlobRef


class Report(Frozen):
    """All groups, those that waste most first."""

    groups: list[Equals]


class Suspects(Frozen):
    """The blobs whose size occurs more than once, among all that were looked at."""

    looked_at: Share
    copies: list[Copy]


def suspects(pages: Iterable[list[Copy]]) -> Suspects:
    """Reads the pages twice, so only what may have an equal is held in memory. Empty blobs waste nothing."""
    sizes = Counter(copy.size for page in pages for copy in page)
    total = Share(count=sizes.total(), bytes=sum(size * n for size, n in sizes.items()))
    unique = {
        copy.ref: copy for page in pages for copy in page if copy.size and sizes[copy.size] > 1
    }
    return Suspects(looked_at=total, copies=list(unique.values()))


def batches(copies: Iterable[Copy]) -> list[list[Copy]]:
    """What has to be read, in portions for one task each."""
    found: list[list[Copy]] = []
    room = 0
    for copy in copies:
        if copy.md5 is not None:
            continue
        if not found or copy.size > room or len(found[-1]) == BATCH_BLOBS:
            found.append([])
            room = BATCH_BYTES
        found[-1].append(copy)
        room -= copy.size
    return found


def hashed(blobs: Blobs, batch: Iterable[Copy], check: Callable[[], None]) -> list[Copy]:
    """The same blobs with their digests. One that is gone meanwhile has no equal."""
    return [known for copy in batch if (known := _hash(blobs, copy, check))]


def _hash(blobs: Blobs, copy: Copy, check: Callable[[], None]) -> Copy | None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for chunk in blobs.chunks(copy.ref):
            check()
            digest.update(chunk)
    except BlobNotFound:
        return None
    return copy.model_copy(update={"md5": digest.hexdigest()})


def equals(copies: Iterable[Copy]) -> list[Equals]:
    """Groups of two and more, those that waste most first."""
    same: defaultdict[tuple[int, str], list[BlobRef]] = defaultdict(list)
    for copy in copies:
        if copy.md5 is not None:
            same[copy.size, copy.md5].append(copy.ref)
    found = [
        Equals(size=size, md5=md5, blobs=sorted(refs))
        for (size, md5), refs in same.items()
        if len(refs) > 1
    ]
    return sorted(found, key=lambda group: (-group.wasted, group.blobs[0]))


def write_report(
    blobs: Blobs, container_name: str, seen: Suspects, read: list[Copy], target: BlobRef
) -> Duplicates:
    groups = equals(_both(seen.copies, read))
    report = Report(groups=groups).model_dump_json().encode()
    blobs.write(target, report, content_type="application/json")
    return Duplicates(
        container_name=container_name,
        looked_at=seen.looked_at,
        hashed=len(read),
        groups=len(groups),
        copies=sum(len(group.blobs) - 1 for group in groups),
        wasted_bytes=sum(group.wasted for group in groups),
        largest=groups[:SHOWN],
        report=target,
    )


def _both(known: Iterable[Copy], read: Iterable[Copy]) -> Iterator[Copy]:
    yield from known
    yield from read
