"""How a collection grows with its items: the box and the time that hold them all, and what they say alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from core.catalog import Document, span

Box = tuple[float, float, float, float]
"""West, south, east, north. West lies east of east where a box crosses the 180th meridian."""

WORLD: Box = (-180.0, -90.0, 180.0, 90.0)
UNKNOWN: Document = {
    "spatial": {"bbox": [list(WORLD)]},
    "temporal": {"interval": [[None, None]]},
}
"""Everywhere and at any time: what a collection says that holds nothing yet."""
OPEN_START, OPEN_END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
LISTED = ("proj:code", "platform", "coremachine:raster_type")
"""Properties whose different values a collection sums up."""
RANGED = ("gsd", "eo:cloud_cover")
"""Properties whose least and greatest values a collection sums up."""


def grow(collection: Document, items: Sequence[Document]) -> Document:
    """The collection, its extent and summaries large enough for the items too. They never shrink."""
    if not items:
        return collection
    extent = _extent(collection.get("extent") or UNKNOWN, items)
    summaries = _summaries(collection.get("summaries") or {}, items)
    return {**collection, "extent": extent, **({"summaries": summaries} if summaries else {})}


def _extent(old: Document, items: Sequence[Document]) -> Document:
    boxes, times = old["spatial"]["bbox"], old["temporal"]["interval"]
    unknown = tuple(boxes[0]) == WORLD and times[0] == [None, None]
    held = [_flat(item["bbox"]) for item in items if item.get("bbox")]
    box = reduce(_joined, held if unknown else [_flat(boxes[0]), *held]) if held else boxes[0]
    return {
        "spatial": {**old["spatial"], "bbox": [list(box), *boxes[1:]]},
        "temporal": {
            **old["temporal"],
            "interval": [_spanned([] if unknown else times[:1], items), *times[1:]],
        },
    }


def _flat(bbox: Sequence[float]) -> Box:
    """Without heights."""
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _joined(a: Box, b: Box) -> Box:
    """The narrowest box that holds both; it may cross the 180th meridian."""
    width, west, east = min(_covering(a, b), _covering(b, a), key=lambda arc: arc[0])
    south, north = min(a[1], b[1]), max(a[3], b[3])
    return (west, south, east, north) if width < 360 else (-180.0, south, 180.0, north)


def _covering(first: Box, other: Box) -> tuple[float, float, float]:
    """Width, west and east of the arc that begins where the first does and holds both."""
    reach = (other[0] - first[0]) % 360 + _width(other)
    if reach <= _width(first):
        return _width(first), first[0], first[2]
    return reach, first[0], other[2]


def _width(box: Box) -> float:
    return box[2] - box[0] if box[0] <= box[2] else box[2] - box[0] + 360


def _spanned(old: Sequence[Sequence[str | None]], items: Iterable[Document]) -> list[str | None]:
    """From the earliest start to the latest end. What is open stays open."""
    spans = [span(item) for item in items]
    firsts, lasts = [first for first, _ in spans], [last for _, last in spans]
    for start, end in old:
        firsts.append(datetime.fromisoformat(start) if start else OPEN_START)
        lasts.append(datetime.fromisoformat(end) if end else OPEN_END)
    return [_text(min(firsts)), _text(max(lasts))]


def _text(moment: datetime) -> str | None:
    return None if moment in (OPEN_START, OPEN_END) else utc(moment)


def utc(moment: datetime) -> str:
    """As STAC writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _summaries(old: Document, items: Iterable[Document]) -> Document:
    found = dict(old)
    for properties in (item["properties"] for item in items):
        for name in LISTED:
            if (value := properties.get(name)) is not None:
                found[name] = _with(found.get(name, []), value)
        for name in RANGED:
            if (value := properties.get(name)) is not None:
                found[name] = _widened(found.get(name), value)
    return found


def _with(values: list[Any], value: Any) -> list[Any]:
    return values if value in values else sorted([*values, value])


def _widened(old: Document | None, value: float) -> Document:
    low, high = (old["minimum"], old["maximum"]) if old else (value, value)
    return {"minimum": min(low, value), "maximum": max(high, value)}
