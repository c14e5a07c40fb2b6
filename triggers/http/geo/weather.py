"""Forecasts that are kept as tiles: what is there, and what they say of a place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from services.weather.derive import Variable
from services.weather.models import ModelName
from services.weather.tilecache import inventory, series
from services.weather.tilecache.inventory import Inventory
from services.weather.tilecache.series import MultiRun, Point, Series, Stitched
from triggers.http.services import TheServices

router = APIRouter(prefix="/api", tags=["weather"])
Runs = Annotated[int, Query(ge=1, le=24, description="How many of the newest runs.")]


def point_of(
    lon: Annotated[float, Query(ge=-360, le=360)],
    lat: Annotated[float, Query(ge=-90, le=90)],
    model: ModelName,
    variable: Variable,
    region: Annotated[
        str | None, Query(description="The finest that the place lies in when not given.")
    ] = None,
) -> Point:
    return Point(lon=lon, lat=lat, model=model.value, variable=variable, region=region)


ThePoint = Annotated[Point, Depends(point_of)]


@router.get("/weather/inventory")
def weather_inventory(
    services: TheServices, region: str | None = None, model: ModelName | None = None
) -> Inventory:
    """Every run of every model and region: how far each hour has come, why, and what it takes."""
    return inventory.inventory(services.blobs, datetime.now(UTC)).only(region, model)


@router.get("/timeseries")
def timeseries(
    services: TheServices,
    point: ThePoint,
    run: Annotated[AwareDatetime | None, Query(description="The newest when not given.")] = None,
) -> Series:
    """What one run says of a place over time."""
    return series.series(services.blobs, point, run)


@router.get("/timeseries/multirun")
def timeseries_multirun(services: TheServices, point: ThePoint, runs: Runs = 4) -> MultiRun:
    """What several runs say of a place, side by side."""
    return series.multirun(services.blobs, point, runs)


@router.get("/timeseries/stitched")
def timeseries_stitched(services: TheServices, point: ThePoint, runs: Runs = 8) -> Stitched:
    """What the newest run that knows a time says of it, time after time."""
    return series.stitched(services.blobs, point, runs)
