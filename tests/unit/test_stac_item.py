"""A STAC item says what the COG is, where and when, in a form that STAC's own schema accepts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.errors import BadInput
from core.memory.blobs import MemoryBlobs
from services.raster import cog, sample
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.models import Tier
from services.stac import existing, rules
from services.stac.collection import ITEM_ASSETS, of_rasters, standard
from services.stac.item import item
from tests.support.stac import problems

SOURCE = BlobRef("bronze/uploads/source.tif")
TARGET = BlobRef("silver/cogs/source/analysis.tif")


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
    return item(info, [made], "hills", "kigali", taken=taken)


def tiers(data: bytes, *wanted: Tier, **given: Any) -> dict[str, Any]:
    blobs = MemoryBlobs()
    blobs.write(SOURCE, data)
    info = inspect(blobs, SOURCE)
    work = cog.Work(info, list(wanted), lambda tier: BlobRef(f"silver/cogs/{tier}.tif"), "t-1")
    return item(info, cog.build(blobs, work, lambda done, note: None).cogs, "c", "i", **given)


def photo(bands: int = 3) -> bytes:
    usual = {"width": 64, "height": 64, "count": bands, "dtype": "uint8", "crs": "EPSG:32736"}
    with gdal(), MemoryFile() as memory:
        placed = {"transform": Affine(10, 0, 600_000, 0, -10, 5_800_000), "photometric": "rgb"}
        with memory.open(driver="GTiff", **usual, **placed) as dataset:
            cells = np.random.default_rng(1).integers(1, 255, (bands, 64, 64), "uint8")
            dataset.write(cells)
        return memory.read()


def test_the_item_is_valid_by_the_schema_of_stac():
    assert problems(described(sample.dem(256))) == []


def test_each_tier_is_an_asset_and_the_best_is_the_data():
    found = tiers(photo(), Tier.VISUALIZATION, Tier.ANALYSIS, Tier.ARCHIVE)
    assert problems(found) == []
    roles = {name: asset["roles"] for name, asset in found["assets"].items()}
    assert roles == {
        "visualization": ["visual", "visualization"],
        "analysis": ["data", "analysis"],
        "archive": ["archive"],
    }
    assert found["properties"]["coremachine:monthly_cost"].keys() == roles.keys()
    sizes = {name: asset["file:size"] for name, asset in found["assets"].items()}
    assert found["properties"]["coremachine:bytes"] == sizes
    assert set(roles) == set(ITEM_ASSETS)


def test_without_an_analysis_tier_the_next_best_is_the_data():
    found = tiers(photo(), Tier.VISUALIZATION)
    assert found["assets"]["visualization"]["roles"] == ["data", "visual", "visualization"]


def test_colours_have_the_names_that_everybody_uses():
    found = tiers(photo(), Tier.ANALYSIS)
    names = [band["eo:common_name"] for band in found["assets"]["analysis"]["bands"]]
    assert names == ["red", "green", "blue"]
    assert any("/eo/v2" in name for name in found["stac_extensions"])
    assert not any("/eo/" in name for name in described(sample.dem(256))["stac_extensions"])


def test_how_to_show_it_is_told_when_it_is_known():
    look = {"default": {"title": "Heights", "assets": ["analysis"], "rescale": [[0, 3000]]}}
    found = tiers(sample.dem(256), Tier.ANALYSIS, renders=look)
    assert problems(found) == []
    assert found["properties"]["renders"] == look
    assert any("/render/v2" in name for name in found["stac_extensions"])


def test_what_the_caller_knows_counts_more():
    found = tiers(sample.dem(256), Tier.ANALYSIS, properties={"platform": "tdx", "gsd": 12})
    assert (found["properties"]["platform"], found["properties"]["gsd"]) == ("tdx", 12)


def test_an_item_may_hold_for_a_while():
    """R81."""
    span = rules.between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1))  # noqa: DTZ001
    found = tiers(sample.dem(256), Tier.ANALYSIS, properties=span)
    assert problems(found) == []
    assert found["properties"]["datetime"] is None
    assert found["properties"]["end_datetime"] == "2021-01-01T00:00:00Z"


def test_no_time_at_all_is_refused():
    """R81: pgSTAC takes no null without a span."""
    with pytest.raises(BadInput, match="needs a datetime"):
        tiers(sample.dem(256), Tier.ANALYSIS, properties={"datetime": None})
    with pytest.raises(BadInput, match="is later than"):
        rules.between(datetime(2021, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))


def test_the_source_can_be_recognised():
    blobs = MemoryBlobs()
    md5 = blobs.write(SOURCE, sample.dem(256)).md5
    properties = described(sample.dem(256))["properties"]
    assert properties["coremachine:source_md5"] == md5
    assert properties["coremachine:source"] == SOURCE
    assert properties["gsd"] == 30.0


def test_the_footprint_takes_the_place_of_the_box():
    ring = [[30.0, -1.9], [30.01, -1.9], [30.01, -1.88], [30.0, -1.9]]
    blobs = MemoryBlobs()
    blobs.write(SOURCE, sample.dem(256))
    shape = {"type": "Polygon", "coordinates": [ring]}
    info = inspect(blobs, SOURCE).model_copy(update={"warnings": ["Odd."]})
    work = cog.Work(info, [Tier.ANALYSIS], lambda tier: TARGET, "t-1")
    (made,) = cog.build(blobs, work, lambda done, note: None).cogs
    found = item(info, [made.model_copy(update={"footprint": shape})], "c", "i")
    assert found["geometry"] == shape
    assert found["bbox"] == [30.0, -1.9, 30.01, -1.88]
    assert found["properties"]["coremachine:warnings"] == ["Odd."]


def test_a_raster_as_it_lies_there_is_valid_too():
    blobs = MemoryBlobs()
    blobs.write(SOURCE, photo())
    found = existing.extract(blobs, SOURCE, "hills")
    assert problems(found) == []
    asset = found["assets"]["data"]
    assert asset["href"] == SOURCE
    assert asset["file:checksum"] == f"d50110{blobs.info(SOURCE).md5}"
    assert [band["eo:common_name"] for band in asset["bands"]] == ["red", "green", "blue"]
    assert not any("/processing/" in name for name in found["stac_extensions"])


@pytest.mark.parametrize(
    "document", [of_rasters("hills"), *standard()], ids=lambda each: each["id"]
)
def test_a_new_collection_is_valid_by_the_schema_of_stac(document: dict[str, Any]):
    assert problems(document, "collection") == []


def test_a_collection_made_with_items_holds_them_and_is_valid():
    found = described(sample.dem(256))
    made = of_rasters("hills", "Hills.", keywords=["dem"], items=[found])
    assert problems(made, "collection") == []
    assert made["extent"]["spatial"]["bbox"] == [found["bbox"]]
    assert made["summaries"]["coremachine:raster_type"] == ["dem"]


def test_the_item_says_where_its_cells_lie():
    found = described(sample.dem(256))
    properties = found["properties"]
    assert properties["proj:code"] == "EPSG:32736"
    assert properties["proj:shape"] == [256, 256]
    assert properties["proj:transform"] == [30.0, 0.0, 161_000.0, 0.0, -30.0, 9_796_000.0]
    assert found["bbox"] == pytest.approx([29.95, -1.91, 30.02, -1.84], abs=0.01)
    outer, *lakes = found["geometry"]["coordinates"]
    assert [min(lon for lon, _ in outer), min(lat for _, lat in outer)] == found["bbox"][:2]
    assert lakes


def test_the_asset_can_be_checked_against_its_blob():
    asset = described(sample.dem(256))["assets"]["analysis"]
    assert asset["href"] == TARGET
    assert asset["file:checksum"].startswith("1220")
    assert len(asset["file:checksum"]) == 4 + 64
    band = asset["bands"][0]
    assert (band["name"], band["unit"], band["nodata"]) == ("elevation", "m", -9999.0)
    assert band["statistics"]["minimum"] > 1000


def test_nan_nodata_is_written_as_json_can_write_it():
    found = described(tiff(nodata=np.nan))
    assert found["assets"]["analysis"]["bands"][0]["nodata"] == "nan"
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


@pytest.mark.parametrize("tag", ["", "2022-01-17", "0000:00:00 00:00:00", "0001:01:01 00:00:00"])
def test_without_any_the_time_of_processing_is_named_as_such(tag):
    properties = described(tiff(taken=tag))["properties"]
    assert properties["coremachine:datetime_source"] == "processing"
    made = datetime.fromisoformat(properties["datetime"])
    assert timedelta(0) <= datetime.now(UTC) - made < timedelta(minutes=1)


def test_the_alpha_band_that_reprojection_adds_is_listed():
    data = tiff(dtype="uint8", transform=Affine(900, 0, 500_000, 0, -900, 9_000_000))
    bands = described(data, target_crs="EPSG:4326")["assets"]["analysis"]["bands"]
    assert [band["name"] for band in bands] == ["b1", "alpha"]


GOLDEN = Path(__file__).with_name("golden_item.json")
CHANGING = ("created", "processing:software", "coremachine:source_etag", "coremachine:bytes")


def test_an_item_stays_the_same_whatever_libraries_are_upgraded():
    """R166: a new GDAL must change no date, no projection and no statistics behind our back."""
    found = described(sample.dem(256), taken=datetime(2024, 5, 1, 10, tzinfo=UTC))
    for name in CHANGING:
        del found["properties"][name]
    for name in ("file:size", "file:checksum"):
        del found["assets"]["analysis"][name]
    assert json.loads(json.dumps(found)) == json.loads(GOLDEN.read_text())
