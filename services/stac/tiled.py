"""Describe the tiles of a giant raster as one STAC item: an index of the tiles, a mosaic, a picture of it all."""

from datetime import datetime
from typing import Any

from core.catalog import Document
from services.raster.models import RasterInfo, TileSet
from services.stac.item import item, projection, resolution

TILES, MOSAIC, OVERVIEW = "tiles", "mosaic", "overview"


def item_of_tiles(
    info: RasterInfo,
    tiles: TileSet,
    collection: str,
    item_id: str,
    *,
    taken: datetime | None = None,
    renders: dict[str, Any] | None = None,
) -> Document:
    """Its place is what the tiles cover, its projection the grid that they share."""
    properties = {
        **projection(tiles.grid),
        "gsd": resolution(tiles.grid),
        "processing:lineage": f"{tiles.tiles} tiles, each a Cloud Optimized GeoTIFF, cut from {info.source}",
        "coremachine:tile_count": tiles.tiles,
        "coremachine:empty_tiles": tiles.empty,
        "coremachine:bytes": tiles.tier_bytes,
        "coremachine:monthly_cost": tiles.tier_costs,
    }
    found = item(
        info,
        [tiles.overview],
        collection,
        item_id,
        taken=taken,
        renders=renders,
        properties=properties,
    )
    (picture,) = found["assets"].values()
    found["assets"] = _assets(tiles, picture)
    return found


def _assets(tiles: TileSet, picture: Document) -> Document:
    return {
        TILES: {
            "href": str(tiles.index),
            "type": "application/geo+json",
            "title": f"Index of {tiles.tiles} tiles",
            "roles": ["tile-index", "metadata"],
        },
        MOSAIC: {
            "href": str(tiles.mosaic),
            "type": "application/json",
            "title": "MosaicJSON of the tiles",
            "roles": ["mosaic", "metadata"],
        },
        OVERVIEW: {
            **picture,
            "title": "The whole image, small",
            "roles": ["overview"],
            **projection(tiles.overview.grid),
        },
    }
