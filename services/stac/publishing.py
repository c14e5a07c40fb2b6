"""Publish what was made of a raster: its item, as a blob and in the catalog."""

import json
from typing import Any

from core.blobs import BlobRef
from core.context import Context
from core.results import Results
from services.raster import processing
from services.raster.models import Built, Published, RasterInfo
from services.raster.processing import Asked
from services.stac.item import item


def publish(ctx: Context, info: RasterInfo, built: Results[Built], asked: Asked) -> Published:
    made = list(built)
    tiles = processing.tiles_of(ctx, made, info, asked) if made[0].tile else None
    cogs = [] if tiles else made[0].cogs
    document = item(info, [tiles.overview] if tiles else cogs, asked.collection, asked.item_id)
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


def write(ctx: Context, ref: BlobRef, document: dict[str, Any]) -> None:
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    ctx.blobs.write(ref, text.encode(), content_type="application/geo+json")
