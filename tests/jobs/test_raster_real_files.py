"""Every real raster is understood and converted as it should be, or refused with a reason."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.errors import BadInput
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from jobs.process_raster import ProcessRaster
from services.raster import cog
from services.raster.inspect import inspect
from services.raster.models import Cog, RasterInfo, RasterType, Tier
from services.stac.item import item
from tests.support.stac import problems

pytestmark = pytest.mark.shared_data

TARGET = BlobRef("silver/cogs/analysis.tif")

REFUSED = {
    "raster/corrupt.tif": "is damaged or cut short",
    "raster/cog_gcps.tif": "is placed by 210 ground control points",
    "raster/rotated.tif": "is rotated or sheared",
    "broken/half.tif": "is damaged or cut short",
    "broken/not_a_tiff.tif": "is no GeoTIFF and no JPEG 2000",
    "broken/bowtie.geojson": "is no GeoTIFF and no JPEG 2000",
    "broken/points_bad.csv": "is no GeoTIFF and no JPEG 2000",
}
TYPES = {
    "1985.tif": RasterType.MULTISPECTRAL,
    "RGB.byte.tif": RasterType.RGB,
    "RGBA.uint16.tif": RasterType.RGBA,
    "above_cog.tif": RasterType.MULTISPECTRAL,
    "all-nodata.tif": RasterType.MULTISPECTRAL,
    "alpha.tif": RasterType.RGBA,
    "bad_output_vrt.tif": RasterType.CATEGORICAL,
    "cog_cmap.tif": RasterType.CATEGORICAL,
    "cog_fullearth.tif": RasterType.CONTINUOUS,
    "cog_scale.tif": RasterType.MULTISPECTRAL,
    "cog_world.tif": RasterType.CATEGORICAL,
    "dem.tif": RasterType.DEM,
    "dtm.tif": RasterType.DEM,
    "goes.tif": RasterType.RGB,
    "image_colormap.tif": RasterType.CATEGORICAL,
    "image_nan.tif": RasterType.CONTINUOUS,
    "image_rgba_nodata.tif": RasterType.RGBA,
    "inverted_lat.tif": RasterType.CONTINUOUS,
    "m_4709963_se_14_1_20090818.tif": RasterType.MULTISPECTRAL,
    "world.rgb.tif": RasterType.RGB,
}
# The oracle repeats rasterio's guess, a CRS of another datum; the file's own has an unknown one.
CRS_OF = {"raster/float_raster_with_extra_nodata.tif": 'PROJCS["unknown",'}
HUGE = "raster/cog_world.tif"
WHOLE = 1024
"""Up to this size a look sees every cell, so its statistics are exact."""

DEMS = [
    "dem/los_angeles_dem_geoid.tif",
    *(f"dem/los_angeles_tile_{n}.tif" for n in range(4)),
]
NAMES = [
    *DEMS,
    *(f"raster/{name}" for name in TYPES),
    *(
        f"raster/{name}.tif"
        for name in (
            "cog_dateline",
            "cog_int16",
            "float_raster_with_extra_nodata",
            "image_geos",
            "image_no_overview",
            "image_nodata",
            "image_web_z5_z11",
            "test_esri_wkt",
        )
    ),
]


@cache
def expected(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "data" / "expected_rasters.json").read_text())


def holding(shared: Path, name: str) -> tuple[MemoryBlobs, BlobRef]:
    blobs, ref = MemoryBlobs(), BlobRef(f"bronze/real/{name}")
    blobs.write(ref, (shared / "data" / name).read_bytes())
    return blobs, ref


def build(blobs: MemoryBlobs, info: RasterInfo, target_crs: str | None = None) -> Cog:
    work = cog.Work(info, [Tier.ANALYSIS], lambda tier: TARGET, "task-1", target_crs)
    return cog.build(blobs, work, lambda done, note: None).cogs[0]


def test_no_file_is_left_out(shared: Path):
    found = [
        f"{file.parent.name}/{file.name}"
        for folder in ("raster", "dem", "broken")
        for file in (shared / "data" / folder).iterdir()
    ]
    assert sorted(found) == sorted([*NAMES, *REFUSED])


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_a_reason(shared: Path, name: str):
    """R72: rotated and GCP-only. R73: errors are typed."""
    blobs, ref = holding(shared, name)
    with pytest.raises(BadInput) as refused:
        inspect(blobs, ref)
    assert str(refused.value).startswith(f"{ref} {REFUSED[name]}")


@pytest.mark.parametrize("name", NAMES)
def test_a_look_finds_what_the_oracle_says(shared: Path, name: str):
    facts, info = expected(shared)[name], inspect(*holding(shared, name))
    assert [info.grid.width, info.grid.height, len(info.bands)] == facts["size"]
    assert (info.dtype, info.driver) == (facts["dtype"], facts["driver"])
    assert info.grid.crs.startswith(CRS_OF.get(name, facts["crs"]))
    assert str(info.nodata) == str(facts["nodata"])
    assert info.grid.bounds == pytest.approx(north_up(facts["bounds"]), abs=1e-6)
    west, south, east, north = info.grid.bounds_lonlat
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert -90 <= south < north <= 90


@pytest.mark.parametrize("name", NAMES)
def test_statistics_are_those_of_the_valid_cells(shared: Path, name: str):
    """R69: nodata, masks and alpha are left out."""
    facts, info = expected(shared)[name], inspect(*holding(shared, name))
    found = info.bands[0].statistics
    cells = info.grid.width * info.grid.height
    if max(info.grid.width, info.grid.height) > WHOLE or "valid" not in facts:
        assert 0 < found.valid_share <= 1 or facts.get("valid") == 0
        return
    assert found.valid_share * cells == pytest.approx(facts["valid"])
    assert (found.minimum, found.maximum) == (facts["min"], facts["max"])


@pytest.mark.parametrize(("name", "raster_type"), TYPES.items())
def test_the_type_is_guessed_and_explained(shared: Path, name: str, raster_type: RasterType):
    info = inspect(*holding(shared, f"raster/{name}"))
    assert info.raster_type is raster_type, info.reason
    assert info.reason


@pytest.mark.parametrize("name", [name for name in NAMES if name != HUGE])
def test_a_cog_holds_every_cell_of_its_source(shared: Path, name: str):
    """R66: what is reported was read from the output."""
    blobs, ref = holding(shared, name)
    facts, info = expected(shared)[name], inspect(blobs, ref)
    made = build(blobs, info)
    assert [made.grid.width, made.grid.height, made.band_count] == facts["size"]
    assert (made.dtype, str(made.nodata)) == (facts["dtype"], str(facts["nodata"]))
    assert made.grid.bounds == pytest.approx(north_up(facts["bounds"]), abs=1e-6)
    assert made.valid
    assert same_cells(blobs.read(ref), blobs.read(TARGET), flipped=info.grid.south_up)
    json.dumps(item(info, [made], "real", "one"), allow_nan=False)


SMALL = [
    name
    for name in NAMES
    if name.split("/")[1]
    not in {"cog_world.tif", "image_web_z5_z11.tif", "cog_cmap.tif", "above_cog.tif"}
]


@pytest.mark.parametrize("name", SMALL)
def test_what_is_reprojected_lies_where_its_source_lay(shared: Path, name: str):
    """R66: CRS and bounds after reprojection. R72: what crosses the 180th meridian is refused."""
    blobs, ref = holding(shared, name)
    info = inspect(blobs, ref)
    west, _, east, _ = info.grid.bounds_lonlat
    if west > east:
        with pytest.raises(BadInput, match="crosses the 180th meridian"):
            build(blobs, info, "EPSG:4326")
        return
    made = build(blobs, info, "EPSG:4326")
    step = 2 * max(made.grid.pixel_size)
    assert made.grid.crs == "EPSG:4326"
    if name != "raster/goes.tif":  # its corners look past the earth
        assert made.grid.bounds == pytest.approx(info.grid.bounds_lonlat, abs=step)
    assert made.dtype == info.dtype


@pytest.mark.parametrize("name", [name for name in (*NAMES, *REFUSED) if name != HUGE])
def test_the_whole_job_ends_in_an_item_or_in_one_refusal(shared: Path, name: str):
    """R79: what cannot be used is refused at the first attempt, and nothing of it is left."""
    blobs, ref = holding(shared, name)
    catalog = MemoryCatalog()
    job = ProcessRaster(source=ref, collection="real", item_id="one", tiers=list(Tier))
    run = run_job(job, blobs=blobs, catalog=catalog)
    if name in REFUSED:
        assert (run.status, run.error["code"]) == (JobStatus.FAILED, "bad_input")
        assert [task.attempts for task in run.tasks("look")] == [1]
        assert catalog.collections() == []
        return
    assert run.status is JobStatus.COMPLETED
    found = catalog.item("real", "one")
    assert problems(found) == []
    made = {cog.tier for cog in run.result.cogs} | {each.tier for each in run.result.skipped}
    assert made == set(Tier)


@pytest.mark.slow
def test_a_picture_of_the_earth_is_tiled_and_put_together_again(shared: Path):
    """R70, R71: 648 million cells in tiles of 8,192; from afar they look as the source does."""
    blobs, ref = holding(shared, HUGE)
    catalog = MemoryCatalog()
    run = run_job(
        ProcessRaster(source=ref, collection="earth", item_id="one", tile_size=8192),
        blobs=blobs,
        catalog=catalog,
        expect=JobStatus.COMPLETED,
    )
    tiles = run.result.tiles
    assert (tiles.grid.width, tiles.grid.height) == (36_000, 18_000)
    assert tiles.tiles + tiles.empty == 10
    with (
        MemoryFile(blobs.read(ref)) as one,
        MemoryFile(blobs.read(tiles.overview.ref)) as two,
        one.open() as source,
        two.open() as picture,
    ):
        wanted = source.read(1, out_shape=(picture.height, picture.width))
        assert (wanted == picture.read(1)).mean() > 0.97
    assert catalog.item("earth", "one")["properties"]["proj:shape"] == [18_000, 36_000]


def north_up(bounds: list[float]) -> tuple[float, float, float, float]:
    west, south, east, north = bounds
    return west, min(south, north), east, max(south, north)


def same_cells(source: bytes, target: bytes, *, flipped: bool) -> bool:
    with MemoryFile(source) as one, MemoryFile(target) as two, one.open() as a, two.open() as b:
        rows = slice(None, None, -1) if flipped else slice(None)
        return all(
            np.array_equal(a.read(i)[rows], b.read(i), equal_nan=a.dtypes[0].startswith("float"))
            for i in a.indexes
        )
