"""What lies in a container: walked page by page, counted, summed up and written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import reduce
from tempfile import TemporaryFile

from core.blobs import BlobInfo, BlobPage, BlobRef, Blobs
from services.storage.models import Container, Filter, Listing, Page, Share, Summary, extension_of

PAGE = 1_000
LOOKS = 20
AGES = (
    (timedelta(days=1), "under a day"),
    (timedelta(days=7), "under a week"),
    (timedelta(days=30), "under a month"),
    (timedelta(days=365), "under a year"),
)


def pages(blobs: Blobs, container: Container, prefix: str, limit: int | None) -> list[Page]:
    """Where each page of the listing begins. Walking them is quick; looking at the blobs is the tasks' work."""
    found: list[Page] = []
    after: str | None = None
    left = limit if limit is not None else PAGE
    while left > 0:
        size = min(PAGE, left)
        page = blobs.list(container.zone, container.name, prefix, after, size)
        if page.blobs:
            found.append(Page(after=after, limit=size))
        after = page.next
        left = left - len(page.blobs) if limit is not None else PAGE
        if after is None:
            break
    return found


def search(
    blobs: Blobs, container: Container, prefix: str, suffix: str, limit: int, after: str | None
) -> BlobPage:
    """A page of the blobs whose names begin and end so. It looks through a few pages of storage at most."""
    found: list[BlobInfo] = []
    for _ in range(LOOKS):
        page = blobs.list(container.zone, container.name, prefix, after, limit - len(found))
        found += [blob for blob in page.blobs if blob.ref.path.endswith(suffix)]
        after = page.next
        if after is None or len(found) >= limit:
            break
    return BlobPage(blobs=found, next=after)


def read(blobs: Blobs, container: Container, page: Page, chosen: Filter) -> list[BlobInfo]:
    """The blobs of one page that the filter takes."""
    listed = blobs.list(container.zone, container.name, chosen.prefix, page.after, page.limit)
    return [blob for blob in listed.blobs if chosen.takes(blob)]


def summarize(found: Iterable[BlobInfo], prefix: str, now: datetime | None = None) -> Summary:
    now = now or datetime.now(UTC)
    return reduce(merge, (_one(blob, prefix, now) for blob in found), Summary())


def merge(a: Summary, b: Summary) -> Summary:
    """Both together. It does not matter in which order summaries are merged."""
    return Summary(
        total=a.total + b.total,
        by_extension=_merged(a.by_extension, b.by_extension),
        by_prefix=_merged(a.by_prefix, b.by_prefix),
        by_age=_merged(a.by_age, b.by_age),
        largest=max(
            (x for x in (a.largest, b.largest) if x), key=lambda x: (x.size, x.ref), default=None
        ),
        oldest=min((x for x in (a.oldest, b.oldest) if x), default=None),
        newest=max((x for x in (a.newest, b.newest) if x), default=None),
    )


def write_listing(
    blobs: Blobs, container: Container, parts: Iterable[list[BlobInfo]], target: BlobRef
) -> Listing:
    """Write every blob as one line of JSON, without ever holding the list in memory."""
    count = size = 0
    with TemporaryFile() as lines:
        for blob in _flat(parts):
            lines.write(blob.model_dump_json().encode() + b"\n")
            count, size = count + 1, size + blob.size
        lines.seek(0)
        blobs.write(target, lines, content_type="application/x-ndjson")
    return Listing(
        container=f"{container.zone}-{container.name}", count=count, bytes=size, blob=target
    )


def _flat(parts: Iterable[list[BlobInfo]]) -> Iterator[BlobInfo]:
    for part in parts:
        yield from part


def _one(blob: BlobInfo, prefix: str, now: datetime) -> Summary:
    share = Share(count=1, bytes=blob.size)
    return Summary(
        total=share,
        by_extension={extension_of(blob.ref) or "(none)": share},
        by_prefix={_folder(blob.ref.path, prefix): share},
        by_age={_age(now - blob.modified): share},
        largest=blob,
        oldest=blob.modified,
        newest=blob.modified,
    )


def _folder(path: str, prefix: str) -> str:
    """The first folder below the prefix that was asked for."""
    base = prefix[: prefix.rfind("/") + 1]
    head, slash, _ = path.removeprefix(base).partition("/")
    return f"{base}{head}/" if slash else base or "(top)"


def _age(age: timedelta) -> str:
    return next((name for limit, name in AGES if age < limit), "a year or more")


def _merged(a: dict[str, Share], b: dict[str, Share]) -> dict[str, Share]:
    both: defaultdict[str, Share] = defaultdict(Share, a)
    for name, share in b.items():
        both[name] += share
    return dict(both)
