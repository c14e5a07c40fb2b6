"""Publish what was made of a raster: its item, as a blob beside the COGs and in the catalog."""

import json

from core.blobs import BlobRef, Blobs
from core.catalog import Document
from core.context import Context
from core.results import Results
from services.raster import processing, rendering
from services.raster.models import Built, Published, RasterInfo, TileSet
from services.raster.processing import Asked
from services.stac import collection
from services.stac.item import item
from services.stac.tiled import OVERVIEW, TILES, item_of_tiles


def publish(ctx: Context, info: RasterInfo, built: Results[Built], asked: Asked) -> Published:
    """The item appears in the catalog when all it names is in place; published again, it is replaced."""
    made = list(built)
    tiles = processing.tiles_of(ctx, made, info, asked) if made[0].tile else None
    document = item_of(info, made[0], tiles, asked)
    ref = BlobRef(f"{asked.prefix}.json")
    write(ctx.blobs, ref, document)
    add(ctx, asked, [document])
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


def item_of(info: RasterInfo, built: Built, tiles: TileSet | None, asked: Asked) -> Document:
    shown = rendering.default(info)
    if tiles:
        renders = rendering.as_renders(shown, [TILES, OVERVIEW])
        return item_of_tiles(info, tiles, asked.collection, asked.item_id, renders=renders)
    renders = rendering.as_renders(shown, [cog.tier.value for cog in built.cogs])
    return item(info, built.cogs, asked.collection, asked.item_id, renders=renders)


def add(ctx: Context, asked: Asked, items: list[Document]) -> None:
    known = asked.collection_must_exist
    target = asked.collection if known else collection.of_rasters(asked.collection)
    ctx.catalog.add(target, items)


def write(blobs: Blobs, ref: BlobRef, document: Document) -> None:
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    blobs.write(ref, text.encode(), content_type="application/geo+json")
