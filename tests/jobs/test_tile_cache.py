"""The tile cache on made-up sources: what is published ends up in tiles, and what goes wrong is seen and mended."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput
from core.states import JobStatus
from core.testing import run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.build_tile import BuildTile
from jobs.ingest_grib import IngestGrib
from jobs.prune_cache import PruneCache
from jobs.scan_source import ScanSource
from services.weather import sources as sources_module
from services.weather.derive import Variable
from services.weather.models import MODELS, Raw
from services.weather.sample import truth
from services.weather.tilecache import (
    building,
    ingest,
    inventory,
    pruning,
    scanning,
    series,
    shelf,
    stock,
    tile,
)
from services.weather.tilecache.inventory import HourState, Inventory, RunRow, RunStatus
from services.weather.tilecache.options import TileOptions
from services.weather.tilecache.region import Region
from services.weather.tilecache.scanning import Scope
from services.weather.tilecache.series import Point
from services.weather.tilecache.shelf import Slot, TileKey
from services.weather.tilecache.tile import Cells
from tests.support.sources import NOW, Sources, running
from triggers.local.sources import Fault

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
BOX = (-81.0, 39.5, -79.5, 40.5)
SPOT = (-80.25, 40.05)


@pytest.fixture
def sources():
    with running() as found:
        yield found


def front(**more: Any) -> Region:
    """Three hours of HRRR, unless told otherwise."""
    told: dict[str, Any] = {
        "name": "front",
        "bbox": BOX,
        "models": ("hrrr",),
        "variables": ("t2m", "wind_speed", "precipitation"),
        "runs": 1,
        "hours": 3,
    }
    return Region.model_validate({**told, **more})


def scope(*regions: Region, **more: Any) -> Scope:
    return Scope(regions=regions or (front(),), **{"run": NOON, **more})


def fetch(sources: Sources, which: Scope, now: datetime = NOW) -> list[ingest.Ingested]:
    desk = sources.desk()
    return [ingest.ingest(desk, order, now) for order in scanning.scan(desk, which, now)]


def build(sources: Sources, which: Scope, now: datetime = NOW) -> list[building.Built]:
    orders = scanning.to_build(stock.look(sources.blobs), which)
    return [building.build(sources.desk(), order, now) for order in orders]


def rounded(sources: Sources, which: Scope, now: datetime = NOW) -> Inventory:
    """What a scan does."""
    fetch(sources, which, now)
    build(sources, which, now)
    return inventory.inventory(sources.blobs, now)


def row(found: Inventory, region: str = "front", run: datetime = NOON) -> RunRow:
    (only,) = [r for r in found.runs if (r.region, r.run) == (region, shelf.run_name(run))]
    return only


def key(variable: Variable = Variable.T2M, region: Region | None = None) -> TileKey:
    return TileKey((region or front()).folder, "hrrr", NOON, variable)


def test_what_is_published_ends_up_in_tiles(sources: Sources) -> None:
    found = row(rounded(sources, scope()))
    assert (found.status, found.missing_hours, found.reason) == (RunStatus.COMPLETE, [], None)
    assert set(found.hours.values()) == {HourState.TILED}
    assert found.variables == {
        Variable.T2M: 4,
        Variable.WIND_SPEED: 4,
        Variable.PRECIPITATION: 3,  # nothing has fallen before the first hour
    }
    arrays = tile.opened(sources.blobs.read(shelf.tile(key())))
    assert str(shelf.tile(key())) == (
        "silver/cache/tiles/front/0.100deg/hrrr/run_20261125_12/t2m.npz"
    )
    lon, lat = front().spec.lonlat()
    for at, hour in enumerate(arrays.hours):
        expected = truth.field(Raw.TEMPERATURE, lon, lat, NOON + timedelta(hours=int(hour)))
        np.testing.assert_allclose(arrays.means[at], expected, atol=0.1)
    assert (arrays.mins <= arrays.maxs).all()
    assert ((arrays.mins <= arrays.means) & (arrays.means <= arrays.maxs)).all()
    rain = tile.opened(sources.blobs.read(shelf.tile(key(Variable.PRECIPITATION))))
    np.testing.assert_allclose(
        rain.means[1], truth.field(Raw.RAIN, lon, lat, NOON + timedelta(hours=2), 1), atol=0.1
    )


def test_a_second_scan_reads_nothing_and_builds_nothing(sources: Sources) -> None:
    """R157."""
    rounded(sources, scope())
    sources.stand.forget()
    assert (fetch(sources, scope()), build(sources, scope())) == ([], [])
    assert sources.stand.asked == []


def test_hours_that_a_source_lacks_are_missing_and_come_later(sources: Sources) -> None:
    """R155: a hole does not hide what comes after it."""
    hole = Fault(r"hrrr.t12z.*f01.grib2.idx", status=404)
    sources.stand.faults.append(hole)
    found = row(rounded(sources, scope(front(variables=("t2m",)))))
    assert (found.status, found.missing_hours) == (RunStatus.WAITING, [1])
    assert (found.hours[1], found.source_hours) == (HourState.MISSING, [0, 2, 3])
    assert found.reason is not None
    assert "not published" in found.reason
    sources.stand.faults.clear()
    sources_module.ABSENCES.clear()
    assert row(rounded(sources, scope(front(variables=("t2m",))))).status is RunStatus.COMPLETE


def test_a_run_that_is_not_there_is_asked_for_three_times_only(sources: Sources) -> None:
    """R157: hours come in order."""
    late = datetime(2026, 11, 25, 17, tzinfo=UTC)
    found = rounded(sources, scope(front(hours=18), run=late))
    assert row(found, run=late).status is RunStatus.WAITING
    assert sources.stand.requests(r"\.idx$") == 3 * len(MODELS["hrrr"].sources)


def test_a_source_that_is_down_is_left_alone_for_a_while(sources: Sources) -> None:
    """R158: nothing is handed out, and the pause grows."""
    sources.stand.faults.append(Fault("hrrr", status=501))
    assert fetch(sources, scope()) == []
    found = inventory.inventory(sources.blobs, NOW)
    (status,) = found.sources
    assert (status.works, status.failures) == (False, 1)
    sources.stand.forget()
    assert fetch(sources, scope(), NOW + timedelta(minutes=9)) == []
    assert sources.stand.asked == []
    assert fetch(sources, scope(), NOW + timedelta(minutes=11)) == []
    (status,) = inventory.inventory(sources.blobs, NOW).sources
    assert (status.failures, status.again - status.at) == (2, timedelta(minutes=20))
    (line,) = inventory.lines(inventory.inventory(sources.blobs, NOW)) or [None]
    assert line is not None
    assert (line.status, line.missing_hours) == ("source_down", [0, 1, 2, 3])
    sources.stand.faults.clear()
    assert row(rounded(sources, scope(), NOW + timedelta(hours=1))).status is RunStatus.COMPLETE


def test_a_grib_that_is_corrupt_everywhere_fails_alone_and_is_tried_again(
    sources: Sources,
) -> None:
    """R146: a message without its end is no message; the other hours are in the tile."""
    broken = Fault(r"hrrr.*f02\.grib2$", change=lambda data: data[:-4] + b"0000")
    sources.stand.faults.append(broken)
    region = front(variables=("t2m",))
    found = row(rounded(sources, scope(region)))
    assert (found.status, found.missing_hours) == (RunStatus.FAILED, [2])
    assert found.hours[2] is HourState.FAILED
    assert "7777" in found.reasons[2]
    sources.stand.faults.clear()
    assert fetch(sources, scope(region), NOW + timedelta(minutes=5)) == []
    late = NOW + timedelta(minutes=11)
    assert row(rounded(sources, scope(region), late)).status is RunStatus.COMPLETE


def test_a_kept_grib_that_rots_is_fetched_anew(sources: Sources) -> None:
    region = front(variables=("t2m",), hours=0)
    fetch(sources, scope(region))
    slot = Slot("hrrr", NOON, Variable.T2M, 0)
    data = sources.blobs.read(shelf.grib(slot))
    sources.blobs.write(shelf.grib(slot), data[:-100])
    (built,) = build(sources, scope(region))
    assert "not what was written" in built.failed[0]
    assert row(inventory.inventory(sources.blobs, NOW)).hours == {0: HourState.FAILED}
    late = NOW + timedelta(minutes=11)
    assert row(rounded(sources, scope(region), late)).status is RunStatus.COMPLETE


def test_a_worker_that_dies_between_grib_and_tile_leaves_what_the_next_scan_builds(
    sources: Sources,
) -> None:
    """R150: no source is asked again."""
    fetch(sources, scope())
    found = inventory.inventory(sources.blobs, NOW)
    assert set(row(found).hours.values()) == {HourState.GRIB_ONLY}
    assert found.gribs_without_tile == 11
    assert "GRIB files and no tile" in (row(found).reason or "")
    sources.stand.forget()
    assert row(rounded(sources, scope())).status is RunStatus.COMPLETE
    assert sources.stand.asked == []


def test_a_worker_that_dies_between_array_and_sidecar_is_made_up_for(sources: Sources) -> None:
    rounded(sources, scope(front(variables=("t2m",))))
    sources.blobs.delete(shelf.meta(key()))
    found = row(inventory.inventory(sources.blobs, NOW))
    assert set(found.hours.values()) == {HourState.GRIB_ONLY}
    assert row(rounded(sources, scope(front(variables=("t2m",))))).status is RunStatus.COMPLETE


def test_two_scans_at_once_leave_what_one_leaves(sources: Sources) -> None:
    """R150: schedulers take turns; should two scans overlap all the same, both write the same."""
    region, start = front(variables=("t2m", "precipitation")), threading.Barrier(2)

    def scan(_: int) -> None:
        start.wait()
        rounded(sources, scope(region))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(scan, range(2)))
    assert row(rounded(sources, scope(region))).status is RunStatus.COMPLETE
    arrays = tile.opened(sources.blobs.read(shelf.tile(key())))
    meta = tile.meta_of(sources.blobs, key())
    assert meta is not None
    assert meta.hours == tuple(arrays.hours.tolist()) == (0, 1, 2, 3)
    assert set(meta.source_grib_md5) == {0, 1, 2, 3}


def test_no_more_is_handed_out_than_may_be_pending(sources: Sources) -> None:
    """R158: the cap is per model, and the rest waits for the next scan."""
    few = scope(front(variables=("t2m",)), most_pending=2)
    assert [each.hour for each in fetch(sources, few)] == [0, 1]
    states = row(inventory.inventory(sources.blobs, NOW)).hours
    assert [states[hour] for hour in (2, 3)] == [HourState.PENDING] * 2
    assert [each.hour for each in fetch(sources, few)] == [2, 3]


KEEP = pruning.Retention(runs=12, synoptic=8, grib_hours=48)


def test_gribs_go_when_their_hours_are_in_every_tile_that_wants_them(sources: Sources) -> None:
    one, other = front(variables=("t2m",)), front(name="other", variables=("t2m",), resolution=0.25)
    both = scope(one, other)
    fetch(sources, both)
    assert len(sources.stand.asked) == len(set(sources.stand.asked))
    build(sources, scope(one))
    assert pruning.prune(sources.blobs, KEEP, NOW).gribs == 0
    build(sources, both)
    assert pruning.prune(sources.blobs, KEEP, NOW).gribs == 4
    found = inventory.inventory(sources.blobs, NOW)
    assert row(found, "other").status is row(found).status is RunStatus.COMPLETE
    (disk,) = found.disk
    assert (disk.gribs, disk.grib_bytes, disk.tiles) == (0, 0, 2)
    assert fetch(sources, both) == []


def test_gribs_that_are_kept_go_when_they_are_old(sources: Sources) -> None:
    rounded(sources, scope())
    keep = KEEP.model_copy(update={"keep_gribs": True})
    assert pruning.prune(sources.blobs, keep, NOW).gribs == 0
    assert pruning.prune(sources.blobs, keep, NOON + timedelta(hours=49)).gribs == 11


def test_a_prune_while_a_tile_is_built_leaves_what_the_next_scan_mends(sources: Sources) -> None:
    """The GRIB file is removed after it was listed: it counts as gone, not as broken."""
    region = front(variables=("t2m",))
    fetch(sources, scope(region))
    (order,) = scanning.to_build(stock.look(sources.blobs), scope(region))
    pruning.prune(sources.blobs, KEEP.model_copy(update={"grib_hours": 0.1}), NOW)
    built = building.build(sources.desk(), order, NOW)
    assert (built.hours, built.gone, built.failed) == ((), (0, 1, 2, 3), {})
    assert row(rounded(sources, scope(region))).status is RunStatus.COMPLETE


def test_a_prune_of_a_run_that_is_written_leaves_no_sidecar_without_array(
    sources: Sources, monkeypatch
) -> None:
    region = front(variables=("t2m",), hours=0)
    plain = tile._keep_meta

    def pruned_before(*args: Any) -> Any:
        sources.blobs.delete(shelf.tile(key()))
        return plain(*args)

    monkeypatch.setattr(tile, "_keep_meta", pruned_before)
    fetch(sources, scope(region))
    build(sources, scope(region))
    monkeypatch.undo()
    found = row(inventory.inventory(sources.blobs, NOW))
    assert found.hours == {0: HourState.GRIB_ONLY}, "a sidecar alone counts for nothing"
    assert row(rounded(sources, scope(region))).status is RunStatus.COMPLETE


def test_runs_are_counted_and_not_timed(sources: Sources) -> None:
    """While a source is down, what is there stays, however old it becomes."""
    hours = [NOON - timedelta(hours=n) for n in range(30)]
    assert len(pruning.kept_runs(hours, 12, 8)) == 12 + 3
    rounded(sources, scope())
    pruning.prune(sources.blobs, KEEP, NOW + timedelta(days=1))
    assert row(inventory.inventory(sources.blobs, NOW)).status is RunStatus.COMPLETE
    few = KEEP.model_copy(update={"runs": 1, "synoptic": 0})
    newer = NOON + timedelta(hours=1)
    fetch(sources, scope(front(variables=("t2m",)), run=newer))
    gone = pruning.prune(sources.blobs, few, NOW)
    assert gone.runs == 1
    assert {each.run for each in inventory.inventory(sources.blobs, NOW).runs} == {
        "run_20261125_13"
    }


def test_a_region_that_nobody_scans_any_more_goes_with_its_tiles(sources: Sources) -> None:
    rounded(sources, scope())
    pruning.prune(sources.blobs, KEEP, NOW + timedelta(days=3))
    found = inventory.inventory(sources.blobs, NOW)
    assert (found.regions, found.runs) == ([], [])
    assert not list(shelf.below(sources.blobs, "tiles/"))


def test_a_region_keeps_its_box(sources: Sources) -> None:
    rounded(sources, scope(front(variables=("t2m",), hours=0)))
    with pytest.raises(BadInput, match="another name"):
        fetch(sources, scope(front(bbox=(-80, 39, -79, 40))))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"bbox": (10, 40, 11, 41)}, "does not cover"),
        ({"resolution": 0.001}, "more than 120,000"),
        ({"variables": ("mslp",)}, "has none of the variables"),
        ({"name": "../up"}, "pattern"),
    ],
)
def test_a_region_that_makes_no_sense_is_refused(told: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        front(**told)


def test_a_cell_has_the_least_and_the_most_of_its_points() -> None:
    """R156: cells of which most points have nothing have nothing."""
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    values[:2, :2] = [[np.nan, np.nan], [np.nan, 5]]
    values[0, 2] = np.nan
    cells = building.reduced(values, 2)
    assert np.isnan(cells.mean[0, 0])
    assert (cells.least[0, 1], cells.most[0, 1], cells.mean[0, 1]) == (3, 7, pytest.approx(16 / 3))
    assert (cells.least[1, 1], cells.most[1, 1], cells.mean[1, 1]) == (10, 15, 12.5)
    assert building.reduced(values, 1).mean is values


@pytest.mark.parametrize("model", MODELS)
def test_every_model_fills_the_tiles_of_a_region(sources: Sources, model: str) -> None:
    """R154, R155, R156: coarse models fill fine cells, and each has its own hours and sums."""
    run = NOON - timedelta(hours=6)
    region = front(models=(model,), variables=("u10", "precipitation"), hours=6)
    found = row(rounded(sources, scope(region, run=run)), run=run)
    assert found.status is RunStatus.COMPLETE, found.reason
    lon, lat = region.spec.lonlat()
    for variable, raw in ((Variable.U10, Raw.U), (Variable.PRECIPITATION, Raw.RAIN)):
        held = TileKey(region.folder, model, run, variable)
        arrays = tile.opened(sources.blobs.read(shelf.tile(held)))
        hour, before = int(arrays.hours[-1]), int(arrays.hours[-2])
        expected = truth.field(raw, lon, lat, run + timedelta(hours=hour), hour - before)
        np.testing.assert_allclose(arrays.means[-1], expected, atol=0.1)


def point(**more: Any) -> Point:
    told = {"lon": SPOT[0], "lat": SPOT[1], "model": "hrrr", "variable": "t2m"}
    return Point.model_validate({**told, **more})


def test_a_place_is_read_from_one_run_several_or_the_newest_of_each(sources: Sources) -> None:
    older, newer = NOON, NOON + timedelta(hours=2)
    region = front(variables=("t2m",))
    for run in (older, newer):
        rounded(sources, scope(region, run=run))
    found = series.series(sources.blobs, point())
    assert (found.run, found.units, len(found.values)) == ("run_20261125_14", "K", 4)
    lon, lat = np.array([[found.lon]]), np.array([[found.lat]])
    for value in found.values:
        expected = truth.field(Raw.TEMPERATURE, lon, lat, value.time)[0, 0]
        assert value.mean == pytest.approx(expected, abs=0.1)
    assert series.series(sources.blobs, point(), older).init_time == older
    many = series.multirun(sources.blobs, point(), 4)
    assert [each.run for each in many.runs] == ["run_20261125_14", "run_20261125_12"]
    joined = series.stitched(sources.blobs, point(), 4)
    told = [(value.time.hour, value.run[-2:]) for value in joined.values]
    assert told == [(12, "12"), (13, "12"), (14, "14"), (15, "14"), (16, "14"), (17, "14")]
    with pytest.raises(series.NoTiles, match="at -90"):
        series.series(sources.blobs, point(lon=-90))


def test_a_tile_that_is_broken_says_so_and_is_built_anew(sources: Sources) -> None:
    region = front(variables=("t2m",), hours=0)
    rounded(sources, scope(region))
    sources.blobs.write(shelf.tile(key()), b"PK nothing")
    with pytest.raises(tile.BadTile):
        series.series(sources.blobs, point())
    calm = np.zeros(region.spec.shape, np.float32)
    tile.add(sources.blobs, key(), region.spec, {0: Cells(calm, calm, calm)}, {}, NOW)
    assert series.series(sources.blobs, point()).values[0].mean == 0


def test_the_jobs_do_it_all_in_real_storage(sources: Sources, azurite: str) -> None:
    """From sources to tiles and to the forecast of a place; a sidecar that was never written is made up for."""
    region = front(name="stored", variables=("t2m",), hours=1)
    options = [sources.internet, TileOptions(regions=(region,))]
    with closing(AzureBlobs(azurite)) as blobs:
        scan = ScanSource(run=NOON)
        run = run_job(scan, blobs=blobs, options=options, expect=JobStatus.COMPLETED)
        assert (run.result.built, run.result.failed) == (2, 0)
        blobs.delete(shelf.meta(key(region=region)))  # as if it died between array and sidecar
        again = run_job(scan, blobs=blobs, options=options, expect=JobStatus.COMPLETED)
        assert (again.result.fetched, again.result.failed) == (0, 0)
        assert tile.meta_of(blobs, key(region=region)) is not None
        assert len(series.series(blobs, point()).values) == 2


def test_the_jobs_do_it_all(sources: Sources) -> None:
    region = front(variables=("t2m",), hours=1)
    options = [sources.internet, TileOptions(regions=(region,))]
    run = run_job(
        ScanSource(run=NOON), blobs=sources.blobs, options=options, expect=JobStatus.COMPLETED
    )
    assert (run.result.fetched, run.result.built, run.result.failed) == (2, 2, 0)
    again = run_job(
        ScanSource(run=NOON), blobs=sources.blobs, options=options, expect=JobStatus.COMPLETED
    )
    assert (again.result.fetched, again.result.built) == (0, 0)
    by_hand = IngestGrib(model="hrrr", run=NOON, variables=["t2m"], hours=[1, 2])
    run = run_job(by_hand, blobs=sources.blobs, options=options, expect=JobStatus.COMPLETED)
    assert run.result.fetched == 1, "hour 1 is there"
    wider = BuildTile(region=front(name="wider", variables=("t2m",), hours=2))
    run = run_job(wider, blobs=sources.blobs, options=options, expect=JobStatus.COMPLETED)
    assert run.result.built == 3
    run = run_job(PruneCache(), blobs=sources.blobs, expect=JobStatus.COMPLETED)
    assert run.result.gribs >= 2


def test_without_regions_a_scan_does_nothing(sources: Sources) -> None:
    run = run_job(ScanSource(), blobs=sources.blobs, options=[sources.internet])
    assert (run.status, run.result.fetched) == (JobStatus.COMPLETED, 0)
    assert sources.stand.asked == []
