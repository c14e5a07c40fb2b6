"""A place over time: a part of other pages, as lines and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.errors import CoreMachineError, ItemNotFound
from services.grids import over_time
from services.weather.derive import ABOUT, Variable
from services.weather.models import ModelName
from services.weather.tilecache import series as tiles
from services.weather.tilecache.series import Point
from triggers.pages import formats
from triggers.pages.lines import Line, line
from triggers.pages.page import Page, ThePage

if TYPE_CHECKING:
    from services.tiles.opener import Opener

router = APIRouter(prefix="/series", include_in_schema=False)

RUNS = 8
"""How many of the newest runs are stitched together."""
Lon = Annotated[float, Query(ge=-360, le=360)]
Lat = Annotated[float, Query(ge=-90, le=90)]


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of a place: lines over the same times, and what one should know of them."""

    lines: Sequence[Line]
    where: str
    note: str = ""

    @property
    def said(self) -> str:
        return " ".join(each.said for each in self.lines)


@router.get("/item")
def series_of_item(
    page: ThePage, collection: str, item: str, variable: str, lon: Lon, lat: Lat
) -> Response:
    """A variable of an item."""
    return told(page, lambda: _of_item(page, collection, item, variable, lon, lat))


@router.get("/forecast")
def series_of_forecast(
    page: ThePage, model: ModelName, variable: Variable, lon: Lon, lat: Lat
) -> Response:
    """A variable of the forecasts that are kept as tiles."""
    return told(page, lambda: _of_forecast(page, model, variable, lon, lat))


def told(page: Page, read: Callable[[], Story]) -> Response:
    """The part; where there is nothing to draw, it says why."""
    story, why = None, ""
    try:
        story = read()
    except CoreMachineError as error:
        why = str(error)
    return page.show("parts/series.html", story=story, why=why)


def _of_item(
    page: Page, collection: str, item: str, variable: str, lon: float, lat: float
) -> Story:
    services = page.services
    document = services.catalog.item(collection, item)
    if document is None:
        raise ItemNotFound(f"There is no item {item[:200]!r} in {collection[:200]!r}.")
    opener: Opener | None = page.request.app.state.atlas.opener if services.tiles else None
    desk = over_time.Desk(services.catalog, services.blobs, services.grid_limits, opener)
    found = over_time.at(desk, document, variable, lon, lat)
    titles = {each.name: each.title for each in over_time.variables(document)}
    where = formats.place(found.lon, found.lat)
    near = f"The middle of the cell, {found.distance_km:.1f} km away. " if found.distance_km else ""
    more = f"The first {len(found.times):,} times; more follow." if found.next else ""
    drawn = line(titles.get(variable, variable), found.unit, found.times, found.values)
    return Story([drawn], where, near + more)


def _of_forecast(page: Page, model: ModelName, variable: Variable, lon: float, lat: float) -> Story:
    point = Point(lon=lon, lat=lat, model=model.value, variable=variable)
    found = tiles.stitched(page.services.blobs, point, RUNS)
    runs = sorted({each.run for each in found.values})
    drawn = line(
        ABOUT[variable].title,
        found.units,
        [f"{each.time:%Y-%m-%dT%H:%M:%S}" for each in found.values],
        [each.mean for each in found.values],
    )
    newest = f"{model.value.upper()} in region {found.region}; each time from the newest run that knows it"
    return Story([drawn], formats.place(found.lon, found.lat), f"{newest} ({len(runs)} in all).")
