"""What one round of fetching and building came to."""

from __future__ import annotations

from collections.abc import Iterable

from services.weather.models import Frozen
from services.weather.tilecache.building import Built
from services.weather.tilecache.ingest import Ingested

MOST_TOLD = 20


class Round(Frozen):
    """Counts are of hours and variables; the inventory tells the rest."""

    fetched: int = 0
    bytes: int = 0
    """Read from the sources."""
    built: int = 0
    failed: int = 0
    reasons: tuple[str, ...] = ()
    """Why, the first of them."""


def told(built: Iterable[Built], fetched: Iterable[Ingested]) -> Round:
    hours, tiles = list(fetched), list(built)
    reasons = [
        f"{each.model} f{each.hour:03d} {variable.value}: {why}"
        for each in hours
        for variable, why in each.failed.items()
    ]
    reasons += [
        f"{each.model} f{hour:03d} {each.variable.value}: {why}"
        for each in tiles
        for hour, why in each.failed.items()
    ]
    return Round(
        fetched=sum(len(each.kept) for each in hours),
        bytes=sum(each.bytes for each in hours),
        built=sum(len(each.hours) for each in tiles),
        failed=len(reasons),
        reasons=tuple(reasons[:MOST_TOLD]),
    )
