"""Cubes over HTTP: a place over time, a region in numbers, many times as one map."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from core.errors import BadInput
from services.grids import ask, cubes
from services.grids.ask import Map, Series, Statistics
from services.grids.cubes import Cube
from services.grids.models import Box, GridInfo
from services.grids.moments import Reduction
from services.grids.select import EVERYWHERE, When
from triggers.http.services import TheServices

router = APIRouter(prefix="/api/xarray/{collection}/{item}", tags=["grids"])

MOMENT = r"^\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2})?)?)?)?)?$"


def cube_of(collection: str, item: str, services: TheServices) -> Cube:
    return cubes.cube_of(services.catalog, services.blobs, collection, item)


def when_of(
    variable: Annotated[str | None, Query(description="Needed where there are several.")] = None,
    start: Annotated[
        str | None, Query(pattern=MOMENT, description="As 2020-01-31T06:00, or less of it.")
    ] = None,
    end: Annotated[
        str | None, Query(pattern=MOMENT, description="Included: 2020-01 is all of January.")
    ] = None,
    level: Annotated[float | None, Query(description="The nearest level or depth.")] = None,
) -> When:
    return When(variable, start, end, level)


def box_of(
    bbox: Annotated[
        str | None, Query(description="west,south,east,north in degrees; everything if left out.")
    ] = None,
) -> Box:
    try:
        west, south, east, north = map(float, bbox.split(",")) if bbox else EVERYWHERE
    except ValueError:
        raise BadInput(f"bbox={bbox} is no box; write west,south,east,north") from None
    if not (-360 <= west <= 360 and -360 <= east <= 360 and -90 <= south <= north <= 90):
        raise BadInput(f"bbox={bbox} is no box on the earth; write west,south,east,north")
    return west, south, east, north


TheCube = Annotated[Cube, Depends(cube_of)]
TheWhen = Annotated[When, Depends(when_of)]
TheBox = Annotated[Box, Depends(box_of)]


@router.get("/info")
def grid_info(cube: TheCube) -> GridInfo:
    """What the cube holds: variables, dimensions, extent, times."""
    return cube.info


@router.get("/point")
def grid_point(
    services: TheServices,
    cube: TheCube,
    when: TheWhen,
    lon: Annotated[float, Query(ge=-360, le=360)],
    lat: Annotated[float, Query(ge=-90, le=90)],
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many times at most.")] = 1000,
) -> Series:
    """A variable over time at the nearest cell. `next` is the start of what did not fit."""
    return ask.point(cube, lon, lat, services.grid_limits, when, limit)


@router.get("/statistics")
def grid_statistics(services: TheServices, cube: TheCube, when: TheWhen, box: TheBox) -> Statistics:
    """A variable over a region and a time, cells weighed by their size."""
    return ask.statistics(cube, box, services.grid_limits, when)


@router.get("/aggregate")
def grid_aggregate(
    services: TheServices,
    cube: TheCube,
    when: TheWhen,
    box: TheBox,
    function: Reduction = Reduction.MEAN,
) -> Map:
    """Many times as one: a value per cell."""
    return ask.aggregate(cube, function, services.grid_limits, when, box)
