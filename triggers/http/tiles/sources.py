"""Which rasters a request is about."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request

from services.tiles.atlas import Atlas, Source
from triggers.http.tiles.route import seen

NAME = r"^[^\x00-\x1f/]+$"
MOMENTS = r"^(\.\.|[\dTtZz:.+-]{4,40})(/(\.\.|[\dTtZz:.+-]{4,40})?)?$"
BOX = r"^-?\d{1,3}(\.\d+)?(,-?\d{1,3}(\.\d+)?){3}$"
Collection = Annotated[str, Path(pattern=NAME, max_length=256, description="A collection.")]
Item = Annotated[str, Path(pattern=NAME, max_length=256, description="An item of it.")]
Search = Annotated[
    str, Path(pattern=r"^[0-9a-f]{1,64}$", description="A search, as its registration named it.")
]
Asset = Annotated[
    str | None,
    Query(max_length=100, description="An asset by its key; else the best for looking at."),
]
When = Annotated[
    str | None,
    Query(alias="datetime", pattern=MOMENTS, description="A moment, or two with a / between."),
]
Where = Annotated[
    str | None,
    Query(pattern=BOX, max_length=100, description="west,south,east,north"),
]
Ids = Annotated[list[str] | None, Query(max_length=100, description="Only these items.")]


async def atlas_of(request: Request) -> Atlas:
    return request.app.state.atlas


TheAtlas = Annotated[Atlas, Depends(atlas_of)]


def of_item(
    collection: Collection, item: Item, request: Request, atlas: TheAtlas, asset: Asset = None
) -> Source:
    return seen(request, atlas.item(collection, item, asset))


def of_collection(
    collection: Collection,
    request: Request,
    atlas: TheAtlas,
    asset: Asset = None,
    when: When = None,
    bbox: Where = None,
    ids: Ids = None,
) -> Source:
    given: dict[str, Any] = {"datetime": when, "bbox": bbox and _numbers(bbox), "ids": ids}
    filters = {name: value for name, value in given.items() if value}
    return seen(request, atlas.collection(collection, filters, asset))


def of_search(search: Search, request: Request, atlas: TheAtlas, asset: Asset = None) -> Source:
    return seen(request, atlas.search(search, asset))


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
