"""Where a forecast begins: at a place, or where satellites have seen fire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.fire import detections, sightings, site
from services.fire.denoise import Verdict, denoise
from services.fire.site import Point, Site
from services.geo.projecting import Box

MOST_FIRES = 5_000


class Asked(NamedTuple):
    """What a caller says of the place."""

    point: Point | None
    radius: float
    """Metres around it, or around all detections where no box is given."""
    bbox: Box | None
    detections: BlobRef | None
    begins: datetime
    seen_within: timedelta
    """How long before the beginning a fire may have been seen."""
    cell: float | None


def locate(blobs: Blobs, asked: Asked) -> Site:
    if asked.point is not None:
        box = asked.bbox or site.around(asked.point, asked.radius)
        return _site(asked, box, [asked.point], "point")
    if asked.detections is not None:
        return _of_detections(asked, _seen(blobs, asked, asked.detections))
    assert asked.bbox is not None
    begin = asked.begins - asked.seen_within
    found = _fires(sightings.find(blobs, asked.bbox, begin, asked.begins))
    if found:
        return _site(asked, asked.bbox, found, "detections")
    middle = site.middle(asked.bbox)
    told = (
        f"no fire is known in the box in the {asked.seen_within / timedelta(hours=1):g} hours before; "
        f"one is assumed in its middle, {middle[0]:.4f}, {middle[1]:.4f}"
    )
    return _site(asked, asked.bbox, [middle], "assumed", [told])


def _seen(blobs: Blobs, asked: Asked, ref: BlobRef) -> list[Verdict]:
    """Those of a file that fit in time, judged together with the others in it."""
    found = detections.parse(blobs.read(ref).decode("utf-8", "replace")).detections
    begin = asked.begins - asked.seen_within
    return [each for each in denoise(found) if begin < each.detection.seen <= asked.begins]


def _of_detections(asked: Asked, seen: Sequence[Verdict]) -> Site:
    places = _fires(seen)
    if asked.bbox is not None:
        places = [each for each in places if site.inside(asked.bbox, each)]
    if not places:
        raise BadInput(
            f"{asked.detections} has no fire between {asked.begins - asked.seen_within:%Y-%m-%d %H:%M} "
            f"and {asked.begins:%Y-%m-%d %H:%M} UTC; pass another reference_time or seen_within_hours"
        )
    return _site(asked, asked.bbox or site.around_all(places, asked.radius), places, "detections")


def _fires(seen: Sequence[Verdict]) -> list[Point]:
    places = [
        (each.detection.longitude, each.detection.latitude) for each in seen if not each.is_noise
    ]
    if len(places) > MOST_FIRES:
        raise BadInput(
            f"{len(places)} detections are more than {MOST_FIRES}; ask for a smaller box"
        )
    return places


def _site(
    asked: Asked, box: Box, fires: list[Point], ignition: str, warnings: Sequence[str] = ()
) -> Site:
    ground, air = site.grids(box, asked.cell)
    return Site(ground=ground, air=air, fires=fires, ignition=ignition, warnings=list(warnings))
