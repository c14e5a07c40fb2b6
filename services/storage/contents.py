"""Walk a container, look at each blob, and write down what was found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.blobs import BlobInfo, BlobRef, Blobs, Prefix
from core.errors import BlobChanged, BlobNotFound
from services.storage.datasets import assemble
from services.storage.findings import (
    Analysis,
    Group,
    Grouping,
    GroupLine,
    Inventory,
    Look,
    Part,
)
from services.storage.grouping import group
from services.storage.headers import FIRST, SECOND, contradiction, format_of, tiff_head
from services.storage.kinds import Category, kind_of
from services.storage.models import Container, Frozen, Share, extension_of

LOOKS_AT_ONCE = 8
SHOWN = 200
"""How many groups the result shows; the report has all."""
LISTED = re.compile(rb'filename\s*=\s*"([^"\r\n]{1,255})"', re.IGNORECASE)


class Scan(Frozen):
    """Where to look, and for which names."""

    container: Container
    prefix: Prefix = ""
    suffix: str = ""

    def takes(self, info: BlobInfo) -> bool:
        path = info.ref.path.lower()
        return path.endswith(self.suffix.lower()) and not path.endswith("/")  # no folder markers


class Wishes(Frozen):
    """How to look, and what to make of it."""

    analysis: Analysis
    grouping: Grouping
    least: int
    unrecognized: bool
    """Whether to write down the blobs that nobody knows."""


class Report(Frozen):
    """All that was found, as it is written down."""

    inventory: Inventory
    groups: list[Group]
    others: list[Look]
    """What belongs to no group."""


def parts(blobs: Blobs, scan: Scan, limit: int, size: int) -> list[Part]:
    """The pages of the listing, up to `limit` blobs that fit. Looking at the blobs is the tasks' work."""
    found: list[Part] = []
    after: str | None = None
    while limit > 0:
        page = blobs.list(scan.container.zone, scan.container.name, scan.prefix, after, size)
        take = min(sum(map(scan.takes, page.blobs)), limit)
        if take:
            found.append(Part(after=after, size=size, take=take))
        limit, after = limit - take, page.next
        if after is None:
            break
    return found


def looks(
    blobs: Blobs, scan: Scan, part: Part, *, inside: bool, check: Callable[[], None]
) -> list[Look]:
    """What the blobs of one part are: by their names, and with `inside` by their first bytes too."""
    page = blobs.list(scan.container.zone, scan.container.name, scan.prefix, part.after, part.size)
    chosen = [info for info in page.blobs if scan.takes(info)][: part.take]
    named = [Look.at(info, *kind_of(info.ref)) for info in chosen]
    if not inside:
        return named
    seen: list[Look] = []
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        for look in pool.map(partial(look_inside, blobs), named):
            check()
            seen.append(look)
    return seen


def look_inside(blobs: Blobs, look: Look) -> Look:
    """What the first bytes add to a name. At most 64 KB are read."""
    if look.size == 0 and look.category in {Category.RASTER, Category.VECTOR}:
        empty = None if look.format == "zarr" else "is empty"
        return look.model_copy(update={"problem": empty})
    try:
        if look.ref.name.lower().endswith(".til"):
            return look.model_copy(
                update={"lists": _listed(blobs.read(look.ref, 0, FIRST + SECOND))}
            )
        if look.format == "zarr" or look.category not in _WORTH_A_LOOK:
            return look
        return _recognized(blobs, look, blobs.read(look.ref, 0, FIRST))
    except (BlobNotFound, BlobChanged):
        return look.model_copy(update={"problem": "is gone"})


_WORTH_A_LOOK = {Category.RASTER, Category.VECTOR, Category.UNKNOWN}


def _recognized(blobs: Blobs, look: Look, head: bytes) -> Look:
    found = format_of(head)
    problem = contradiction(look.format, found)
    seen = look.model_copy(update={"problem": problem})
    if look.category is Category.UNKNOWN and found:
        seen = seen.model_copy(update={"category": _category(found), "format": found})
    if found != "geotiff":
        return seen
    tiff = tiff_head(head, lambda at, length: blobs.read(look.ref, at, length))
    return seen.model_copy(
        update={"tiff": tiff, "problem": problem or (None if tiff else "has no readable head")}
    )


_FOUND = {
    "png": Category.METADATA,
    "jpeg": Category.METADATA,
    "zip": Category.ARCHIVE,
    "gzip": Category.ARCHIVE,
    **dict.fromkeys(("shapefile", "geopackage", "flatgeobuf", "parquet"), Category.VECTOR),
}


def _category(format: str) -> Category:
    return _FOUND.get(format, Category.RASTER)


def _listed(manifest: bytes) -> list[str]:
    return [name.decode("latin-1") for name in LISTED.findall(manifest)]


def once(found: Iterable[list[Look]]) -> tuple[list[Look], int]:
    """Every blob once, and how often storage had listed one again (R48)."""
    seen: dict[BlobRef, Look] = {}
    listed = 0
    for part in found:
        listed += len(part)
        seen.update((look.ref, look) for look in part)
    return list(seen.values()), listed - len(seen)


def shares(looks: Iterable[Look], key: Callable[[Look], str]) -> dict[str, Share]:
    """Counts and bytes by some key, the most bytes first."""
    sums: defaultdict[str, Share] = defaultdict(Share)
    for look in looks:
        sums[key(look)] += Share(count=1, bytes=look.size)
    return dict(sorted(sums.items(), key=lambda item: (-item[1].bytes, item[0])))


def write_report(
    blobs: Blobs, scan: Scan, wishes: Wishes, found: Iterable[list[Look]], target: BlobRef
) -> Inventory:
    """Put everything together, write it down, and tell it in short."""
    looks, again = once(found)
    datasets, others = assemble(looks)
    groups = group(datasets, others, scan.container, wishes.grouping, wishes.least)
    unknown = [look for look in looks if look.category is Category.UNKNOWN]
    inventory = Inventory(
        container_name=f"{scan.container.zone}-{scan.container.name}",
        prefix_scanned=scan.prefix,
        suffix_filter=scan.suffix,
        analysis_mode=wishes.analysis,
        grouping_mode=wishes.grouping,
        total=Share(count=len(looks), bytes=sum(look.size for look in looks)),
        by_category=shares(looks, lambda look: look.category.value),
        by_format=shares(looks, lambda look: look.format or "(none)"),
        by_extension=shares(looks, lambda look: extension_of(look.ref) or "(none)"),
        collections=sum(g.kind == "collection" for g in groups),
        singles=sum(g.kind == "single" for g in groups),
        groups=[_line(g) for g in groups[:SHOWN]],
        problems=sum(len(g.problems) for g in groups) + sum(bool(o.problem) for o in others),
        unrecognized=len(unknown),
        seen_twice=again,
        report=target,
    )
    kept = [o for o in others if wishes.unrecognized or o.category is not Category.UNKNOWN]
    report = Report(inventory=inventory, groups=groups, others=kept)
    blobs.write(target, report.model_dump_json().encode(), content_type="application/json")
    return inventory


def _line(found: Group) -> GroupLine:
    return GroupLine(
        name=found.name,
        kind=found.kind,
        rule=found.rule,
        format=found.format,
        count=len(found.members),
        bytes=found.bytes,
        vendor=found.vendor,
        job=found.job,
        problems=len(found.problems),
    )
