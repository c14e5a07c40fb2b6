"""Terrain and land cover from a server of tiles: right, from few bytes, read once, and never silently wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pydantic import ValidationError
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rio_cogeo.cogeo import cog_validate

from core.errors import BadInput
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from jobs.terrain_patch import TerrainPatch
from services.geo.gridspec import GridSpec
from services.landcover import patch as landcover
from services.landcover import sample as made_cover
from services.landcover.worldcover import Cover
from services.remote.kept import Kept
from services.remote.products import TilesFailed
from services.storage import single_flight
from services.terrain import glo30, patch, sample
from tests.support.earth import Earth, find, running
from triggers.local.sources import Fault

PLACE = (7.5, 46.5)
CORNER = (7.0, 46.0)
AWS, OTHER = "copernicus-dem-30m", "opentopography"
SECOND = 1 / 3600


@pytest.fixture
def earth():
    with running() as found:
        yield found


def made(earth: Earth, spec: GridSpec | None = None) -> patch.Terrain:
    return patch.build(earth.blobs, earth.internet, spec or here())


def here(place: tuple[float, float] = PLACE, radius: float = 1_500, **more: Any) -> GridSpec:
    return GridSpec.around(*place, radius, **{"cell": 30, "metric": True, **more})


def right(found: patch.Terrain) -> None:
    lon, lat = found.spec.lonlat()
    np.testing.assert_allclose(found.elevation, sample.height(lon, lat), atol=1.0)


@pytest.mark.parametrize("place", [PLACE, CORNER, (180.0, -17.0), (10.0, 60.0)])
def test_elevation_is_that_of_the_tiles(earth: Earth, place: tuple[float, float]) -> None:
    """R137, R147: also across the corner of four tiles, the 180th meridian, and where cells become wider."""
    found = made(earth, here(place))
    right(found)
    assert not found.sea.any()


def test_a_second_look_nearby_reads_nothing(earth: Earth) -> None:
    first = made(earth)
    earth.stand.forget()
    second = made(earth, here((PLACE[0] + 0.01, PLACE[1]), 900))
    assert first.bytes > 0
    assert (second.bytes, second.requests, earth.stand.asked) == (0, 0, [])
    right(second)


def test_only_the_head_and_the_blocks_of_a_place_are_read(earth: Earth) -> None:
    """A tile has sixteen blocks; a small place lies in one."""
    found = made(earth)
    assert found.requests == 2
    assert found.bytes < sample.SLOT + (64 << 10)
    assert not earth.stand.repeated()


def test_many_looks_at_once_read_each_block_once(earth: Earth, monkeypatch) -> None:
    """R139."""
    monkeypatch.setattr(single_flight, "STALE", 600)  # however slow this machine is
    start = threading.Barrier(4)

    def look(n: int) -> patch.Terrain:
        start.wait()
        return made(earth, here((PLACE[0] + n / 1000, PLACE[1])))

    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(look, range(4)):
            right(each)
    assert not earth.stand.repeated()


def test_a_claim_whose_owner_was_killed_is_taken_over(earth: Earth, monkeypatch) -> None:
    """R150."""
    monkeypatch.setattr(single_flight, "STALE", 0.3)
    kept = Kept(earth.blobs, patch.CONTAINER, "glo30", glo30.name(46, 7))
    earth.blobs.write(kept.ref("claim"), b"fetching")
    right(made(earth))
    assert single_flight.state(earth.blobs, kept.ref("claim")) == ""


def test_sea_has_no_tiles_lies_at_0_and_is_told(earth: Earth) -> None:
    shore = (-20.0, 45.0)  # the made-up Atlantic ends here
    found = made(earth, here(shore, 900))
    assert 0.3 < found.sea.mean() < 0.7
    assert not found.elevation[found.sea == 1].any()
    earth.stand.forget()
    made(earth, here(shore, 900))
    assert not earth.stand.asked


def test_land_that_is_only_to_be_had_coarser_is_no_sea(earth: Earth) -> None:
    earth.stand.faults.append(Fault(r"(DSM_COG_10|COP30_hh).*N46_00_E007", status=404))
    with pytest.raises(BadInput, match="N46_00_E007_00, though there is land"):
        made(earth)


@pytest.mark.parametrize("status", [403, 404])
def test_a_mirror_that_has_nothing_any_more_makes_no_sea(earth: Earth, status: int) -> None:
    """An object store that was closed answers as if each tile were absent."""
    earth.stand.faults.append(Fault(AWS, status=status))
    right(made(earth))
    assert earth.stand.requests(OTHER)


def test_when_no_mirror_can_be_read_the_error_says_why(earth: Earth) -> None:
    earth.stand.faults.append(Fault("DEM", status=400))
    with pytest.raises(TilesFailed, match="aws: it answers 400; opentopography: it answers 400"):
        made(earth)


@pytest.mark.parametrize(
    "fault",
    [
        {"ignores_range": True},
        {"cut": 100},
        {"change": lambda data: b"<html>Sorry</html>".ljust(len(data))},
        {
            "change": lambda data: (
                data[:3000] + bytes(2000) + data[5000:] if len(data) > 99_999 else data
            )
        },
    ],
    ids=["ignores ranges", "breaks off", "another file", "damaged block"],
)
def test_what_is_not_whole_is_read_from_the_next_mirror(earth: Earth, fault: dict) -> None:
    earth.stand.faults.append(Fault(f"{AWS}.*N46", **fault))
    right(made(earth))
    assert earth.stand.requests(OTHER)
    assert earth.stand.sent < 60_000_000


def test_a_mirror_that_is_busy_is_asked_again(earth: Earth) -> None:
    earth.stand.faults.append(Fault(AWS, status=503, times=2))
    right(made(earth))
    assert not earth.stand.requests(OTHER)


def test_a_kept_block_that_was_damaged_is_read_again(earth: Earth) -> None:
    made(earth)
    for info in earth.blobs.list("silver", patch.CONTAINER, "glo30").blobs:  # type: ignore[arg-type]
        if info.size > 100_000:
            data = earth.blobs.read(info.ref)
            earth.blobs.write(info.ref, data[:3000] + bytes(len(data) - 3000))
    right(made(earth))


def test_a_tile_on_another_grid_is_refused(earth: Earth) -> None:
    wrong = sample.tile(10, 10)
    earth.stand.find = lambda path: wrong if "N46_00_E007" in path else find(path)
    with pytest.raises(TilesFailed, match="another grid"):
        made(earth)


def test_real_pieces_around_a_corner_become_what_others_made_of_them(
    earth: Earth, shared: Path
) -> None:
    """Los Angeles: four tiles of the real DEM, compressed as it is, against the merge that came with them."""
    folder = shared / "data" / "dem"
    tiles = dict(_whole(path) for path in sorted(folder.glob("los_angeles_tile_*.tif")))
    earth.stand.find = lambda path: next(
        (t for name, t in tiles.items() if name in path), find(path)
    )
    with rasterio.open(folder / "los_angeles_dem_geoid.tif") as dataset:
        expected, place = dataset.read(1), dataset.transform
    # cells whose middles are those of the DEM: half a second off the whole ones
    spec = GridSpec.from_bbox((-118.045, 34 - 0.045, -118 + 0.045, 34.045), 1 / 7200)
    found = made(earth, spec)
    lon, lat = spec.lonlat()
    column, row = (lon - place.c) / SECOND - 0.5, (place.f - lat) / SECOND - 0.5
    first, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right_ = row - first, column - left
    there = (
        expected[first, left] * (1 - down) * (1 - right_)
        + expected[first + 1, left] * down * (1 - right_)
        + expected[first, left + 1] * (1 - down) * right_
        + expected[first + 1, left + 1] * down * right_
    )
    np.testing.assert_allclose(found.elevation, there, atol=0.02)
    assert not found.sea.any()


def _whole(path: Path) -> tuple[str, bytes]:
    """A real piece in a tile of the real size, written as the real ones are."""
    with rasterio.open(path) as piece:
        values, place = piece.read(1), piece.transform
    west, south = round(place.c + 0.4), round(place.f - 0.6)
    west, south = (-118 if place.c > -118.001 else -119), (34 if place.f > 34.01 else 33)
    grid = glo30.grid(south, west)
    column, row = round((place.c - grid.west) / SECOND), round((grid.north - place.f) / SECOND)
    whole = np.zeros((3600, 3600), np.float32)
    whole[row : row + values.shape[0], column : column + values.shape[1]] = values
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "width": 3600, "height": 3600}
    transform = rasterio.Affine(SECOND, 0, grid.west, 0, -SECOND, grid.north)
    with MemoryFile() as plain, MemoryFile() as target:
        with plain.open(**profile, crs="EPSG:4326", transform=transform) as dataset:
            dataset.write(whole, 1)
        copy_raster(
            plain.name,
            target.name,
            driver="COG",
            compress="DEFLATE",
            level=1,
            predictor="YES",
            blocksize=1024,
        )
        return f"10_{glo30.name(south, west)}_DEM", bytes(target.read())


# -- the job


@pytest.mark.parametrize("metric", [False, True])
def test_the_job_leaves_maps_and_an_item(earth: Earth, metric: bool) -> None:
    catalog = MemoryCatalog()
    job = TerrainPatch(point=PLACE, radius_m=1_000, metric=metric)
    run = run_job(
        job,
        blobs=earth.blobs,
        catalog=catalog,
        options=[earth.internet],
        expect=JobStatus.COMPLETED,
    )
    told = run.result
    for layer, ref in told.cogs.items():
        with MemoryFile(earth.blobs.read(ref)) as file:
            assert cog_validate(file.name, quiet=True)[0], layer
            with file.open() as cog:
                assert cog.shape == told.grid.shape
                assert cog.count == (2 if layer == "gradient" else 1)
    item = catalog.item("terrain", told.item)
    assert item is not None
    assert set(item["assets"]) == {"elevation", "slope", "aspect", "gradient"}
    assert item["properties"]["coremachine:sea"] == 0
    assert told.elevation.minimum < told.elevation.mean < told.elevation.maximum


def test_a_job_without_a_place_or_for_half_the_earth_is_refused() -> None:
    with pytest.raises(ValidationError, match="either bbox or point"):
        TerrainPatch()
    with pytest.raises(ValidationError, match="smaller place"):
        TerrainPatch(bbox=(0, 0, 40, 40), resolution=0.1)


# -- land cover


def test_land_cover_is_the_class_that_fills_most_of_a_cell(earth: Earth) -> None:
    spec = here(radius=900, cell=10)
    found = landcover.build(earth.blobs, earth.internet, spec)
    assert (found.majority == made_cover.cover(*spec.lonlat())).mean() > 0.97
    assert sum(found.totals.values()) == pytest.approx(1)
    coarse = landcover.build(earth.blobs, earth.internet, here(radius=900, cell=300))
    assert coarse.bytes == 0
    assert set(np.unique(coarse.majority)) <= set(Cover)
    assert (coarse.share > 0.25).all()


def test_where_no_tile_is_there_is_no_land_cover(earth: Earth) -> None:
    found = landcover.build(earth.blobs, earth.internet, here((-150.0, 10.0), 900, cell=100))
    assert found.totals == {Cover.NONE: 1.0}
    assert not found.majority.any()
