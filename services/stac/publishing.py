"""Publish what was made of rasters: their items, as blobs and in the catalog."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from core.blobs import BlobInfo, BlobRef
from core.catalog import Document
from core.context import Context
from core.results import Results
from services.raster import batch, item, processing
from services.raster.batch import Batch, Looked, Lost, Made
from services.raster.models import Built, Cog, Published, RasterInfo, TileSet
from services.raster.processing import Asked
from services.raster.sources import Named
from services.raster.wishes import ManyWishes

AT_ONCE = 500
"""Items that are added to the catalog in one transaction."""


def publish(ctx: Context, info: RasterInfo, built: Results[Built], asked: Asked) -> Published:
    made = list(built)
    document, cogs, tiles = item_of(ctx, info, made, asked)
    ref = BlobRef(f"{asked.prefix}.json")
    write(ctx, ref, document)
    return Published(
        item_id=asked.item_id,
        collection=asked.collection,
        item=ref,
        cogs=cogs,
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
    document, cogs, tiles = item_of(ctx, looked.info, built, asked)
    ref = BlobRef(f"{asked.prefix}.json") if published else None
    if ref:
        write(ctx, ref, document)
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


def item_of(
    ctx: Context, info: RasterInfo, built: Sequence[Built], asked: Asked
) -> tuple[Document, list[Cog], TileSet | None]:
    """The item, and what it stands for: COGs, or the tiles of a giant."""
    tiles = processing.tiles_of(ctx, built, info, asked) if built[0].tile else None
    cogs = [] if tiles else built[0].cogs
    shown = tiles.overview if tiles else cogs[0]
    document = item.item(info, shown, asked.collection, asked.item_id)
    document["properties"] |= _source(info)
    return document, cogs, tiles


def knows(ctx: Context, wishes: ManyWishes, named: Named) -> bool:
    """Whether the catalog has an item of the same bytes."""
    found = ctx.catalog.item(wishes.collection, named.item_id)
    return found is not None and _made_of(found["properties"], ctx.blobs.info(named.source))


def add(ctx: Context, wishes: ManyWishes, items: Iterable[Document]) -> int:
    """A collection that must exist is only named; another is made with its first items."""
    name = wishes.collection
    to = name if wishes.collection_must_exist else _collection(name, wishes.collection_description)
    rest, count = iter(items), 0
    while some := list(islice(rest, AT_ONCE)):
        count += ctx.catalog.add(to, some)
        ctx.check()
    return count


def write(ctx: Context, ref: BlobRef, document: dict[str, Any]) -> None:
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    ctx.blobs.write(ref, text.encode(), content_type="application/geo+json")


def _documents(ctx: Context, made: Results[Made], ledger: batch.Ledger) -> Iterator[Document]:
    for done, each in enumerate(made, 1):
        ledger.made(each)
        if each.document is not None:
            yield each.document
        ctx.report(done / len(made), f"{done} of {len(made)} rasters")


def _source(info: RasterInfo) -> dict[str, str]:
    """What tells later whether the same bytes were there already."""
    found = {"coremachine:source_etag": info.etag, "coremachine:source_md5": info.md5}
    return {name: value for name, value in found.items() if value}


def _made_of(properties: Document, blob: BlobInfo) -> bool:
    if properties.get("coremachine:source") != blob.ref:
        return False
    same_bytes = blob.md5 and properties.get("coremachine:source_md5") == blob.md5
    return bool(same_bytes or properties.get("coremachine:source_etag") == blob.etag)


def _collection(name: str, description: str | None) -> Document:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": description or f"Rasters of the collection {name}",
        "license": "other",
        "links": [],
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[None, None]]},
        },
    }
