"""Detections that were taken in, by tile of ten degrees and by day, found again by box and time.

Each file of detections leaves a blob in every tile and day it touches, under its own name: taking it in again
changes nothing, and no two writers ever touch one blob.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, TypeAdapter

from core.blobs import BlobRef, Blobs, Zone
from core.errors import BlobNotFound
from services.fire import site
from services.fire.denoise import Verdict
from services.fire.detections import Detection
from services.fire.site import Point
from services.geo.projecting import checked

CONTAINER = "fire-detections"
TILE = 10
HISTORY = timedelta(days=30)
SEVERAL = TypeAdapter(list[Verdict])
Key = tuple[str, date]


def store(blobs: Blobs, verdicts: Iterable[Verdict], name: str) -> list[BlobRef]:
    parts: dict[Key, list[Verdict]] = defaultdict(list)
    for each in verdicts:
        seen = each.detection
        parts[_tile(*place_of(seen)), seen.seen.astimezone(UTC).date()].append(each)
    refs: list[BlobRef] = []
    for (tile, day), some in sorted(parts.items()):
        ref = BlobRef.of(Zone.SILVER, CONTAINER, f"{tile}/{day}/{name}.json")
        blobs.write(ref, SEVERAL.dump_json(some), content_type="application/json")
        refs.append(ref)
    return refs


def find(
    blobs: Blobs, box: Sequence[float], begin: AwareDatetime, end: AwareDatetime
) -> list[Verdict]:
    """Seen after `begin` and until `end`, each once, the earliest first."""
    found = _once(blobs, _tiles(box), begin, end)
    return [each for each in found if site.inside(box, place_of(each.detection))]


def before(blobs: Blobs, seen: Sequence[Detection]) -> list[Detection]:
    """What was seen in the same tiles in the weeks before: what is always hot is no wildfire."""
    if not seen:
        return []
    first = min(each.seen for each in seen)
    tiles = sorted({_tile(*place_of(each)) for each in seen})
    return [each.detection for each in _once(blobs, tiles, first - HISTORY, first)]


def place_of(seen: Detection) -> Point:
    return seen.longitude, seen.latitude


def _once(blobs: Blobs, tiles: Iterable[str], begin: datetime, end: datetime) -> list[Verdict]:
    found: dict[tuple[Any, ...], Verdict] = {}
    for ref in (ref for tile in tiles for ref in _blobs(blobs, tile, begin, end)):
        for each in SEVERAL.validate_json(blobs.read(ref)):
            one = each.detection
            if begin < one.seen <= end:
                found[(*place_of(one), one.seen, one.satellite, one.sensor)] = each
    return sorted(found.values(), key=lambda each: each.detection.seen)


def features(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """As GeoJSON."""
    return [_feature(each) for each in verdicts]


def _feature(verdict: Verdict) -> dict[str, Any]:
    told = verdict.detection.model_dump(mode="json")
    place = [told.pop("longitude"), told.pop("latitude")]
    judged = verdict.model_dump(mode="json", exclude={"detection"})
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": place},
        "properties": {**told, **judged},
    }


def _blobs(blobs: Blobs, tile: str, begin: datetime, end: datetime) -> Iterator[BlobRef]:
    first, last = (str(each.astimezone(UTC).date()) for each in (begin, end))
    month = first[:7] if first[:7] == last[:7] else ""
    prefix, after = f"{tile}/{month}", None
    while True:
        try:
            page = blobs.list(Zone.SILVER, CONTAINER, prefix, after)
        except BlobNotFound:
            return  # nothing was ever taken in
        yield from (i.ref for i in page.blobs if first <= i.ref.path.split("/")[1] <= last)
        if (after := page.next) is None:
            return


def _tile(lon: float, lat: float) -> str:
    """By its south-west corner."""
    west, south = math.floor(lon / TILE) * TILE, math.floor(lat / TILE) * TILE
    west = (west + 180) % 360 - 180
    south = min(south, 90 - TILE)
    return f"{'n' if south >= 0 else 's'}{abs(south):02}{'e' if west >= 0 else 'w'}{abs(west):03}"


def _tiles(box: Sequence[float]) -> list[str]:
    west, south, east, north = checked(box)
    columns = range(math.floor(west / TILE), math.floor(east / TILE) + 1)
    rows = range(math.floor(south / TILE), math.floor(min(north, 89.9) / TILE) + 1)
    return list(dict.fromkeys(_tile(x * TILE, y * TILE) for x in columns for y in rows))
