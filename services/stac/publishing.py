"""Publish what was made of rasters: their items, as blobs beside the COGs and in the catalog."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from core.blobs import BlobInfo, BlobRef, Blobs
from core.catalog import Document
from core.context import Context
from core.results import Results
from services.raster import batch, processing, rendering
from services.raster.batch import Batch, Looked, Lost, Made
from services.raster.models import Built, Published, RasterInfo, TileSet
from services.raster.processing import Asked
from services.raster.sources import Named
from services.raster.wishes import ManyWishes, Wishes
from services.stac import collection
from services.stac.item import item
from services.stac.tiled import OVERVIEW, TILES, item_of_tiles

AT_ONCE = 500
"""Items that are added to the catalog in one transaction."""


def publish(
    ctx: Context, info: RasterInfo, built: Results[Built], asked: Asked, wishes: Wishes
) -> Published:
    """The item appears in the catalog when all it names is in place; published again, it is replaced."""
    made = list(built)
    tiles = processing.tiles_of(ctx, made, info, asked) if made[0].tile else None
    document = item_of(info, made[0], tiles, asked)
    ref = BlobRef(f"{asked.prefix}.json")
    write(ctx.blobs, ref, document)
    add(ctx, wishes, [document])
    return Published(
        item_id=asked.item_id,
        collection=asked.collection,
        item=ref,
        cogs=[] if tiles else made[0].cogs,
        tiles=tiles,
        skipped=processing.together(each.skipped for each in made),
        failed=processing.together(each.failed for each in made),
        info=info,
    )


def make(
    ctx: Context, looked: Looked, wishes: ManyWishes, job: str, *, published: bool = True
) -> Made:
    """One raster of many: its COGs, and its item on the way to the catalog."""
    asked = batch.asked(looked, wishes, job)
    built = batch.convert(ctx, looked, asked)
    tiles = processing.tiles_of(ctx, built, looked.info, asked) if built[0].tile else None
    document = item_of(looked.info, built[0], tiles, asked)
    ref = BlobRef(f"{asked.prefix}.json") if published else None
    if ref:
        write(ctx.blobs, ref, document)
    cogs = [] if tiles else built[0].cogs
    return Made(
        source=looked.info.source,
        item_id=asked.item_id,
        item=ref,
        document=document if published else None,
        cogs=[tiles.index, tiles.overview.ref] if tiles else [cog.ref for cog in cogs],
        bytes=tiles.bytes if tiles else sum(cog.size for cog in cogs),
        skipped=processing.together(each.skipped for each in built),
        failed=processing.together(each.failed for each in built),
    )


def publish_many(
    ctx: Context,
    made: Results[Made],
    named: Sequence[Named],
    wishes: ManyWishes,
    lost: Sequence[Lost] = (),
    duplicates: int = 0,
) -> Batch:
    """Add all items to the catalog, and write down what became of each raster; nothing where too many failed."""
    every_lost = [*lost, *batch.lost_of(made.failures, named)]
    batch.tolerate(every_lost, len(named), wishes)
    target = batch.results_of(ctx)
    with batch.ledger(ctx.blobs, target) as ledger:
        items = add(ctx, wishes, _documents(ctx, made, ledger))
        for each in every_lost:
            ledger.lost(each)
    return Batch(
        collection=wishes.collection,
        rasters=len(named),
        duplicates=duplicates,
        converted=ledger.converted,
        known=ledger.known,
        items=items,
        bytes=ledger.bytes,
        failed=len(every_lost),
        failures=every_lost[: batch.TOLD],
        results=target,
    )


def item_of(info: RasterInfo, built: Built, tiles: TileSet | None, asked: Asked) -> Document:
    """The item of a raster's COGs, or of the tiles of a giant, and how either is shown."""
    shown = rendering.default(info)
    if tiles:
        renders = rendering.as_renders(shown, [TILES, OVERVIEW])
        return item_of_tiles(info, tiles, asked.collection, asked.item_id, renders=renders)
    renders = rendering.as_renders(shown, [cog.tier.value for cog in built.cogs])
    return item(info, built.cogs, asked.collection, asked.item_id, renders=renders)


def knows(ctx: Context, wishes: ManyWishes, named: Named) -> bool:
    """Whether the catalog has an item of the same bytes."""
    found = ctx.catalog.item(wishes.collection, named.item_id)
    return found is not None and _made_of(found["properties"], ctx.blobs.info(named.source))


def add(ctx: Context, wishes: Wishes, items: Iterable[Document]) -> int:
    """A collection that must exist is only named; another is made with its first items."""
    name, description = wishes.collection, wishes.collection_description or ""
    to = name if wishes.collection_must_exist else collection.of_rasters(name, description)
    rest, count = iter(items), 0
    while some := list(islice(rest, AT_ONCE)):
        count += ctx.catalog.add(to, some)
        ctx.check()
    return count


def write(blobs: Blobs, ref: BlobRef, document: Document) -> None:
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    blobs.write(ref, text.encode(), content_type="application/geo+json")


def _documents(ctx: Context, made: Results[Made], ledger: batch.Ledger) -> Iterator[Document]:
    for done, each in enumerate(made, 1):
        ledger.made(each)
        if each.document is not None:
            yield each.document
        ctx.report(done / len(made), f"{done} of {len(made)} rasters")


def _made_of(properties: Document, blob: BlobInfo) -> bool:
    if properties.get("coremachine:source") != blob.ref:
        return False
    same_bytes = blob.md5 and properties.get("coremachine:source_md5") == blob.md5
    return bool(same_bytes or properties.get("coremachine:source_etag") == blob.etag)
