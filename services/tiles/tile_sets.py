"""One giant raster in many files: the index that says which file lies where."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.blobs import BlobRef, Blobs
from services.raster.models import Box
from services.tiles.assets import shown_ref
from services.tiles.errors import CannotShow, TooManyRasters
from services.tiles.kept import Kept
from services.tiles.opener import Opener
from services.tiles.readers import Found

LOOKED_AFTER = 60.0
"""Seconds an index is trusted before storage is asked whether it changed."""
KEPT = 64
LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Boxes in degrees, a row for each file."""

    boxes: np.ndarray
    refs: list[BlobRef]

    def within(self, box: Box) -> list[BlobRef]:
        west, south, east, north = self.boxes.T
        hit = (west <= box[2]) & (box[0] <= east) & (south <= box[3]) & (box[1] <= north)
        return [self.refs[at] for at in np.flatnonzero(hit)]


@dataclass(frozen=True, slots=True)
class TileSet:
    """The files of a giant raster. Where a picture would need too many, its overview serves."""

    index: Index
    opener: Opener
    overview: BlobRef | None
    most: int

    @property
    def bounds(self) -> Box:
        low, high = self.index.boxes.min(axis=0), self.index.boxes.max(axis=0)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])

    def some(self, box: Box) -> list[BlobRef]:
        refs = self.index.within(box)
        return [self.overview] if self.overview and len(refs) > self.most else refs

    def within(self, box: Box) -> Found:
        refs = self.some(box)
        if len(refs) <= self.most:
            return Found(refs)
        raise TooManyRasters(
            f"{len(refs)} files of this raster meet here; one picture may open {self.most}. "
            "Zoom in, or ask for a smaller part."
        )

    def whole(self) -> Found:
        if self.overview:
            return Found([self.overview])
        return Found(self.index.refs[: self.most], len(self.index.refs) > self.most)

    def fine(self) -> Found:
        return Found(self.index.refs[:1])


class Indexes:
    """Reads indexes, and keeps them for as long as they are what storage has."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._etags: Kept[BlobRef, str] = Kept(LOOKED_AFTER, KEPT)
        self._indexes: Kept[tuple[BlobRef, str], Index] = Kept(float("inf"), KEPT)

    def get(self, ref: BlobRef) -> Index:
        etag = self._etags.get(ref, lambda: self._etag(ref))
        return self._indexes.get((ref, etag), lambda: parse(self._blobs.read(ref, etag=etag), ref))

    def _etag(self, ref: BlobRef) -> str:
        info = self._blobs.info(ref)
        if info.size > LARGEST:
            raise CannotShow(f"{ref} is larger than an index of tiles may be")
        return info.etag


def parse(data: bytes, name: str) -> Index:
    """The index in a GeoJSON FeatureCollection. Each feature has a `bbox`, and `properties.href`."""
    try:
        features: list[dict[str, Any]] = json.loads(data)["features"]
        boxes = np.array([feature["bbox"] for feature in features], dtype="float64").reshape(-1, 4)
        hrefs = [feature["properties"]["href"] for feature in features]
    except (ValueError, KeyError, TypeError):
        raise CannotShow(f"{name} is no index of tiles") from None
    if not len(boxes):
        raise CannotShow(f"{name} lists no tile")
    return Index(boxes, [shown_ref(href, name) for href in hrefs])
