"""Take detections in: judged by the rules together with what was seen before, and kept for forecasts and maps."""

from __future__ import annotations

from pydantic import AwareDatetime

from core.blobs import BlobRef, Blobs
from services.fire import denoise, detections, sightings
from services.fire.detections import BadRow
from services.fire.site import Frozen

SHOWN = 20
"""Bad rows that are told."""


class Ingested(Frozen):
    """What a table of detections held."""

    source: BlobRef
    detections: int
    noise: int
    reasons: dict[str, int]
    """How often each reason against a detection was found."""
    skipped: int
    """Rows that could not be read."""
    bad: list[BadRow]
    """The first of these."""
    first: AwareDatetime | None
    last: AwareDatetime | None
    bbox: tuple[float, float, float, float] | None
    blobs: list[BlobRef]


def ingest(blobs: Blobs, source: BlobRef, job: str) -> Ingested:
    found = detections.parse(blobs.read(source).decode("utf-8", "replace"))
    seen = found.detections
    judged = denoise.denoise(seen, history=sightings.before(blobs, seen))
    kept = sightings.store(blobs, judged, job[:16])
    lons, lats = [each.longitude for each in seen], [each.latitude for each in seen]
    reasons = [reason for each in judged for reason in each.reasons]
    return Ingested(
        source=source,
        detections=len(seen),
        noise=sum(each.is_noise for each in judged),
        reasons={each.value: reasons.count(each) for each in dict.fromkeys(reasons)},
        skipped=found.skipped,
        bad=found.bad[:SHOWN],
        first=min((each.seen for each in seen), default=None),
        last=max((each.seen for each in seen), default=None),
        bbox=(min(lons), min(lats), max(lons), max(lats)) if seen else None,
        blobs=kept,
    )
