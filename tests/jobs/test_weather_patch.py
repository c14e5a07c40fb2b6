"""Weather patches from sources that are made up: right, from as few bytes as possible, and never silently wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from pydantic import ValidationError
from rasterio.io import MemoryFile
from rio_cogeo.cogeo import cog_validate

from core.errors import BadInput
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from jobs.prune_weather_cache import PruneWeatherCache
from jobs.weather_patch import WeatherPatch
from services.geo.gridspec import GridSpec
from services.grids import opened
from services.grids.listing import blobs_below
from services.grids.store import BlobStore
from services.raster import rendering
from services.weather import cache, patch
from services.weather.cache import Cache
from services.weather.derive import Variable
from services.weather.models import MODELS, Raw
from services.weather.plan import Asked
from services.weather.sample import truth, writing
from services.weather.sample.archive import File
from services.weather.sources import NotPublished, SourceFailed
from tests.support.sources import NOW, Sources, running
from triggers.local.sources import Fault

PLACE = (-80.3, 40.0)  # it rains there
WIND = (Variable.U10, Variable.V10)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
FILES = r"noaa-hrrr.*grib2$"


@pytest.fixture
def sources():
    with running() as found:
        yield found


def here(cell: float = 0.01, radius: float = 10_000, **more: Any) -> GridSpec:
    return GridSpec.around(*PLACE, radius, cell, **more)


def asked(
    model: str = "hrrr", hours: int = 0, variables: Any = (Variable.T2M,), **more: Any
) -> Asked:
    """Of the cycle of noon, where nothing else is said."""
    told = {"start": NOW, "cycle": NOON, **more}
    return Asked(model=model, hours=hours, variables=tuple(variables), **told)


def made(sources: Sources, *args: Any, spec: GridSpec | None = None, **more: Any) -> patch.Patch:
    return patch.make(sources.desk(), asked(*args, **more), spec or here(), NOW)


def expected(found: patch.Patch, raw: Raw, at: int) -> np.ndarray:
    lon, lat = found.spec.lonlat()
    hours = found.plan.rain[at].hours if raw is Raw.RAIN else 0
    return truth.field(raw, lon, lat, found.plan.times[at], hours)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_tells_the_same_weather(sources: Sources, model: str) -> None:
    """R143, R154, R156: each has its own grid, its own sums of rain, and winds that go along its grid or not."""
    variables = (Variable.T2M, *WIND, Variable.PRECIPITATION)
    found = made(sources, model, 3, variables, cycle=NOON - timedelta(hours=6))
    limits = {
        Variable.T2M: (Raw.TEMPERATURE, 0.05),
        Variable.U10: (Raw.U, 0.05),
        Variable.V10: (Raw.V, 0.05),
        Variable.PRECIPITATION: (Raw.RAIN, 0.05),
    }
    for at in range(len(found.plan.times)):
        for variable, (raw, limit) in limits.items():
            there = expected(found, raw, at)
            np.testing.assert_allclose(found.variables[variable][at], there, atol=limit)
    assert found.variables[Variable.PRECIPITATION].max() > 0.2
    assert found.sources == ["aws"]


def test_only_the_messages_are_read(sources: Sources) -> None:
    found = made(sources, variables=[Variable.T2M, *WIND, Variable.RH2M])
    sizes = [
        int(wanted[6:].partition("-")[2]) - int(wanted[6:].partition("-")[0]) + 1
        for path, wanted in sources.stand.asked
        if wanted
    ]
    assert sum(sizes) == len(found.plan.hours) * 4 * writing.usual("hrrr")
    assert not sources.stand.repeated()


def test_a_second_click_nearby_reads_nothing_from_the_sources(sources: Sources) -> None:
    """R140: the key is what a message is, not when it was asked for."""
    first = made(sources, variables=[Variable.T2M])
    sources.stand.forget()
    nearby = GridSpec.around(PLACE[0] + 0.3, PLACE[1] - 0.2, 5_000, 0.01)
    second = made(sources, variables=[Variable.T2M], spec=nearby)
    far = GridSpec.around(-80, 34, 5_000, 0.01)
    third = made(sources, variables=[Variable.T2M], spec=far)
    assert first.bytes > 100_000
    assert (second.bytes, third.bytes, sources.stand.asked) == (0, 0, [])
    for found in (second, third):
        np.testing.assert_allclose(
            found.variables[Variable.T2M][0], expected(found, Raw.TEMPERATURE, 0), atol=0.05
        )


def test_many_clicks_at_once_read_each_message_once(sources: Sources, monkeypatch) -> None:
    """R139: whoever comes first fetches; the others wait for it."""
    monkeypatch.setattr(cache, "STALE", 600)  # however slow this machine is
    start = threading.Barrier(6)

    def click(n: int) -> patch.Patch:
        spec = GridSpec.around(PLACE[0] + n / 100, PLACE[1], 10_000, 0.01)
        start.wait()
        return patch.make(sources.desk(), asked(variables=[Variable.T2M, *WIND]), spec, NOW)

    with ThreadPoolExecutor(6) as pool:
        clicks = list(pool.map(click, range(6)))
    messages = [each for each in sources.stand.asked if each[1]]
    assert len(messages) == len(set(messages))
    assert sum(bool(each.sources) for each in clicks) >= 1


def test_a_claim_whose_owner_died_is_taken_over(sources: Sources, monkeypatch) -> None:
    """R150."""
    monkeypatch.setattr(cache, "STALE", 0.3)
    for hour in (5, 6):
        ref = Cache(sources.blobs, "hrrr", NOON, hour).ref("claim")
        sources.blobs.write(ref, b"fetching")
    found = made(sources)
    assert np.isfinite(found.variables[Variable.T2M]).all()
    assert not list(blobs_below(sources.blobs, ref))


def test_a_cycle_that_is_still_being_published_falls_back_and_keeps_its_times(
    sources: Sources,
) -> None:
    """R145, R146: hours are further ahead in an older cycle; the moments are the same."""
    whole = made(sources, hours=3, cycle=None)
    assert whole.plan.times[0] == datetime(2026, 11, 25, 17, tzinfo=UTC)
    assert [hour - whole.plan.hours[0] for hour in whole.plan.hours] == [0, 1, 2, 3, 4]
    assert whole.plan.cycle < datetime(2026, 11, 25, 17, tzinfo=UTC)
    assert (whole.plan.fallback, whole.warnings) == (False, []), "no cycle is due at once"


def test_a_cycle_that_is_overdue_is_replaced_and_said_to_be(sources: Sources) -> None:
    """R142, R145: the older cycle is flagged, with why."""
    sources.stand.faults.append(Fault(r"hrrr\.t1[567]z.*\.idx$", status=404))
    found = made(sources, hours=3, cycle=None)
    assert found.plan.due == datetime(2026, 11, 25, 15, tzinfo=UTC)
    assert (found.plan.cycle, found.plan.fallback) == (found.plan.due - timedelta(hours=1), True)
    assert len(found.warnings) == 1
    assert "15z" in found.warnings[0]


def test_a_cycle_of_which_no_older_one_helps_is_an_error_that_says_why(sources: Sources) -> None:
    """R142: no weather is an error, never calm."""
    sources.stand.faults.append(Fault(r"\.idx$", status=404))
    with pytest.raises(NotPublished, match="12z f006 is not published"):
        made(sources)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_the_next_mirror_serves_what_the_first_does_not(sources: Sources, status: int) -> None:
    """R144."""
    sources.stand.faults.append(Fault("noaa-hrrr-bdp-pds", status=status))
    found = made(sources)
    assert found.sources == ["google"]
    assert any("aws" in warning for warning in found.warnings)


@pytest.mark.parametrize("status", [429, 503])
def test_a_source_that_throttles_is_asked_again_a_little_later(
    sources: Sources, status: int
) -> None:
    """R144: twice busy is no failure."""
    sources.stand.faults.append(Fault(FILES, status=status, times=2))
    assert made(sources).sources == ["aws"]


def test_a_source_that_asks_to_wait_long_is_left_for_the_next(sources: Sources) -> None:
    fault = Fault(FILES, status=503, headers={"Retry-After": "120"})
    sources.stand.faults.append(fault)
    started = datetime.now(UTC)
    assert made(sources).sources == ["google"]
    assert datetime.now(UTC) - started < timedelta(seconds=20)


def test_a_server_that_ignores_ranges_is_not_read_to_its_end(sources: Sources) -> None:
    """R144: 200 with all of the file is no answer to a range."""
    sources.stand.faults.append(Fault(FILES, ignores_range=True))
    found = made(sources)
    assert found.sources == ["google"]
    assert any("ranges are ignored" in warning for warning in found.warnings)
    assert found.bytes < 4_000_000


def test_a_redirect_is_followed(sources: Sources) -> None:
    google = f"{sources.stand.url}/storage.googleapis.com/high-resolution-rapid-refresh/"
    path = "hrrr.20261125/conus/hrrr.t12z.wrfsfcf06.grib2"
    fault = Fault(r"noaa-hrrr.*f06.grib2$", status=302, headers={"Location": google + path})
    sources.stand.faults.append(fault)
    assert made(sources).sources == ["aws"]
    assert sources.stand.requests(r"google.*f06.grib2$") >= 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-4] + b"0000",
        lambda data: b"BAD!" + data[4:],
        lambda data: data[:8] + bytes(8) + data[16:],
        lambda data: data[:4000] + bytes(len(data) - 4004) + b"7777",
    ],
    ids=["no end", "no begin", "another length", "garbage inside"],
)
def test_a_message_that_is_not_whole_is_fetched_elsewhere(sources: Sources, spoil) -> None:
    """R146."""
    sources.stand.faults.append(Fault(FILES, change=spoil))
    found = made(sources)
    assert found.sources == ["google"]
    np.testing.assert_allclose(
        found.variables[Variable.T2M][0], expected(found, Raw.TEMPERATURE, 0), atol=0.05
    )


def test_an_answer_that_breaks_off_is_fetched_elsewhere(sources: Sources) -> None:
    sources.stand.faults.append(Fault(FILES, cut=1000))
    assert made(sources).sources == ["google"]


def test_an_inventory_newer_than_its_file_is_found_out(sources: Sources) -> None:
    """R144: every offset is right, but the file is that of an older upload: another hour lies there."""
    older = sources.archive.find(
        "noaa-hrrr-bdp-pds.s3.amazonaws.com/hrrr.20261125/conus/hrrr.t06z.wrfsfcf05.grib2"
    )
    assert isinstance(older, File)

    def find(path: str) -> Any:
        stale = path.startswith("noaa-hrrr") and path.endswith("grib2")
        return older if stale else sources.archive.find(path)

    sources.stand.find = find
    found = made(sources)
    assert found.sources == ["google"]
    assert any("another message" in warning for warning in found.warnings)


def test_an_inventory_that_is_kept_is_asked_for_again_when_the_file_has_changed(
    sources: Sources,
) -> None:
    made(sources)
    for hour in (5, 6):
        kept = Cache(sources.blobs, "hrrr", NOON, hour)
        lines = (kept.index() or "").partition("\n")[2].splitlines()
        shifted = [
            ":".join([p[0], str(int(p[1]) + 7), *p[2:]]) for p in (x.split(":") for x in lines)
        ]
        kept.keep_index("aws", "\n".join(shifted))
    found = made(sources, variables=[Variable.D2M])
    np.testing.assert_allclose(
        found.variables[Variable.D2M][0], expected(found, Raw.DEWPOINT, 0), atol=0.1
    )


def test_a_page_that_says_sorry_is_no_inventory(sources: Sources) -> None:
    sources.stand.faults.append(Fault(r"noaa-hrrr.*idx$", body=b"<html>Sorry</html>"))
    found = made(sources)
    assert found.sources == ["google"]


def test_a_message_that_no_source_has_whole_is_an_error(sources: Sources) -> None:
    sources.stand.faults.append(Fault(r"grib2$", change=lambda data: data[:-4] + b"0000"))
    with pytest.raises(SourceFailed, match="7777"):
        made(sources)


def test_what_is_absent_is_not_asked_for_again_at_once(sources: Sources) -> None:
    """R157."""
    for _ in range(3):
        made(sources, hours=3, cycle=None)
    asked_for = sources.stand.requests(r"hrrr\.t17z.*idx$")
    assert 0 < asked_for <= 3  # each source once


def test_nomads_is_asked_twice_a_second_at_most(sources: Sources) -> None:
    """R157."""
    sources.stand.faults.append(Fault("amazonaws|googleapis", status=404))
    started = datetime.now(UTC)
    found = made(sources)
    requests = sources.stand.requests("nomads")
    assert found.sources == ["nomads"]
    assert requests >= 3
    assert datetime.now(UTC) - started > timedelta(seconds=0.5 * (requests - 1))


@pytest.mark.parametrize(
    ("place", "name"),
    [((0.0, 51.5), "zero"), ((179.98, -17.0), "antimeridian"), ((-180.0, 65.0), "seam")],
)
@pytest.mark.parametrize("model", ["gfs", "ecmwf"])
def test_a_place_on_a_seam_has_no_seam(sources: Sources, place, name: str, model: str) -> None:
    """R147: GFS counts from 0, ECMWF from -180; the weather knows neither."""
    when = NOON + timedelta(hours=6)
    question = {"start": when, "spec": GridSpec.around(*place, 30_000, 0.05)}
    found = made(sources, model, cycle=NOON - timedelta(hours=6), **question)
    np.testing.assert_allclose(
        found.variables[Variable.T2M][0], expected(found, Raw.TEMPERATURE, 0), atol=0.06
    )


@pytest.mark.parametrize("lat", [89.9, -89.9])
def test_around_a_pole_there_is_weather(sources: Sources, lat: float) -> None:
    """R147."""
    spec = GridSpec.around(30, lat, 30_000, 5_000, metric=True)
    found = made(sources, "gfs", spec=spec)
    np.testing.assert_allclose(
        found.variables[Variable.T2M][0], expected(found, Raw.TEMPERATURE, 0), atol=0.1
    )


def test_a_place_smaller_than_a_cell_of_the_model_has_weather(sources: Sources) -> None:
    """R141: cutting before interpolating would leave nothing, or one point."""
    found = made(sources, spec=GridSpec.around(*PLACE, 200, 0.001))
    values = found.variables[Variable.T2M]
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[0], expected(found, Raw.TEMPERATURE, 0), atol=0.05)


def test_large_cells_are_averages(sources: Sources) -> None:
    """R156: a coarse grid over a fine model is no sample of single points."""
    coarse = GridSpec.from_bbox((-110, 36, -100, 44), 1.0)
    fine = GridSpec.from_bbox((-110, 36, -100, 44), 0.125)
    one, many = (made(sources, spec=spec).variables[Variable.T2M][0] for spec in (coarse, fine))
    means = many.reshape(8, 8, 10, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(one, means, atol=0.05)


def test_rain_of_the_first_time_fell_since_the_hour_before(sources: Sources) -> None:
    """R154: in a bucket's second hour, what fell is the difference of two sums."""
    found = made(sources, "gfs", 2, [Variable.PRECIPITATION])
    assert [each.hours for each in found.plan.rain] == [1.0] * len(found.plan.hours)
    signs = {len(each.terms) for each in found.plan.rain}
    assert signs == {1, 2}


def test_the_begin_of_a_forecast_has_no_rain_yet(sources: Sources) -> None:
    """R144: f000 has no sums at all."""
    found = made(sources, "gfs", 1, [Variable.PRECIPITATION, Variable.T2M], start=NOON)
    assert found.plan.hours == (0, 1)
    assert not found.variables[Variable.PRECIPITATION][0].any()
    assert found.variables[Variable.PRECIPITATION][1].max() > 0


def test_winds_on_a_cone_are_turned(sources: Sources) -> None:
    """Without turning, the wind of Boston would be off by 17 degrees."""
    spec = GridSpec.around(-71.1, 42.3, 10_000, 1_000, metric=True)
    found = made(
        sources, "hrrr", 0, [*WIND, Variable.WIND_SPEED, Variable.WIND_DIRECTION], spec=spec
    )
    u, v = (expected(found, raw, 0) for raw in (Raw.U, Raw.V))
    np.testing.assert_allclose(found.variables[Variable.U10][0], u, atol=0.05)
    np.testing.assert_allclose(found.variables[Variable.V10][0], v, atol=0.05)
    np.testing.assert_allclose(found.variables[Variable.WIND_SPEED][0], np.hypot(u, v), atol=0.05)
    towards = np.degrees(np.arctan2(-u, -v)) % 360
    np.testing.assert_allclose(found.variables[Variable.WIND_DIRECTION][0], towards, atol=1)


def test_a_place_that_a_model_does_not_cover_is_refused(sources: Sources) -> None:
    with pytest.raises(BadInput, match="does not cover"):
        made(sources, "hrrr", 0, spec=GridSpec.around(30, 0, 10_000, 0.01))


def test_what_a_model_does_not_have_is_refused_by_name(sources: Sources) -> None:
    with pytest.raises(BadInput, match="ecmwf has no gust; it has u10"):
        made(sources, "ecmwf", 0, [Variable.GUST])


def test_a_span_beyond_the_forecast_is_refused(sources: Sources) -> None:
    with pytest.raises(BadInput, match="ends at"):
        made(sources, hours=60)


# -- the job


def job(**more: Any) -> WeatherPatch:
    told = {"start": NOW, "hours": 1, "point": PLACE, "radius_m": 5_000, "model": "hrrr"}
    return WeatherPatch(**{**told, **more})


def done(sources: Sources, **more: Any):
    catalog, blobs = MemoryCatalog(), MemoryBlobs()
    run = run_job(
        job(cycle=NOON, **more),
        blobs=blobs,
        catalog=catalog,
        options=[sources.internet],
        expect=JobStatus.COMPLETED,
    )
    return run.result, blobs, catalog


@pytest.mark.parametrize("metric", [False, True])
def test_the_job_leaves_a_store_maps_and_an_item(sources: Sources, metric: bool) -> None:
    made, blobs, catalog = done(sources, metric=metric)
    with xr.open_zarr(BlobStore(blobs, made.data, read_only=True), chunks=None) as found:
        assert found["t2m"].dims == ("time", "y", "x") if metric else ("time", "lat", "lon")
        assert found["t2m"].attrs["units"] == "K"
        assert str(found["time"].values[0])[:13] == "2026-11-25T17"
        wind = found["wind_speed"].values
    for variable, ref in made.cogs.items():
        with MemoryFile(blobs.read(ref)) as file:
            assert cog_validate(file.name, quiet=True)[0], variable
            with file.open() as cog:
                assert cog.count == len(made.times)
                assert cog.descriptions[0] == "2026-11-25T17:00Z"
                assert cog.crs == rasterio.crs.CRS.from_user_input(made.grid.crs)
                if variable is Variable.WIND_SPEED:
                    np.testing.assert_array_equal(cog.read(), wind)
    item = catalog.item("weather", made.item)
    assert item is not None
    assert item["properties"]["forecast:reference_datetime"] == "2026-11-25T12:00:00Z"
    assert set(item["assets"]) == {"data", *(v.value for v in made.cogs)}
    for variable, found in made.values.items():
        look = rendering.from_item(item, variable.value)
        assert look.bidx == [1]
        assert look.rescale[0] == pytest.approx((found.minimum, found.maximum)), variable
    assert made.values[Variable.T2M].missing == 0
    with opened.understood(made.data):
        assert opened.store(blobs, made.data)


def test_a_job_without_a_place_or_with_two_is_refused() -> None:
    with pytest.raises(ValidationError, match="either bbox or point"):
        job(bbox=(0, 0, 1, 1))
    with pytest.raises(ValidationError, match="does not cover"):
        job(point=(30, 0))


def test_old_cycles_leave_the_cache(sources: Sources) -> None:
    made(sources)
    cycle = datetime(2026, 11, 20, 12, tzinfo=UTC)
    old = Cache(sources.blobs, "hrrr", cycle, 3)
    old.keep_message("TMP", b"GRIB")
    before = cache.prune(sources.blobs, timedelta(hours=48), NOW)
    assert before.blobs == 1
    assert made(sources).bytes == 0
    run = run_job(PruneWeatherCache(keep_hours=0.01), blobs=sources.blobs)
    assert run.result.blobs >= 0


def test_without_an_internet_a_task_says_what_is_missing() -> None:
    desk = patch.Desk(MemoryBlobs(), Internet())
    with pytest.raises(BadInput, match="no internet"):
        patch.make(desk, asked(hours=0), here(), NOW)
