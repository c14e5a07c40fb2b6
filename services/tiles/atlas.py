"""Finds what is to be shown, and how: an item, a collection, a registered search."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from morecantile import TileMatrixSet
from rio_tiler.io import BaseReader

from core.blobs import BlobRef, Blobs
from core.catalog import Catalog
from core.errors import CollectionNotFound, CoreMachineError, ItemNotFound
from services.raster.models import Box
from services.raster.rendering import Rendering, from_item
from services.tiles.assets import OVERVIEW, TILES, Document, chosen, rendering_of, shown_ref
from services.tiles.errors import OutsideBounds
from services.tiles.kept import Kept
from services.tiles.opener import Opener
from services.tiles.readers import Cog, MosaicReader, read_one
from services.tiles.searched import Head, Searched, around, check, common, flat, look
from services.tiles.tile_sets import Indexes, TileSet

REMEMBERED = 30.0
"""Seconds until a mosaic notices what is new in its collection."""
SEARCHES = 1_000


class SearchNotFound(CoreMachineError):
    """No search was registered under that name."""

    code, status = "search_not_found", 404


@dataclass(frozen=True, slots=True)
class Source:
    """What pictures are made of. `version` names its state; empty where that may change unseen."""

    title: str
    rendering: Rendering
    version: str
    read: Callable[[TileMatrixSet], BaseReader]


class Atlas:
    """Everything that can be shown. No picture opens more than `most` rasters."""

    def __init__(self, catalog: Catalog, blobs: Blobs, opener: Opener, most: int) -> None:
        self._catalog = catalog
        self.opener = opener
        self._most = most
        self._indexes = Indexes(blobs)
        self._heads: Kept[str, Head] = Kept(REMEMBERED, SEARCHES)
        self._searches: Kept[str, Document | None] = Kept(REMEMBERED, SEARCHES)

    def item(self, collection: str, name: str, asset: str | None = None) -> Source:
        item = self._catalog.item(collection, name)
        if item is None:
            raise ItemNotFound(
                f"There is no item {name[:100]!r} in collection {collection[:100]!r}"
            )
        key = chosen(item, asset)
        return Source(
            title=f"{collection}/{name}",
            rendering=rendering_of(item, key),
            version=_version(item, key),
            read=self._reader(item, key),
        )

    def collection(self, name: str, filters: Document, asset: str | None = None) -> Source:
        found = self._catalog.collection(name)
        if found is None:
            raise CollectionNotFound(f"There is no collection {name[:100]!r}")
        return self._mosaic(name, {**filters, "collections": [name]}, asset)

    def search(self, name: str, asset: str | None = None) -> Source:
        query = self._searches.get(name, partial(self._catalog.registered, name))
        if query is None:
            raise SearchNotFound(f"There is no search {name[:100]!r}; register it first")
        return self._mosaic(name, query, asset)

    def register(self, query: Document) -> str:
        """Keep a search. The catalog names it, so that equal searches have one name."""
        check(query)
        for name in query["collections"]:
            if self._catalog.collection(name) is None:
                raise CollectionNotFound(f"There is no collection {name[:100]!r}")
        return self._catalog.register(query)

    def _reader(self, item: Document, key: str) -> Callable[[TileMatrixSet], BaseReader]:
        if key == TILES:
            return partial(MosaicReader, self._tile_set(item))
        ref = shown_ref(item["assets"][key].get("href"), f"Asset {key!r}")
        return partial(read_one, Cog(ref, self.opener))

    def _tile_set(self, item: Document) -> TileSet:
        assets = item["assets"]
        overview = assets.get(OVERVIEW)
        return TileSet(
            index=self._indexes.get(shown_ref(assets[TILES].get("href"), f"Asset {TILES!r}")),
            opener=self.opener,
            overview=shown_ref(overview.get("href"), f"Asset {OVERVIEW!r}") if overview else None,
            most=self._most,
        )

    def _mosaic(self, title: str, query: Document, asset: str | None) -> Source:
        head = self._head(query)
        found = Searched(
            catalog=self._catalog,
            query=query,
            head=head,
            bounds=self._bounds(query, head),
            opener=self.opener,
            most=self._most,
            rasters_of=partial(self._rasters_of, asset),
        )
        return Source(title, self._common(query, head, asset), "", partial(MosaicReader, found))

    def _head(self, query: Document) -> Head:
        key = json.dumps(query, sort_keys=True)
        head = self._heads.get(key, lambda: look(self._catalog, query, self._most))
        if not head.items:
            raise OutsideBounds("Nothing was found to be shown.")
        return head

    def _rasters_of(self, asset: str | None, item: Document, box: Box) -> list[BlobRef]:
        """Those of an item that meet a box: one, or some of a tile set."""
        key = chosen(item, asset)
        if key == TILES:
            return self._tile_set(item).some(box)
        return [shown_ref(item["assets"][key].get("href"), f"Asset {key!r} of {item['id']}")]

    def _common(self, query: Document, head: Head, asset: str | None) -> Rendering:
        """One for all, so that no seam shows: the collection's own, else that of the newest item."""
        key = chosen(head.items[0], asset)
        names = query.get("collections") or []
        for name in names if len(names) == 1 else ():
            renders = (self._catalog.collection(name) or {}).get("renders")
            if renders:
                return from_item({"id": name, "properties": {"renders": renders}}, key)
        return rendering_of(head.items[0], key)

    def _bounds(self, query: Document, head: Head) -> Box:
        """Of all items where they are few, else of their collections."""
        if head.more:
            found = [
                self._catalog.collection(name) or {} for name in query.get("collections") or []
            ]
            bounds = around(box for one in found for box in _extent(one))
        else:
            bounds = around(flat(item["bbox"]) for item in head.items if item.get("bbox"))
        return (common(bounds, flat(query["bbox"])) if query.get("bbox") else None) or bounds


def _extent(collection: Document) -> list[Box]:
    boxes: list[list[float]] = collection.get("extent", {}).get("spatial", {}).get("bbox") or []
    return [flat(box) for box in boxes[:1]]


def _version(item: Document, key: str) -> str:
    """Blobs are named by what they hold, so their names and the rendering tell everything."""
    hrefs = [item["assets"].get(name, {}).get("href") for name in (key, OVERVIEW)]
    told = json.dumps([hrefs, item.get("properties", {}).get("renders")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
