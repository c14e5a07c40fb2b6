"""Mosaics of what a search finds: register it once, then show it by its name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from triggers.http.tiles.sources import MOMENTS, TheAtlas

router = APIRouter(prefix="/api/mosaics/searches", tags=["tiles"])

Degrees = Annotated[float, Field(ge=-180, le=180)]


class Search(BaseModel):
    """What shall be shown: some items of some collections, the newest on top unless `sortby` says otherwise."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    collections: Annotated[list[str], Field(min_length=1, max_length=20)]
    ids: Annotated[list[str] | None, Field(max_length=500)] = None
    bbox: tuple[Degrees, Degrees, Degrees, Degrees] | None = None
    intersects: dict[str, Any] | None = None
    datetime: Annotated[str | None, Field(pattern=MOMENTS)] = None
    filter: dict[str, Any] | None = None
    filter_lang: Annotated[str | None, Field(alias="filter-lang", pattern="^cql2-json$")] = None
    query: dict[str, Any] | None = None
    sortby: list[dict[str, str]] | None = None


class Registered(BaseModel):
    """A search that has a name. Equal searches have the same."""

    id: str
    links: dict[str, str]


@router.post("", status_code=201)
def register_search(search: Search, request: Request, atlas: TheAtlas) -> Registered:
    """Keep a search, so that what it finds can be shown as one. What comes later is found too."""
    name = atlas.register(search.model_dump(mode="json", by_alias=True, exclude_none=True))
    here = f"/api/mosaics/searches/{name}"
    links = {
        "self": f"{here}/info",
        "tilejson": f"{here}/WebMercatorQuad/tilejson.json",
        "wmts": f"{here}/WMTSCapabilities.xml",
        "tile": f"{here}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}",
    }
    return Registered(id=name, links=links)
