"""A STAC item says what the COG is, where and when, in a form that STAC's own schema accepts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from affine import Affine
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from rasterio.io import MemoryFile
from referencing import Registry, Resource

from core.blobs import BlobRef
from core.memory_blobs import MemoryBlobs
from services.raster import cog, item, sample
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.models import Tier

SOURCE = BlobRef("bronze/uploads/source.tif")
TARGET = BlobRef("silver/cogs/source/analysis.tif")


def stac_item_schema() -> Draft7Validator:
    schemas = get_local_schema_cache()
    known = [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    item_schema = next(schema for name, schema in schemas.items() if "v1.1.0/item-spec" in name)
    return Draft7Validator(item_schema, registry=Registry().with_resources(known))


def tiff(crs: str = "EPSG:32736", taken: str = "", **profile: object) -> bytes:
    usual = {"width": 64, "height": 64, "count": 1, "dtype": "float32"}
    placed = {"crs": crs, "transform": Affine(1000, 0, 600_000, 0, -1000, 5_800_000)}
    with gdal(), MemoryFile() as memory:
        with memory.open(driver="GTiff", **{**usual, **placed, **profile}) as dataset:
            dataset.write(np.linspace(0, 1, 64 * 64, dtype="float32").reshape(1, 64, 64))
            if taken:
                dataset.update_tags(TIFFTAG_DATETIME=taken)
        return memory.read()


def described(
    data: bytes, taken: datetime | None = None, target_crs: str | None = None
) -> dict[str, Any]:
    blobs = MemoryBlobs()
    blobs.write(SOURCE, data)
    info = inspect(blobs, SOURCE)
    work = cog.Work(info, [Tier.ANALYSIS], lambda tier: TARGET, "t-1", target_crs)
    made = cog.build(blobs, work, lambda done, note: None).cogs[0]
    return item.item(info, made, "hills", "kigali", taken)


def test_the_item_is_valid_by_the_schema_of_stac():
    found = json.loads(json.dumps(described(sample.dem(256)), allow_nan=False))
    assert list(stac_item_schema().iter_errors(found)) == []


def test_the_item_says_where_its_cells_lie():
    found = described(sample.dem(256))
    properties = found["properties"]
    assert properties["proj:code"] == "EPSG:32736"
    assert properties["proj:shape"] == [256, 256]
    assert properties["proj:transform"] == [30.0, 0.0, 161_000.0, 0.0, -30.0, 9_796_000.0]
    assert found["bbox"] == pytest.approx([29.95, -1.91, 30.02, -1.84], abs=0.01)
    assert found["geometry"]["coordinates"][0][0] == (found["bbox"][0], found["bbox"][1])


def test_the_asset_can_be_checked_against_its_blob():
    asset = described(sample.dem(256))["assets"]["data"]
    assert asset["href"] == TARGET
    assert asset["file:checksum"].startswith("1220")
    assert len(asset["file:checksum"]) == 4 + 64
    band = asset["bands"][0]
    assert (band["name"], band["unit"], band["nodata"]) == ("elevation", "m", -9999.0)
    assert band["statistics"]["minimum"] > 1000


def test_nan_nodata_is_written_as_json_can_write_it():
    found = described(tiff(nodata=np.nan))
    assert found["assets"]["data"]["bands"][0]["nodata"] == "nan"
    json.dumps(found, allow_nan=False)


def test_a_crs_without_a_code_is_written_in_full():
    albers = "+proj=aea +lat_1=1 +lat_2=5 +lat_0=3 +lon_0=30 +ellps=GRS80 +units=m"
    properties = described(tiff(crs=albers))["properties"]
    assert properties["proj:code"] is None
    assert properties["proj:wkt2"].startswith("PROJCRS[")


def test_the_footprint_is_cut_in_two_at_the_180th_meridian():
    """R72: a raster crossing the 180th meridian."""
    found = described(
        tiff(crs="EPSG:32660", transform=Affine(5000, 0, 600_000, 0, -5000, 5_800_000))
    )
    west, _, east, _ = found["bbox"]
    assert west > 0 > east
    assert found["geometry"]["type"] == "MultiPolygon"
    xs = [[x for x, _ in part[0]] for part in found["geometry"]["coordinates"]]
    assert (max(xs[0]), min(xs[1])) == (180.0, -180.0)


@pytest.mark.parametrize(
    ("taken", "tag", "datetime_", "source"),
    [
        (
            datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            "2022:01:17 10:43:43",
            "2024-05-01T10:00:00Z",
            "given",
        ),
        (None, "2022:01:17 10:43:43", "2022-01-17T10:43:43Z", "file"),
    ],
)
def test_the_time_is_the_best_known(taken, tag, datetime_, source):
    properties = described(tiff(taken=tag), taken)["properties"]
    assert properties["datetime"] == datetime_
    assert properties["coremachine:datetime_source"] == source


@pytest.mark.parametrize("tag", ["", "2022-01-17", "0000:00:00 00:00:00"])
def test_without_any_the_time_of_processing_is_named_as_such(tag):
    properties = described(tiff(taken=tag))["properties"]
    assert properties["coremachine:datetime_source"] == "processing"
    made = datetime.fromisoformat(properties["datetime"])
    assert timedelta(0) <= datetime.now(UTC) - made < timedelta(minutes=1)


def test_the_alpha_band_that_reprojection_adds_is_listed():
    data = tiff(dtype="uint8", transform=Affine(900, 0, 500_000, 0, -900, 9_000_000))
    bands = described(data, target_crs="EPSG:4326")["assets"]["data"]["bands"]
    assert [band["name"] for band in bands] == ["b1", "alpha"]
