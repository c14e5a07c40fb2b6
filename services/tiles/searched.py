"""Many items that are shown as one: those that a search of the catalog finds, the newest on top."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from shapely.errors import ShapelyError
from shapely.geometry import box as box_of
from shapely.geometry import mapping, shape

from core.blobs import BlobRef
from core.catalog import Catalog
from core.errors import BadInput
from services.raster.models import Box
from services.tiles.assets import Document
from services.tiles.opener import Opener
from services.tiles.readers import Found

WORLD: Box = (-180.0, -90.0, 180.0, 90.0)
NEWEST_FIRST = [{"field": "datetime", "direction": "desc"}, {"field": "id", "direction": "asc"}]


@dataclass(frozen=True, slots=True)
class Head:
    """The first items that a search finds anywhere, and whether there are more."""

    items: list[Document]
    more: bool


@dataclass(frozen=True, slots=True)
class Searched:
    """The rasters that a search finds. `rasters_of` names those of one item that meet a box."""

    catalog: Catalog
    query: Document
    head: Head
    bounds: Box
    opener: Opener
    most: int
    rasters_of: Callable[[Document, Box], list[BlobRef]]

    def within(self, box: Box) -> Found:
        query = narrowed(self.query, box)
        return self._found(look(self.catalog, query, self.most), box) if query else Found([])

    def whole(self) -> Found:
        return self._found(self.head, self.bounds)

    def fine(self) -> Found:
        return self.whole()

    def _found(self, found: Head, box: Box) -> Found:
        refs = [ref for item in found.items for ref in self.rasters_of(item, box)]
        return Found(refs[: self.most], found.more or len(refs) > self.most)


def look(catalog: Catalog, query: Document, most: int) -> Head:
    found = catalog.search({"sortby": NEWEST_FIRST, **query, "limit": most + 1})
    items: list[Document] = found["features"]
    return Head(items[:most], len(items) > most)


def narrowed(query: Document, box: Box) -> Document | None:
    """The same search in a box only; None where it finds nothing there."""
    if query.get("intersects"):
        there = shape(query["intersects"]).intersection(box_of(*box))
        return None if there.is_empty else {**query, "intersects": mapping(there)}
    both = common(flat(query["bbox"]), box) if query.get("bbox") else box
    return {**query, "bbox": list(both)} if both else None


def check(query: Document) -> None:
    """Refuse a geometry that is none."""
    try:
        shape(query.get("intersects") or mapping(box_of(*WORLD)))
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError):
        raise BadInput("intersects is no GeoJSON geometry") from None


def common(one: Box, other: Box) -> Box | None:
    west, south = max(one[0], other[0]), max(one[1], other[1])
    east, north = min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west <= east and south <= north else None


def around(boxes: Iterable[Box]) -> Box:
    """The box around all; the world where there is none. One that crosses the 180th meridian spans all."""
    known = [(-180.0, b[1], 180.0, b[3]) if b[0] > b[2] else b for b in boxes] or [WORLD]
    west, south, east, north = zip(*known, strict=True)
    return min(west), min(south), max(east), max(north)


def flat(bbox: list[Any]) -> Box:
    """STAC boxes may have heights."""
    west, south, east, north = bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
    return float(west), float(south), float(east), float(north)
