"""The catalog: what was made, as cards and on a map; and one item, looked at closely."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.blobs import BlobRef
from core.catalog import Document
from core.errors import BadInput, CollectionNotFound, CoreMachineError, ItemNotFound
from services.grids import over_time
from services.raster.models import COG_TYPE
from triggers.pages.page import ThePage

router = APIRouter(prefix="/catalog", include_in_schema=False)

ITEMS = 24
LONGEST = 200
COLORS = (
    "viridis", "magma", "inferno", "terrain", "ylorrd", "blues", "greens", "spectral", "rdbu", "gray",
)  # fmt: skip
"""Colour maps that the viewer offers; the address takes any that the tiles know."""
LARGEST = 20_000
"""Characters of an item that its page shows."""
NEWEST_FIRST = [{"field": "properties.datetime", "direction": "desc"}]
Text = Annotated[str, Query(max_length=LONGEST)]


@dataclass(frozen=True, slots=True)
class Card:
    """An item, as far as a card and a map need it."""

    collection: str
    name: str
    bbox: list[float] | None
    when: str
    has_picture: bool

    @property
    def link(self) -> str:
        return f"/catalog/{quote(self.collection, safe='')}/{quote(self.name, safe='')}"

    @property
    def picture(self) -> str | None:
        return (
            f"{tiles_of(self.collection, self.name)}/preview.png?max_size=256"
            if self.has_picture
            else None
        )


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an item."""

    key: str
    title: str
    kind: str
    blob: str | None
    is_raster: bool


@router.get("")
def catalog(
    page: ThePage, collection: Text = "", text: Text = "", bbox: Text = "", token: Text = ""
) -> Response:
    """Collections, and the items that fit what was asked for, newest first."""
    query, wrong = _query(collection, text, bbox)
    found: Document = {"features": [], "links": []}
    collections: list[Document] | None = None
    try:
        collections = page.services.catalog.collections()
        if not wrong:
            found = page.services.catalog.search({**query, **({"token": token} if token else {})})
    except CollectionNotFound as error:
        wrong = {"collection": str(error)}
    except BadInput as error:
        wrong = {"token": str(error)}
    except CoreMachineError:  # the catalog is away, which the page says
        collections = None
    cards = [card(item, shows=page.services.tiles) for item in found["features"]]
    asked = {k: v for k, v in {"collection": collection, "text": text, "bbox": bbox}.items() if v}
    return page.show(
        "catalog.html",
        422 if wrong else 200,
        collections=collections,
        cards=cards,
        boxes=json.dumps(
            [{"name": c.name, "bbox": c.bbox, "link": c.link} for c in cards if c.bbox]
        ),
        asked={"collection": collection, "text": text, "bbox": bbox},
        wrong=wrong,
        following=_next(found, asked),
        first=f"/catalog?{urlencode(asked)}",
        is_first=not token,
    )


@router.get("/{collection}/{item:path}")
def item(page: ThePage, collection: str, item: str) -> Response:
    """One item: its files, what it says, and its rasters to look at."""
    document = page.services.catalog.item(collection, item)
    if document is None:
        raise ItemNotFound(f"There is no item {item!r} in {collection!r}")
    assets = [_asset(key, each) for key, each in document.get("assets", {}).items()]
    rasters = [each for each in assets if each.is_raster] if page.services.tiles else []
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return page.show(
        "item.html",
        card=card(document, shows=page.services.tiles),
        about=document["properties"],
        assets=assets,
        rasters=rasters,
        ranges=json.dumps(_looks(document, rasters)),
        tiles=tiles_of(collection, item),
        colors=COLORS,
        variables=over_time.variables(document),
        series_from=f"/series/item?{urlencode({'collection': collection, 'item': item})}",
        has_form=not rasters,
        text=text if len(text) <= LARGEST else f"{text[:LARGEST]}…",
    )


def tiles_of(collection: str, item: str) -> str:
    return f"/api/tiles/{quote(collection, safe='')}/{quote(item, safe='')}"


def card(item: Document, *, shows: bool) -> Card:
    kinds = [str(asset.get("type", "")) for asset in item.get("assets", {}).values()]
    told = item.get("properties", {})
    when = told.get("datetime") or told.get("start_datetime") or ""
    has_picture = shows and any(kind.startswith("image/tiff") for kind in kinds)
    return Card(
        str(item["collection"]), str(item["id"]), _flat(item.get("bbox")), str(when), has_picture
    )


def _flat(box: list[float] | None) -> list[float] | None:
    """Without heights."""
    return [box[0], box[1], box[3], box[4]] if box is not None and len(box) == 6 else box


def _asset(key: str, asset: Mapping[str, Any]) -> Asset:
    kind, href = str(asset.get("type") or ""), str(asset.get("href") or "")
    try:
        blob = str(BlobRef(href))
    except BadInput:  # an address elsewhere, which is shown and not followed
        blob = None
    title = str(asset.get("title") or key)
    return Asset(key, title, kind, blob, kind == COG_TYPE or kind.startswith("image/tiff"))


def _looks(document: Document, rasters: list[Asset]) -> dict[str, Document]:
    """How the item says that each raster looks."""
    renders: dict[str, Document] = document["properties"].get("renders") or {}
    found: dict[str, Document] = {}
    for each in rasters:
        fitting = [one for one in renders.values() if each.key in (one.get("assets") or ())]
        keys = ("bidx", "rescale", "colormap_name")
        found[each.key] = {k: v for k, v in (fitting[0] if fitting else {}).items() if k in keys}
    return found


def _query(collection: str, text: str, bbox: str) -> tuple[Document, dict[str, str]]:
    query: Document = {"limit": ITEMS, "sortby": NEWEST_FIRST}
    if collection:
        query["collections"] = [collection]
    if text:
        query |= {"filter-lang": "cql2-json", "filter": holds(text)}
    if not bbox:
        return query, {}
    try:
        west, south, east, north = (float(side) for side in bbox.split(","))
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
            raise ValueError
    except ValueError:
        return query, {"bbox": "A box is west,south,east,north in degrees."}
    return {**query, "bbox": [west, south, east, north]}, {}


def holds(text: str) -> Document:
    """Items whose name holds a text, in whatever case."""
    quoted = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    name, wanted = ({"op": "casei", "args": [each]} for each in ({"property": "id"}, f"%{quoted}%"))
    return {"op": "like", "args": [name, wanted]}


def _next(found: Document, asked: Mapping[str, str]) -> str | None:
    token = next(
        (each.get("token") for each in found.get("links", []) if each.get("rel") == "next"), None
    )
    return f"/catalog?{urlencode({**asked, 'token': str(token)})}" if token else None
