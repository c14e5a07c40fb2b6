"""Tiles, previews and values of everything in the catalog that is a raster, through titiler.

Importing this takes two seconds, so it is imported when the web app is made, and only where tiles are on.
"""

from functools import cache

from fastapi import APIRouter

from services.tiles.atlas import Atlas
from services.tiles.opener import Linked
from triggers.http.services import Services
from triggers.http.tiles import searches
from triggers.http.tiles.factory import Mosaic, router_of
from triggers.http.tiles.route import BUSY
from triggers.http.tiles.sources import of_collection, of_item, of_search

ITEM, MOSAIC = "/api/tiles/{collection}/{item}", "/api/mosaics/{collection}"
SEARCH = "/api/mosaics/searches/{search}"


@cache
def routers() -> list[APIRouter]:
    """Literal paths before those with parameters."""
    return [
        searches.router,
        router_of(SEARCH, "search", of_search, Mosaic),
        router_of(MOSAIC, "mosaic", of_collection, Mosaic),
        router_of(ITEM, "item", of_item),
    ]


def atlas(services: Services) -> Atlas:
    opener = services.rasters or Linked(services.blobs)
    return Atlas(services.catalog, services.blobs, opener, services.tile_rasters)


__all__ = ["BUSY", "atlas", "routers"]
