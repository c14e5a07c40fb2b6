"""Many rasters in one job: each looked at and converted by a task of its own, and counted together."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

from core.blobs import BlobRef, Blobs, Zone
from core.context import Context
from core.errors import BadInput
from core.results import Failure, Results
from services.raster import alike, place, processing, sources
from services.raster.inspect import inspect
from services.raster.models import Built, Frozen, RasterInfo, Skipped
from services.raster.options import RasterOptions
from services.raster.processing import Asked
from services.raster.sources import Named, Sources
from services.raster.wishes import ManyWishes, Wishes

TOLD = 20


class Looked(Frozen):
    """A raster that can be converted."""

    item_id: str
    info: RasterInfo


class Lost(Frozen):
    """A raster that nothing was made of, and why."""

    source: BlobRef
    error: str


class Made(Frozen):
    """What became of one raster."""

    source: BlobRef
    item_id: str
    item: BlobRef | None = None
    document: dict[str, Any] | None = None
    """The STAC item, on its way to the catalog; none where the raster was there already, or is not published."""
    cogs: list[BlobRef] = []
    bytes: int = 0
    known: bool = False
    """Whether the catalog had it already, made of the same bytes."""
    skipped: list[Skipped] = []
    failed: list[Skipped] = []


class Batch(Frozen):
    """What a job over many rasters leaves behind."""

    collection: str
    rasters: int
    """How many there were, each counted once."""
    duplicates: int = 0
    """How often a raster was named again."""
    converted: int
    known: int = 0
    """How many were in the catalog already."""
    items: int
    """How many items were added to the catalog, or replaced there."""
    bytes: int
    failed: int
    failures: list[Lost]
    """The first of them; all are in `results`."""
    results: BlobRef
    """A JSON object per line and raster: what was made of it, or why nothing was."""


def find(ctx: Context, given: Sources, wishes: ManyWishes) -> list[Named]:
    refuse_in_vain(ctx, wishes)
    found = sources.find(ctx.blobs, given)
    return sources.named(found, sources.shared_folder(found), wishes.item_prefix)


def refuse_in_vain(ctx: Context, wishes: Wishes) -> None:
    """What would make every raster fail is said once, before any is read."""
    for crs in (wishes.input_crs, wishes.target_crs):
        if crs:
            place.parse(crs)
    if wishes.collection_must_exist:
        processing.refuse_missing_collection(ctx.catalog, wishes.collection)


def look(ctx: Context, named: Named, wishes: Wishes) -> Looked:
    options = ctx.option(RasterOptions)
    info = inspect(ctx.blobs, named.source, wishes.input_crs, wishes.raster_type, options)
    accepted = processing.accepted(info, wishes.asked_for(named.item_id, ""))
    return Looked(item_id=named.item_id, info=accepted)


def asked(looked: Looked, wishes: Wishes, job: str) -> Asked:
    """Named by the job and the state of the source: the same job may be run again over newer files."""
    version = hashlib.sha256(f"{job}:{looked.info.etag}".encode()).hexdigest()
    return wishes.asked_for(looked.item_id, version)


def convert(ctx: Context, looked: Looked, asked: Asked) -> list[Built]:
    """A giant is cut into tiles as elsewhere, but one task makes them all."""
    orders = processing.plan(looked.info, asked, ctx.option(RasterOptions))
    return [processing.convert(ctx, looked.info, asked, order) for order in orders]


def compare(looked: Results[Looked], named: Sequence[Named], wishes: ManyWishes) -> list[Lost]:
    """The rasters that cannot be used. Raises where the others are not of one kind, or are too few."""
    lost = lost_of(looked.failures, named)
    tolerate(lost, len(named), wishes)
    return lost


def refuse_odd(looked: Results[Looked], wishes: Wishes) -> None:
    alike.refuse_odd((each.info for each in looked), reprojected=wishes.target_crs is not None)


def lost_of(failures: Iterator[Failure], named: Sequence[Named]) -> list[Lost]:
    return [Lost(source=named[each.index].source, error=each.error) for each in failures]


def tolerate(lost: Sequence[Lost], total: int, wishes: ManyWishes) -> None:
    if len(lost) <= wishes.max_failures * total:
        return
    told = "; ".join(f"{each.source}: {each.error}" for each in lost[:3])
    raise BadInput(
        f"{len(lost)} of {total} rasters failed, more than max_failures={wishes.max_failures:g} "
        f"allows, so nothing was published. The first: {told}"
    )


class Ledger:
    """Writes down what became of each raster, a line each, and sums it up on the way."""

    def __init__(self, lines: IO[bytes]) -> None:
        self.lines = lines
        self.converted = self.known = self.bytes = 0

    def made(self, each: Made) -> None:
        self.converted += not each.known
        self.known += each.known
        self.bytes += each.bytes
        self._line(each.model_dump(mode="json", exclude={"document"}))

    def lost(self, each: Lost) -> None:
        self._line(each.model_dump(mode="json"))

    def _line(self, told: dict[str, Any]) -> None:
        self.lines.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")


@contextmanager
def ledger(blobs: Blobs, target: BlobRef) -> Iterator[Ledger]:
    """Never holds the list in memory; the blob is there once all went well."""
    with TemporaryFile() as lines:
        yield Ledger(lines)
        lines.seek(0)
        blobs.write(target, lines, content_type="application/x-ndjson")


def results_of(ctx: Context) -> BlobRef:
    return BlobRef.of(Zone.SILVER, "coremachine", f"batches/{ctx.job_id}/{ctx.token}.jsonl")
