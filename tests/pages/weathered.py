"""Items and tiles that have a time: patches in degrees and in metres, a cube without rasters, forecasts that are kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.blobs import BlobRef
from core.states import JobStatus
from core.testing import run_job
from jobs.netcdf_to_zarr import NetcdfToZarr
from jobs.scan_source import ScanSource
from jobs.weather_patch import WeatherPatch
from services.weather.derive import Variable
from services.weather.tilecache.region import Region
from tests.http.house import House
from tests.support.grids import Weather
from tests.support.sources import running

PLACE = (-80.3, 40.0)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOURS = 4
FRONT = Region(
    name="front",
    bbox=(-105.5, 39.8, -105, 40.3),
    models=("hrrr",),
    variables=("t2m",),
    runs=1,
    hours=2,
)


def fill(house: House) -> dict[str, str]:
    """What each of them is called."""
    given: dict[str, Any] = {"blobs": house.blobs, "catalog": house.catalog}
    with running() as sources:
        given |= {"options": [sources.internet], "expect": JobStatus.COMPLETED}
        patch: dict[str, Any] = {
            "start": NOON + timedelta(hours=5), "hours": HOURS, "point": PLACE, "radius_m": 5_000, "model": "hrrr",
            "cycle": NOON, "variables": [Variable.T2M, Variable.WIND_DIRECTION],
        }  # fmt: skip
        names = {
            "degrees": run_job(WeatherPatch(**patch), **given).result.item,
            "metres": run_job(WeatherPatch(**patch, metric=True), **given).result.item,
        }
        run_job(ScanSource(region=FRONT, run="2026-11-25T12:00:00Z"), **given)
    source = BlobRef("bronze/grids/world.nc")
    house.blobs.write(source, Weather(times=30, packed=True).file())
    cube = run_job(NetcdfToZarr(source=source, collection="weather"), **given).result.item
    return {**names, "cube": cube}
