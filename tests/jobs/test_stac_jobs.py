"""The jobs of the catalog, whole: standard collections, long searches, and containers full of rasters."""

import json

import pytest
from pydantic import ValidationError

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.results import Results
from core.states import JobStatus
from core.testing import run_job
from jobs.stac_catalog_container import StacCatalogContainer
from jobs.stac_search import StacSearch
from jobs.stac_setup import StacSetup
from services.raster import sample
from services.stac import cataloging, existing
from tests.support.stac import collection, item


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog()


def test_the_standard_collections_are_made_where_they_are_missing(catalog: MemoryCatalog) -> None:
    catalog.put_collection(collection("dev", description="Ours."))
    ready = run_job(StacSetup(), catalog=catalog).result
    assert ready.created == ["system-rasters", "system-vectors"]
    assert ready.collections == 3
    assert catalog.collection("dev")["description"] == "Ours."


@pytest.fixture
def many(catalog: MemoryCatalog) -> MemoryCatalog:
    catalog.add(collection(), [item(f"i{n:04d}") for n in range(1_234)])
    return catalog


def test_a_search_for_more_than_a_page_is_one_file(many: MemoryCatalog) -> None:
    """R42: a wide result goes to a file."""
    blobs = MemoryBlobs()
    found = run_job(StacSearch(collections=["hills"]), blobs=blobs, catalog=many).result
    assert (found.count, found.complete) == (1_234, True)
    document = json.loads(blobs.read(found.blob))
    assert document["type"] == "FeatureCollection"
    assert {each["id"] for each in document["features"]} == {f"i{n:04d}" for n in range(1_234)}
    assert found.blob.startswith("silver/coremachine/searches/")
    assert blobs.info(found.blob).content_type == "application/geo+json"


def test_a_search_stops_at_its_limit_and_says_so(many: MemoryCatalog) -> None:
    blobs = MemoryBlobs()
    found = run_job(StacSearch(limit=700, form="ndjson"), blobs=blobs, catalog=many).result
    assert (found.count, found.complete) == (700, False)
    lines = blobs.read(found.blob).decode().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 700


@pytest.mark.parametrize("form", ["geojson", "ndjson"])
def test_a_search_that_finds_nothing_writes_an_empty_file(form: str) -> None:
    """R10."""
    blobs = MemoryBlobs()
    found = run_job(StacSearch(bbox=[0, 0, 1, 1], form=form), blobs=blobs).result
    assert found.count == 0
    text = blobs.read(found.blob)
    assert json.loads(text)["features"] == [] if form == "geojson" else text == b""


@pytest.mark.parametrize("wrong", ["yesterday", "../..", "2024-01-01/2025-01-01/2026-01-01", ""])
def test_a_wrong_time_is_refused_before_anything_runs(wrong: str) -> None:
    with pytest.raises(ValidationError):
        StacSearch(datetime=wrong)


def test_a_search_asks_only_for_what_was_given() -> None:
    assert StacSearch(datetime="2024-01-01/..").query == {"datetime": "2024-01-01/.."}


@pytest.fixture
def rasters() -> MemoryBlobs:
    blobs = MemoryBlobs()
    for name in ("2023/kigali.tif", "2024/kigali.tif", "2024/Huye 1.TIF"):
        blobs.write(BlobRef(f"bronze/uploads/{name}"), sample.dem(64))
    blobs.write(BlobRef("bronze/uploads/2024/broken.tif"), b"no raster")
    blobs.write(BlobRef("bronze/uploads/readme.txt"), b"hello")
    return blobs


def test_a_container_of_rasters_comes_into_the_catalog(
    rasters: MemoryBlobs, catalog: MemoryCatalog
) -> None:
    """Equal names in two folders are two items; what cannot be read is told, and stops nothing."""
    job = StacCatalogContainer(container_name="bronze-uploads", collection_id="found")
    run = run_job(job, blobs=rasters, catalog=catalog)
    assert run.status is JobStatus.COMPLETED_WITH_ERRORS
    assert (run.result.added, run.result.failed) == (3, 1)
    assert "broken.tif" in run.result.failures[0]
    found = catalog.search({"collections": ["found"]})["features"]
    assert len({each["id"] for each in found}) == 3
    assert {each["assets"]["data"]["href"] for each in found} == {
        "bronze/uploads/2023/kigali.tif",
        "bronze/uploads/2024/kigali.tif",
        "bronze/uploads/2024/Huye 1.TIF",
    }


def test_cataloging_again_replaces(rasters: MemoryBlobs, catalog: MemoryCatalog) -> None:
    for limit in (None, 100):
        job = StacCatalogContainer(
            container_name="bronze-uploads", prefix="2024/k", file_limit=limit
        )
        assert run_job(job, blobs=rasters, catalog=catalog).result.added == 1
    assert catalog.census().items == 1


def test_a_collection_that_must_exist_is_missed_before_any_raster_is_read(
    rasters: MemoryBlobs,
) -> None:
    job = StacCatalogContainer(container_name="bronze-uploads", collection_must_exist=True)
    run = run_job(job, blobs=rasters, expect=JobStatus.FAILED)
    assert run.error is not None
    assert "collection_must_exist" in run.error["message"]


def test_an_empty_container_leaves_an_empty_result(catalog: MemoryCatalog) -> None:
    """R10."""
    blobs = MemoryBlobs()
    blobs.write(BlobRef("bronze/uploads/readme.txt"), b"hello")
    run = run_job(
        StacCatalogContainer(container_name="bronze-uploads"), blobs=blobs, catalog=catalog
    )
    assert (run.status, run.result.added) == (JobStatus.COMPLETED, 0)


def test_items_are_added_in_batches(catalog: MemoryCatalog) -> None:
    result = cataloging.add(
        catalog, "hills", Results.of(*[item(f"i{n:04d}") for n in range(1_234)])
    )
    assert result.added == catalog.census().items == 1_234


def test_an_id_is_safe_and_of_the_whole_name() -> None:
    names = [
        existing.item_name(BlobRef(f"bronze/uploads/{path}"))
        for path in ("a/b.tif", "a/b.tiff", "a-b.tif", "ü/.tif", f"{'x' * 300}.tif")
    ]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 128 and name.isascii() and "/" not in name for name in names)
