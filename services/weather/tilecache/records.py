"""What cannot be read off the files: what sources have, how they are, and what went wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from core.blobs import Blobs
from core.errors import BadInput
from services.weather.models import Frozen
from services.weather.tilecache import shelf
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import Slot

FIRST, LONGEST = timedelta(minutes=10), timedelta(hours=2)
"""How long is waited before something that failed is tried again: twice as long each time, up to this."""


class Seen(Frozen):
    """Which hours of a run the sources were seen to have."""

    model: str
    run: AwareDatetime
    hours: tuple[int, ...] = ()
    reason: str = ""
    """Why the next hours are not there, in the sources' words."""
    at: AwareDatetime


class SourceStatus(Frozen):
    """How the sources of a model answered lately."""

    model: str
    works: bool
    reason: str = ""
    failures: int = 0
    """In a row."""
    at: AwareDatetime
    again: AwareDatetime
    """Before that, nobody asks them."""


class Failure(Frozen):
    """Why an hour could not be had, and when it is tried again."""

    reason: str
    attempts: int
    at: AwareDatetime
    again: AwareDatetime


class Followed(Frozen):
    """A region that is scanned."""

    region: Region
    at: AwareDatetime


def pause(failures: int) -> timedelta:
    return min(FIRST * 2 ** min(failures - 1, 10), LONGEST)


def note_failure(blobs: Blobs, slot: Slot, reason: str, now: datetime) -> Failure:
    before = shelf.read(blobs, shelf.failed(slot), Failure)
    attempts = 1 if before is None else before.attempts + 1
    failure = Failure(reason=reason, attempts=attempts, at=now, again=now + pause(attempts))
    shelf.keep(blobs, shelf.failed(slot), failure)
    return failure


def forget_failure(blobs: Blobs, slot: Slot) -> None:
    blobs.delete(shelf.failed(slot))


def note_source(blobs: Blobs, model: str, trouble: str, now: datetime) -> SourceStatus:
    """`trouble` is empty when it answers."""
    before = shelf.read(blobs, shelf.source(model), SourceStatus)
    failures = (before.failures if before else 0) + 1 if trouble else 0
    status = SourceStatus(
        model=model,
        works=not trouble,
        reason=trouble,
        failures=failures,
        at=now,
        again=now + pause(failures) if trouble else now,
    )
    shelf.keep(blobs, shelf.source(model), status)
    return status


def follow(blobs: Blobs, region: Region, now: datetime) -> None:
    """Remember the region, so that the inventory knows what is expected of it. Its box cannot change under its tiles."""
    before = shelf.read(blobs, shelf.region(region.folder), Followed)
    if before is not None and before.region.bbox != region.bbox:
        raise BadInput(
            f"region {region.name!r} with cells of {region.resolution} degrees is {before.region.bbox} already; "
            "give another box another name"
        )
    shelf.keep(blobs, shelf.region(region.folder), Followed(region=region, at=now))


def followed(blobs: Blobs) -> list[Region]:
    found = (shelf.read(blobs, info.ref, Followed) for info in shelf.below(blobs, "regions/"))
    return [each.region for each in found if each is not None]
