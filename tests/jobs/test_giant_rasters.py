"""A giant, whole: cut into tiles, read straight from storage, and one thing again at the end."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import JobRun, run_job
from jobs.process_raster import ProcessRaster
from services.raster import tileset
from services.raster.environment import gdal
from services.raster.models import Tier
from services.raster.options import RasterOptions
from tests.support.rasters import (
    SOURCE,
    UTM,
    CountingBlobs,
    cells_of,
    classes,
    hills,
    holding,
    mask_of,
    photo,
    refs,
    sparse,
    tiff,
)

OPTIONS = (RasterOptions(tile_above_gb=0.0005, tile_size=512),)
BLOCKS = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
SIZE = 1500


def giant(blobs: MemoryBlobs, **more: object) -> JobRun:
    job = ProcessRaster.model_validate({"source": SOURCE, "collection": "giants", **more})
    return run_job(job, blobs=blobs, options=OPTIONS, expect=JobStatus.COMPLETED)


def whole(blobs: MemoryBlobs, run: JobRun, tier: Tier = Tier.ANALYSIS) -> np.ndarray:
    """The tiles put together again; where they overlap, they must agree."""
    grid = run.result.tiles.grid
    parts: dict[tuple[int, int], np.ndarray] = {}
    for built in run.results(ProcessRaster.convert):
        found = [cog for cog in built.cogs if cog.tier is tier]
        if found:
            parts[built.tile.offset] = cells_of(blobs.read(found[0].ref))
    first = next(iter(parts.values()))
    result = np.zeros((first.shape[0], grid.height, grid.width), first.dtype)
    seen = np.zeros((grid.height, grid.width), bool)
    for (x, y), cells in parts.items():
        at = slice(y, y + cells.shape[1]), slice(x, x + cells.shape[2])
        assert np.array_equal(result[:, *at][:, seen[at]], cells[:, seen[at]], equal_nan=True)
        result[:, *at], seen[at] = cells, True
    return result


@pytest.mark.parametrize("overlap", [0, 64])
@pytest.mark.parametrize("profile", [BLOCKS, {"blockysize": 1}], ids=["tiled", "striped"])
def test_tiles_hold_every_cell_of_their_source(profile: dict, overlap: int):
    cells = hills(SIZE, SIZE - 300)
    blobs = holding(tiff(cells, nodata=-9999, **profile))
    run = giant(blobs, overlap=overlap)
    assert run.result.tiles.tiles > 1
    assert np.array_equal(whole(blobs, run), cells[None])


@pytest.mark.parametrize(
    ("cells", "more"),
    [
        (photo(SIZE), {"photometric": "rgb"}),
        (photo(SIZE, bands=4), {"photometric": "rgb", "alpha": "yes"}),
        (classes(SIZE), {}),
        (hills(SIZE, dtype="int16"), {}),
    ],
    ids=["rgb", "rgba", "classes", "int16"],
)
def test_any_kind_of_raster_survives_the_cutting(cells: np.ndarray, more: dict):
    blobs = holding(tiff(cells, **BLOCKS, **more))
    run = giant(blobs)
    assert np.array_equal(whole(blobs, run), cells if cells.ndim == 3 else cells[None])


def test_colours_stay_colours():
    blobs = holding(tiff(photo(SIZE, bands=4), photometric="rgb", alpha="yes", **BLOCKS))
    run = giant(blobs)
    shown = [run.result.tiles.overview.ref, run.results(ProcessRaster.convert)[0].cogs[0].ref]
    for ref in shown:
        with MemoryFile(blobs.read(ref)) as memory, memory.open() as found:
            assert [c.name for c in found.colorinterp] == ["red", "green", "blue", "alpha"]


def test_a_band_apart_keeps_its_cells_where_the_first_has_none(tmp_path: Path):
    """Bands stored apart: the first is sparse, the second is not."""
    file = tmp_path / "apart.tif"
    sparse(file, 4 * 512, count=2, interleave="band")
    with rasterio.open(file, "r+") as found:
        found.write(hills(512), 2, window=rasterio.windows.Window(1024, 1024, 512, 512))
    blobs = holding(file.read_bytes())
    run = giant(blobs)
    assert run.result.tiles.tiles == 1
    built = next(b for b in run.results(ProcessRaster.convert) if b.cogs)
    cells = cells_of(blobs.read(built.cogs[0].ref))
    assert np.array_equal(cells[1], hills(512))
    assert (cells[0] == -9999).all()


def test_a_palette_survives_in_tiles_and_overview():
    palette = {10: (0, 90, 0, 255), 20: (240, 200, 0, 255), 90: (0, 120, 255, 255)}
    blobs = holding(tiff(classes(SIZE), palette, **BLOCKS))
    run = giant(blobs)
    shown = [run.result.tiles.overview.ref, run.results(ProcessRaster.convert)[0].cogs[0].ref]
    for ref in shown:
        with MemoryFile(blobs.read(ref)) as memory, memory.open() as found:
            assert {k: found.colormap(1)[k] for k in palette} == palette


def test_a_mask_survives_the_cutting():
    blobs = holding(masked_photo())
    run = giant(blobs)
    assert np.array_equal(whole(blobs, run), photo(SIZE))
    hidden = np.indices((SIZE, SIZE))[1] < 700
    for built in run.results(ProcessRaster.convert):
        x, y = built.tile.offset
        at = slice(y, y + built.tile.height), slice(x, x + built.tile.width)
        assert np.array_equal(mask_of(blobs.read(built.cogs[0].ref)) == 0, hidden[at])
    overview = blobs.read(run.result.tiles.overview.ref)
    assert np.array_equal(mask_of(overview) == 0, hidden)


def masked_photo() -> bytes:
    cells = photo(SIZE)
    profile = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 3, "dtype": "uint8"}
    with MemoryFile(tiff(cells[:, :2, :2])) as memory, memory.open() as small:
        place = {"crs": small.crs, "transform": small.transform}
    with gdal(), MemoryFile() as memory:
        with memory.open(**profile, **place, **BLOCKS, photometric="rgb") as dataset:
            dataset.write(cells)
            valid = np.full((SIZE, SIZE), 255, "uint8")
            valid[:, :700] = 0
            dataset.write_mask(valid)
        return memory.read()


def test_a_south_up_giant_becomes_north_up():
    cells = hills(SIZE)
    transform = (10, 0, 500_000, 0, 10, 9_800_000)
    blobs = holding(tiff(cells, **BLOCKS, transform=Affine(*transform)))
    assert np.array_equal(whole(blobs, giant(blobs)), cells[None, ::-1])


def test_reprojected_tiles_are_as_if_all_were_warped_in_one_piece():
    cells = hills(SIZE)
    data = tiff(cells, nodata=-9999, **BLOCKS)
    blobs = holding(data)
    run = giant(blobs, target_crs="EPSG:4326")
    grid = run.result.tiles.grid
    with gdal(), MemoryFile(data) as memory, memory.open() as source:
        shape = {"width": grid.width, "height": grid.height, "transform": Affine(*grid.transform)}
        with WarpedVRT(source, crs="EPSG:4326", resampling=1, **shape) as vrt:
            expected = vrt.read()
    found = whole(blobs, run)
    both = (expected != -9999) & (found != -9999)
    assert (expected != -9999).sum() == pytest.approx((found != -9999).sum(), rel=1e-3)
    assert np.abs(found[both] - expected[both]).max() < 0.5
    assert np.abs(found[both] - expected[both]).mean() < 0.02


def test_reprojected_classes_stay_classes():
    blobs = holding(tiff(classes(SIZE), nodata=0, **BLOCKS))
    run = giant(blobs, target_crs="EPSG:4326")
    assert {10, 20, 90} <= set(np.unique(whole(blobs, run))) <= {0, 10, 20, 90}
    assert set(np.unique(cells_of(blobs.read(run.result.tiles.overview.ref)))) <= {0, 10, 20, 90}


def test_every_tier_is_made_of_every_tile():
    blobs = holding(tiff(photo(SIZE), photometric="rgb", **BLOCKS))
    run = giant(blobs, tiers=["visualization", "analysis"])
    assert run.result.tiles.overview.tier is Tier.ANALYSIS
    for built in run.results(ProcessRaster.convert):
        assert {cog.tier for cog in built.cogs} == {Tier.VISUALIZATION, Tier.ANALYSIS}
    assert np.array_equal(whole(blobs, run), photo(SIZE))
    jpeg = whole(blobs, run, Tier.VISUALIZATION).astype(int)
    assert np.abs(jpeg - photo(SIZE)).mean() < 3
    overview = cells_of(blobs.read(run.result.tiles.overview.ref))
    assert overview.shape == (3, SIZE, SIZE)


def test_tiles_without_a_cell_are_skipped_unread(tmp_path: Path):
    file = tmp_path / "sparse.tif"
    sparse(file, 40 * 512, blocks=[(3, 5), (39, 39)])
    blobs = CountingBlobs()
    blobs.write(SOURCE, file.read_bytes())
    job = ProcessRaster(source=SOURCE, collection="giants", tile_size=2048)
    run = run_job(job, blobs=blobs, options=OPTIONS, expect=JobStatus.COMPLETED)
    assert (run.result.tiles.tiles, run.result.tiles.empty) == (2, 98)
    for built in run.results(ProcessRaster.convert):
        assert bool(built.cogs) == (built.tile.id in {"r000c001", "r009c009"})
    corner = next(b for b in run.results(ProcessRaster.convert) if b.tile.id == "r009c009")
    cells = cells_of(blobs.read(corner.cogs[0].ref))
    assert np.array_equal(cells[0, -512:, -512:], hills(512))
    assert (cells[0, :-512] == -9999).all()


def test_a_giant_without_a_cell_is_refused_with_a_reason(tmp_path: Path):
    file = tmp_path / "sparse.tif"
    sparse(file, 4 * 512)
    blobs = holding(file.read_bytes())
    run = run_job(ProcessRaster(source=SOURCE, collection="x"), blobs=blobs, options=OPTIONS)
    assert run.status is JobStatus.FAILED
    assert "holds no valid cell" in run.error["message"]
    assert refs(blobs) == []


def test_a_giant_of_stored_nodata_is_refused_too():
    blobs = holding(tiff(np.full((SIZE, SIZE), -9999, "float32"), nodata=-9999, **BLOCKS))
    run = run_job(ProcessRaster(source=SOURCE, collection="x"), blobs=blobs, options=OPTIONS)
    assert run.status is JobStatus.FAILED
    assert refs(blobs) == []


def test_the_overview_shows_the_whole_and_lies_where_it_lies(monkeypatch):
    monkeypatch.setattr(tileset, "PICTURE", 1024)
    cells = hills(1600, 1400, "int16")
    blobs = holding(tiff(cells, **BLOCKS, nodata=-1))
    run = giant(blobs)
    overview = run.result.tiles.overview
    assert (overview.grid.width, overview.grid.height) == (800, 700)
    assert overview.grid.bounds == run.result.tiles.grid.bounds
    found = cells_of(blobs.read(overview.ref))[0].astype(int)
    expected = cells.reshape(700, 2, 800, 2).mean(axis=(1, 3))
    assert np.abs(found - expected).max() <= 5


def test_the_index_names_every_tile_with_its_place_and_bytes():
    blobs = holding(tiff(hills(SIZE), nodata=-9999, **BLOCKS))
    run = giant(blobs)
    tiles = run.result.tiles
    index = json.loads(blobs.read(tiles.index))
    built = {b.tile.id: b for b in run.results(ProcessRaster.convert)}
    assert {f["id"] for f in index["features"]} == set(built)
    for feature in index["features"]:
        asset = feature["properties"]["assets"]["analysis"]
        assert blobs.info(BlobRef(asset["href"])).size == asset["file:size"]
        tile = built[feature["id"]].tile
        assert feature["properties"]["window"] == [*tile.offset, tile.width, tile.height]
    west = min(f["bbox"][0] for f in index["features"])
    assert west == pytest.approx(run.result.info.grid.bounds_lonlat[0])
    assert tiles.bytes == sum(c.size for b in built.values() for c in b.cogs)
    assert sum(tiles.tier_bytes.values()) == tiles.bytes
    assert sum(tiles.tier_costs.values()) == pytest.approx(tiles.monthly_cost)


def test_the_mosaic_is_valid_and_every_tile_is_in_it():
    blobs = holding(tiff(hills(SIZE), nodata=-9999, **BLOCKS))
    run = giant(blobs)
    mosaic = json.loads(blobs.read(run.result.tiles.mosaic))
    assert mosaic["mosaicjson"] == "0.0.3"
    assert 0 <= mosaic["minzoom"] <= mosaic["quadkey_zoom"] <= mosaic["maxzoom"] <= 30
    assert all(len(key) == mosaic["quadkey_zoom"] for key in mosaic["tiles"])
    named = {ref for found in mosaic["tiles"].values() for ref in found}
    assert named == {str(b.cogs[0].ref) for b in run.results(ProcessRaster.convert)}
    west, south, east, north = mosaic["bounds"]
    assert west < mosaic["center"][0] < east
    assert south < mosaic["center"][1] < north


def test_a_mosaic_across_the_180th_meridian_has_its_centre_there():
    transform = Affine(2000, 0, 2_000_000, 0, -2000, 7_000_000)
    blobs = holding(tiff(hills(SIZE), crs="EPSG:3832", transform=transform, **BLOCKS))
    run = giant(blobs)
    mosaic = json.loads(blobs.read(run.result.tiles.mosaic))
    west, _, east, _ = mosaic["bounds"]
    assert west > east
    assert not east < mosaic["center"][0] < west
    assert len({ref for found in mosaic["tiles"].values() for ref in found}) == len(
        run.results(ProcessRaster.convert)
    )


def test_a_worker_that_dies_between_two_tiers_goes_on_after_the_first():
    class Dies(MemoryBlobs):
        died = False

        def promote(self, staged, final, *, only_if_new=False):
            if final.endswith("_archive.tif") and not self.died:
                self.died = True
                raise ConnectionResetError("the worker is gone")
            return super().promote(staged, final, only_if_new=only_if_new)

    blobs = Dies()
    blobs.write(SOURCE, tiff(hills(SIZE), nodata=-9999, **BLOCKS))
    made: list[str] = []
    promote = blobs.promote
    blobs.promote = lambda staged, final, **more: (  # type: ignore[method-assign]
        promote(staged, final, **more),
        made.append(final),
    )[0]
    run = giant(blobs, tiers=["analysis", "archive"])
    assert sorted(t.attempts for t in run.tasks("convert"))[-1] == 2
    cogs = [ref for ref in made if "overview" not in ref]
    assert len(cogs) == len(set(cogs))
    assert np.array_equal(whole(blobs, run, Tier.ARCHIVE), hills(SIZE)[None])


def test_a_tile_reads_little_more_than_its_own_part():
    blobs = CountingBlobs()
    noise = np.random.default_rng(5).integers(0, 60_000, (4096, 4096)).astype("uint16")
    blobs.write(SOURCE, tiff(noise, **BLOCKS))
    job = ProcessRaster(source=SOURCE, collection="giants", tile_size=2048)
    run_job(job, blobs=blobs, options=OPTIONS, expect=JobStatus.COMPLETED)
    assert blobs.reads.bytes < 3.0 * blobs.info(SOURCE).size


def test_the_crs_of_the_tiles_is_that_of_the_source():
    blobs = holding(tiff(hills(SIZE), **BLOCKS))
    run = giant(blobs)
    assert run.result.tiles.grid.crs == UTM
    assert run.result.tiles.grid == run.result.info.grid
