"""A look at a raster finds what it is, or says what is wrong with it and what to do."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.errors import BadInput
from core.memory.blobs import MemoryBlobs
from services.raster import sample
from services.raster.environment import CACHE, gdal
from services.raster.inspect import inspect
from services.raster.models import RasterInfo, RasterType
from services.raster.source import opened

REF = BlobRef("bronze/uploads/raster.tif")
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 9_800_000)


def tiff(cells: np.ndarray, **profile: object) -> bytes:
    bands = cells if cells.ndim == 3 else cells[None]
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    usual = {"crs": "EPSG:32736", "transform": NORTH_UP, "dtype": bands.dtype.name}
    colors = profile.pop("colors", None)
    with gdal(), MemoryFile() as memory:
        with memory.open(driver="GTiff", **{**shape, **usual, **profile}) as dataset:
            dataset.write(bands)
            if colors:
                dataset.colorinterp = colors
        return memory.read()


def look(data: bytes, input_crs: str | None = None) -> RasterInfo:
    blobs = MemoryBlobs()
    blobs.write(REF, data)
    return inspect(blobs, REF, input_crs)


def hills(size: int = 64) -> np.ndarray:
    return np.add.outer(np.linspace(0, 300, size), np.linspace(0, 200, size)).astype("float32")


def test_the_sample_is_a_dem_near_kigali_with_a_lake_of_nodata():
    info = look(sample.dem())
    west, south, east, north = info.grid.bounds_lonlat
    assert (info.raster_type, info.dtype, info.nodata) == (RasterType.DEM, "float32", -9999.0)
    assert west < 30.06 < east
    assert south < -1.95 < north
    assert info.grid.pixel_size == (30.0, 30.0)
    assert info.bands[0].unit == "m"
    assert info.bands[0].statistics.minimum > 1000
    assert 0.9 < info.bands[0].statistics.valid_share < 0.97


def test_the_sample_is_the_same_every_time():
    assert sample.dem(128) == sample.dem(128)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no GeoTIFF"),
        (b'{"type": "FeatureCollection"}', "no GeoTIFF and no JPEG 2000"),
        (b"<VRTDataset/>", "no GeoTIFF and no JPEG 2000"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "no GeoTIFF and no JPEG 2000"),
        (b"II*\0" + bytes(64), "damaged or cut short"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64), "damaged or cut short"),
    ],
)
def test_what_is_no_raster_is_refused(data, says):
    with pytest.raises(BadInput, match=says) as refused:
        look(data)
    assert str(REF) in str(refused.value)


def test_a_file_that_ends_too_early_is_refused():
    whole = sample.dem(256)
    with pytest.raises(BadInput, match="damaged or cut short"):
        look(whole[: len(whole) * 2 // 3])


def test_a_refusal_names_the_blob_and_no_file_of_this_machine():
    with pytest.raises(BadInput) as refused:
        look(b"II*\0" + bytes(64))
    for secret in ("vsi", "blob-", ".tif:", "tmp"):
        assert secret not in str(refused.value)


def test_no_crs_asks_for_input_crs_and_takes_it():
    """R73: no CRS."""
    data = tiff(hills(), crs=None)
    with pytest.raises(BadInput, match="has no CRS; pass input_crs"):
        look(data)
    assert look(data, "EPSG:32735").grid.crs == "EPSG:32735"


def test_a_crs_that_contradicts_the_file_shows_both():
    """R73: CRS conflicts with input_crs."""
    with pytest.raises(BadInput, match=r"EPSG:32736.*EPSG:4326"):
        look(tiff(hills()), "EPSG:4326")
    assert look(tiff(hills()), "EPSG:32736").grid.crs == "EPSG:32736"


def test_an_input_crs_that_is_none_is_refused():
    with pytest.raises(BadInput, match="'EPSG:0' is no CRS"):
        look(tiff(hills()), "EPSG:0")


@pytest.mark.parametrize("dtype", ["complex64", "int64", "uint64"])
def test_cells_that_few_readers_understand_are_refused(dtype):
    """R73: 64-bit integers and complex numbers."""
    with pytest.raises(BadInput, match=f"{dtype} cells"):
        look(tiff(np.ones((8, 8), dtype)))


def test_a_raster_without_nodata_is_wholly_valid():
    """R73: no nodata."""
    info = look(tiff(hills()))
    assert info.nodata is None
    assert info.bands[0].statistics.valid_share == 1.0


def test_a_rotated_raster_is_refused():
    """R72: rotated geotransform."""
    with pytest.raises(BadInput, match="rotated or sheared; warp it"):
        look(tiff(hills(), transform=NORTH_UP @ Affine.rotation(20)))


def test_a_raster_placed_by_ground_control_points_is_refused():
    points = [GroundControlPoint(r, c, c * 10, r * 10) for r in (0, 63) for c in (0, 63)]
    data = tiff(hills(), transform=None, crs=CRS.from_epsg(32736), gcps=points)
    with pytest.raises(BadInput, match="4 ground control points; warp it"):
        look(data)


def test_a_raster_without_position_is_refused():
    with pytest.raises(BadInput, match="no position on the earth"):
        look(tiff(hills(), transform=Affine.identity()))


def test_a_south_up_raster_has_ordinary_bounds():
    """R72: south-up transform."""
    info = look(tiff(hills(), transform=Affine(10, 0, 500_000, 0, 10, 9_800_000)))
    assert info.grid.south_up
    assert info.grid.bounds == (500_000, 9_800_000, 500_640, 9_800_640)


@pytest.mark.parametrize(
    ("west", "east", "lonlat"),
    [
        (0, 360, (-180, 180)),
        (190, 200, (-170, -160)),
        (170, 190, (170, -170)),
        (-10, 0, (-10, 0)),
        (170, 180, (170, 180)),
        (180, 190, (-180, -170)),
    ],
)
def test_longitudes_come_out_from_minus_180_to_180(west, east, lonlat):
    """R72: 0-360 longitudes and crossing of the 180th meridian."""
    grid = Affine((east - west) / 64, 0, west, 0, -0.1, 10)
    info = look(tiff(hills(), crs="EPSG:4326", transform=grid))
    assert (info.grid.bounds_lonlat[0], info.grid.bounds_lonlat[2]) == pytest.approx(lonlat)


def test_a_nodata_collar_changes_neither_statistics_nor_type():
    """R69: type detection on a nodata collar; int16 differences over -32768."""
    heights = (1500 + hills(200)).astype("int16")
    framed = np.full((400, 400), -32768, "int16")
    framed[100:300, 100:300] = heights
    info = look(tiff(framed, nodata=-32768))
    assert info.raster_type is RasterType.DEM
    assert info.bands[0].statistics.minimum == 1500
    assert info.bands[0].statistics.mean == pytest.approx(heights.mean())
    assert info.bands[0].statistics.valid_share == 0.25


def test_int16_land_cover_is_categorical():
    """R69: land cover in int16 is no DEM."""
    classes = np.random.default_rng(1).choice([11, 21, 41, 82, 95], (64, 64)).astype("int16")
    info = look(tiff(classes, nodata=-32768))
    assert (info.raster_type, info.reason) == (
        RasterType.CATEGORICAL,
        "it has one band of 5 distinct whole numbers",
    )


def test_near_infrared_with_a_black_collar_is_not_alpha():
    """R69: a fourth band that is black at the edges is near infrared unless the file calls it alpha."""
    cells = np.random.default_rng(1).integers(1, 255, (4, 64, 64), "uint8")
    cells[:, :8] = 0
    info = look(tiff(cells, photometric="rgb", alpha="yes"))
    assert info.has_alpha
    assert info.raster_type is RasterType.NIR


def test_an_alpha_band_with_soft_edges_is_alpha():
    cells = np.full((4, 64, 64), 255, "uint8")
    cells[3, :8], cells[3, 8:10] = 0, 90
    assert look(tiff(cells, photometric="rgb", alpha="yes")).raster_type is RasterType.RGBA


def test_noise_is_no_dem():
    noise = np.random.default_rng(1).uniform(0, 900, (64, 64)).astype("float32")
    assert look(tiff(noise)).raster_type is RasterType.CONTINUOUS


def test_nan_counts_as_nothing_whether_it_is_declared_or_not():
    cells = hills()
    cells[0] = np.nan
    for nodata in (np.nan, None):
        found = look(tiff(cells, nodata=nodata)).bands[0].statistics
        assert found.valid_share == 63 / 64
        assert found.maximum == 500.0


def test_a_raster_of_nodata_only_has_no_statistics():
    found = look(tiff(np.zeros((16, 16), "uint8"), nodata=0)).bands[0].statistics
    assert (found.minimum, found.maximum, found.mean, found.valid_share) == (None, None, None, 0.0)


@pytest.mark.parametrize("nodata", [np.nan, np.inf, -9999.0, None])
def test_what_was_found_survives_json(nodata):
    info = look(tiff(hills(), nodata=nodata))
    again = RasterInfo.model_validate_json(info.model_dump_json())
    assert repr(again) == repr(info)


def test_files_lying_beside_a_raster_are_not_read(tmp_path: Path):
    """A sidecar could name any file or host; the raster alone counts."""
    (tmp_path / "r.tif").write_bytes(tiff(hills(), crs=None))
    (tmp_path / "r.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform></PAMDataset>"
    )

    with gdal(), opened(tmp_path / "r.tif", "r.tif") as dataset:
        assert dataset.crs is None


def test_gdal_gets_its_cache_in_bytes():
    with gdal():
        assert rasterio.env.getenv()["GDAL_CACHEMAX"] == CACHE == 268_435_456
