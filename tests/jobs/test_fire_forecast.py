"""Fire forecasts against a made-up earth: right, flagged where something is assumed, and quick the second time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import Point, shape

from core.blobs import BlobRef, Zone
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import JobRun, run_job
from infrastructure.fetching import Fetcher
from jobs.fire_forecast import FireForecast
from jobs.prune_fire_work import PruneFireWork
from services.fire import sample, work
from services.fire.checks import Check, Outcome
from services.fire.options import FireOptions
from services.fire.publishing import Made
from services.storage import arrays
from services.weather import sources as weather_sources
from tests.support.sources import LOOPBACK
from triggers.local.sources import Fault, Stand, earth, standing

PLACE = (-105.3, 40.0)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SMALL: dict[str, Any] = {"radius_m": 2_500, "horizons_hours": [1, 2], "members": 4}
FORECASTS = r"grib2|pgrb2"
TILES = r"copernicus-dem|COP30"


@dataclass
class World:
    """The stand-in for the internet, and what is kept of it."""

    stand: Stand
    reader: Fetcher
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    catalog: MemoryCatalog = field(default_factory=MemoryCatalog)

    def run(self, **given: Any) -> JobRun:
        job = FireForecast(**{"reference_time": NOW, **SMALL, **given})
        options = [Internet(self.reader, self.stand.url), FireOptions()]
        return run_job(job, blobs=self.blobs, catalog=self.catalog, options=options)

    def made(self, **given: Any) -> Made:
        run = self.run(**given)
        assert run.status is JobStatus.COMPLETED, run.error
        return run.result

    def raster(self, ref: BlobRef) -> tuple[dict[str, Any], np.ndarray]:
        with MemoryFile(self.blobs.read(ref)) as file, file.open() as dataset:
            assert cog_validate(file.name)[0]
            return dict(dataset.profile), dataset.read()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    weather_sources.ABSENCES.clear()
    reader = Fetcher(LOOPBACK, quiet=300, seconds=600)
    moment = datetime.now(UTC)  # no newer weather is published in the midst of the tests
    with standing(earth(now=lambda: moment)) as stand:
        try:
            yield World(stand, reader)
        finally:
            reader.close()


@pytest.fixture(scope="module")
def first(world: World) -> Made:
    """One forecast, which most tests look at."""
    return world.made(point=PLACE)


@pytest.fixture
def faults(world: World) -> Iterator[list[Fault]]:
    yield world.stand.faults
    world.stand.faults.clear()


def test_a_point_becomes_maps_outlines_and_an_item(world: World, first: Made) -> None:
    _, probability = world.raster(first.maps["probability_2h"])
    assert np.nanmax(probability) == 1.0
    profile, arrival = world.raster(first.maps["arrival"])
    assert profile["crs"] == rasterio.CRS.from_string(first.crs)
    assert profile["count"] == 3
    assert np.nanmin(arrival[0]) == pytest.approx(0, abs=3)
    assert np.nanmax(arrival[0]) <= 120
    item = world.catalog.item(first.collection, first.item)
    assert item is not None
    assert set(item["assets"]) == {*first.maps, "isochrones", "ground"}
    assert item["properties"]["coremachine:checks"]
    assert item["properties"]["renders"]["probability_2h"]["rescale"] == [[0, 1]]


def test_the_ground_is_a_picture_that_is_made_once_for_a_place(world: World, first: Made) -> None:
    assert first.ground is not None
    profile, (red, green, blue) = world.raster(first.ground)
    assert (profile["count"], profile["dtype"], profile["nodata"]) == (3, "uint8", None)
    assert red.shape == world.raster(first.maps["arrival"])[1].shape[1:]
    assert (blue < red).mean() > 0.5, "grass, shrub and wood have more red than blue"
    assert green.std() > 1, "hills have shade"
    written = world.blobs.info(first.ground).etag
    again = world.made(point=PLACE, members=1)
    assert again.ground == first.ground
    assert world.blobs.info(first.ground).etag == written


def test_probability_never_falls_as_time_goes_on(world: World, first: Made) -> None:
    _, early = world.raster(first.maps["probability_1h"])
    _, late = world.raster(first.maps["probability_2h"])
    assert (np.nan_to_num(early) <= np.nan_to_num(late)).all()


def test_outlines_lie_around_the_fire_and_in_each_other(world: World, first: Made) -> None:
    found = json.loads(world.blobs.read(first.isochrones))["features"]
    late, early = (shape(each["geometry"]) for each in found)
    assert late.is_valid
    assert early.is_valid
    assert late.contains(Point(PLACE))
    assert late.buffer(2e-7).contains(early)  # corners are rounded to 1e-7 degrees


def test_every_check_is_stored_with_the_forecast(first: Made) -> None:
    assert [each.check for each in first.checks] == list(Check)
    outcome = {each.check: each.outcome for each in first.checks}
    assert outcome[Check.NOT_EMPTY] is Outcome.PASSED
    assert outcome[Check.GROWS] is Outcome.PASSED


def test_terrain_is_that_of_the_box_and_is_named(world: World, first: Made) -> None:
    """R137: looked up by the grid, not by a name; the result says which was used, and it is not level."""
    assert first.terrain.id.endswith("/terrain")
    assert first.terrain.data is not None
    rises = arrays.Opened(world.blobs.read(first.terrain.data))
    assert np.abs(rises["east"]).max() > 0.05
    assert first.terrain.bytes > 0


def test_stages_that_need_nothing_of_each_other_run_side_by_side() -> None:
    stages = FireForecast.stages
    apart = {each.name for each in stages if [s.name for s in each.sources] == ["locate"]}
    assert apart == {"terrain", "weather", "fuel"}


def test_every_stage_has_time_for_what_it_does() -> None:
    """R149: the time limit is the stage's own, not one of the queue."""
    assert min(each.timeout for each in FireForecast.stages) >= timedelta(minutes=5)


def test_a_second_click_reads_nothing_again(world: World, first: Made) -> None:
    """R139, R140: what was read is found by what it is: place, cycle, hour and message."""
    world.stand.forget()
    again = world.made(point=PLACE, seed=1)
    assert again.terrain.cached
    assert again.weather.bytes < 100_000
    assert world.stand.requests(TILES) == 0
    assert again.weather.id == first.weather.id
    assert again.item != first.item


def test_equal_orders_are_one_job_within_the_hour() -> None:
    """R139: n clicks on the same place begin one forecast."""
    one = FireForecast(reference_time=NOW, point=PLACE)
    two = FireForecast(reference_time=NOW + timedelta(minutes=50), point=PLACE)
    three = FireForecast(reference_time=NOW + timedelta(hours=1), point=PLACE)
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != three.fingerprint


def test_the_same_seed_gives_the_same_members(world: World, first: Made) -> None:
    before = {ref: world.blobs.read(ref) for ref in first.maps.values()}
    world.run(point=PLACE)
    assert before == {ref: world.blobs.read(ref) for ref in first.maps.values()}


def test_weather_that_is_missing_fails_the_forecast(world: World, faults: list[Fault]) -> None:
    """R142: never calm air in its place."""
    faults.append(Fault(FORECASTS, status=404))
    run = World(world.stand, world.reader).run(point=PLACE)
    weather_sources.ABSENCES.clear()
    assert run.status is JobStatus.FAILED
    assert run.error is not None
    assert (run.error["stage"], run.error["code"]) == ("weather", "input_missing")


def test_without_a_map_of_the_land_the_fuel_is_assumed_and_flagged(
    world: World, faults: list[Fault]
) -> None:
    faults.append(Fault("esa-worldcover", status=403))
    made = world.made(point=(-105.1, 40.1))
    assert made.fuel.fallback
    assert made.fuel.assumed == 1.0
    assert any("assumed everywhere" in told for told in made.warnings)


def test_a_box_without_known_fires_begins_in_its_middle_and_says_so(world: World) -> None:
    made = world.made(bbox=(-105.35, 39.97, -105.25, 40.03), radius_m=2_500)
    assert made.ignition == "assumed"
    assert any("no fire is known" in told for told in made.warnings)


def test_detections_of_a_file_begin_where_they_were_seen(world: World) -> None:
    day = (NOW - timedelta(hours=1)).date()
    text = sample.find(f"{sample.HOST}/api/area/csv/key/VIIRS_SNPP_NRT/-106,40,-105,41/1/{day}")
    ref = BlobRef("bronze/uploads/fires.csv")
    assert text is not None
    world.blobs.write(ref, text.replace(b",0100,", f",{NOW - timedelta(hours=1):%H%M},".encode()))
    made = world.made(detections=ref)
    assert made.ignition == "detections"
    assert made.fires == len(sample.FRONT)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "give a point"),
        ({"point": PLACE, "bbox": (0, 0, 1, 1)}, "outside of the bbox"),
        ({"point": PLACE, "detections": "bronze/a/b.csv"}, "either a point or detections"),
        ({"bbox": (0, 0, 1, 1), "cell_m": 30}, "ask for larger cells"),
        ({"point": (30.0, 0.0), "model": "hrrr"}, "does not cover"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        FireForecast(reference_time=NOW, **given)


def test_what_tasks_handed_to_each_other_goes_after_some_days(world: World) -> None:
    """Maps and outlines stay, and a forecast that is asked for again writes it anew."""
    made = world.made(point=PLACE, members=1)
    listed = partial(world.blobs.list, Zone.SILVER, work.CONTAINER)
    assert len(listed().blobs) >= 3
    assert run_job(PruneFireWork(), blobs=world.blobs).result.blobs == 0
    later = datetime.now(UTC) + timedelta(hours=73)
    gone = work.prune(world.blobs, timedelta(hours=72), later)
    assert (gone.blobs > 0, listed().blobs) == (True, [])
    assert work.prune(world.blobs, timedelta(hours=72), later).blobs == 0
    assert all(world.blobs.info(ref).size for ref in made.maps.values())
    assert world.made(point=PLACE, members=1).areas_ha == made.areas_ha
