"""What an item of the catalog says of a place over time: from its cube, or from the bands of a COG where that lies in metres."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from core.blobs import Blobs
from core.catalog import Catalog, Document
from core.errors import BadInput
from core.imports import one_at_a_time
from services.grids import ask, cubes
from services.grids.ask import Series
from services.grids.models import GridLimits
from services.grids.select import When

if TYPE_CHECKING:
    from services.tiles.opener import Opener

MOST_TIMES = 1000
DEGREES = 4326
BAND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
"""How a band names the moment it is of."""


class Timed(NamedTuple):
    """A variable that an item has over time."""

    name: str
    title: str
    unit: str


class Desk(NamedTuple):
    """What a place is read with. Without an opener there are no COGs."""

    catalog: Catalog
    blobs: Blobs
    limits: GridLimits
    opener: Opener | None


def variables(item: Document) -> list[Timed]:
    """As the item says it: nothing is opened."""
    times = {name for name, each in _told(item, "dimensions") if each.get("type") == "temporal"}
    return [
        Timed(name, str(each.get("description") or name), str(each.get("unit") or ""))
        for name, each in _told(item, "variables")
        if each.get("type") == "data" and not times.isdisjoint(map(str, each.get("dimensions", ())))
    ]


def at(desk: Desk, item: Document, variable: str, lon: float, lat: float) -> Series:
    """One variable at the cell of a place. BadInput or a 404 say why there is none."""
    known = {each.name: each for each in variables(item)}
    if variable not in known:
        there = ", ".join(known)[:500] or "none"
        raise BadInput(f"{variable[:100]!r} is no variable over time of this item; it has {there}.")
    if not _in_metres(item):
        cube = cubes.cube_of(desk.catalog, desk.blobs, str(item["collection"]), str(item["id"]))
        return ask.point(cube, lon, lat, desk.limits, When(variable), MOST_TIMES)
    if desk.opener is None:
        raise BadInput("This host shows no rasters, and the cube of this item lies in metres.")
    return _of_bands(desk.opener, item, known[variable], lon, lat)


def _told(item: Document, what: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Whoever wrote the item may have written anything."""
    found = item.get("properties", {}).get(f"cube:{what}")
    pairs: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    return [(str(name), each) for name, each in pairs.items() if isinstance(each, Mapping)]


def _in_metres(item: Document) -> bool:
    systems = [each.get("reference_system", DEGREES) for _, each in _told(item, "dimensions")]
    return any(system != DEGREES for system in systems)


def _of_bands(opener: Opener, item: Document, about: Timed, lon: float, lat: float) -> Series:
    with one_at_a_time:
        from services.tiles import along  # noqa: PLC0415 - takes seconds to import, and not every host shows rasters
        from services.tiles.assets import shown_ref  # noqa: PLC0415 - the same

    asset = item.get("assets", {}).get(about.name, {})
    ref = shown_ref(asset.get("href", ""), f"The raster of {about.name}")
    bands = [
        (found[0], value)
        for name, value in along.bands_at(opener, ref, lon, lat, MOST_TIMES)
        if (found := BAND.match(name))
    ]
    if not bands:
        raise BadInput(f"The bands of {about.name} do not say of which time they are.")
    return Series(
        variable=about.name,
        unit=about.unit,
        lon=round(lon, 6),
        lat=round(lat, 6),
        distance_km=0,
        times=[f"{moment}:00" for moment, _ in bands],
        values=[value for _, value in bands],
        next=None,
    )
