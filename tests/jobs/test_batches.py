"""Many rasters in one job: found, compared, converted a task each, and added to the catalog together."""

import json

import numpy as np
import pytest
from affine import Affine
from pydantic import ValidationError

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus, TaskStatus
from core.testing import JobRun, run_job
from jobs.batch_reproject import BatchReproject
from jobs.process_container import ProcessContainer
from jobs.process_raster_collection import ProcessRasterCollection
from services.raster import sources
from services.raster.sources import named
from services.storage.models import Filter
from tests.support.rasters import cells_of, hills, photo, refs, tiff

DEM = tiff(hills())
FOLDER = "bronze/scenes/2024"


def scenes(count: int, **others: bytes) -> MemoryBlobs:
    blobs = MemoryBlobs()
    for n in range(count):
        blobs.write(BlobRef(f"{FOLDER}/s{n:02d}.tif"), DEM)
    for name, data in others.items():
        blobs.write(BlobRef(f"{FOLDER}/{name}.tif"), data)
    return blobs


def collection(blobs: MemoryBlobs, **more: object) -> ProcessRasterCollection:
    found = [ref for ref in blobs._blobs if ref.startswith("bronze/")]
    return ProcessRasterCollection.model_validate(
        {"sources": found, "collection": "scenes", **more}
    )


def lines(blobs: MemoryBlobs, run: JobRun) -> list[dict]:
    return [json.loads(line) for line in blobs.read(run.result.results).decode().splitlines()]


def items(catalog: MemoryCatalog, name: str = "scenes") -> dict[str, dict]:
    found = catalog.search({"collections": [name], "limit": 1000})["features"]
    return {item["id"]: item for item in found}


# a list


def test_each_raster_of_a_list_becomes_an_item():
    blobs, catalog = scenes(5), MemoryCatalog()
    job = collection(blobs, collection_description="Scenes of 2024")
    run = run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    assert (run.result.rasters, run.result.converted, run.result.items) == (5, 5, 5)
    found = items(catalog)
    assert list(found) == [f"s{n:02d}" for n in range(5)]
    for item in found.values():
        cog = BlobRef(item["assets"]["analysis"]["href"])
        assert np.array_equal(cells_of(blobs.read(cog)), cells_of(DEM))
    assert catalog.collection("scenes")["description"] == "Scenes of 2024"
    assert [line["item_id"] for line in lines(blobs, run)] == list(found)
    assert run.result.bytes == sum(
        blobs.info(ref).size for ref in refs(blobs) if "_analysis" in ref
    )


def test_a_raster_named_twice_counts_once_and_is_told():
    """R48: duplicates are dropped and counted."""
    blobs = scenes(2)
    found = list(blobs._blobs)
    run = run_job(
        collection(blobs, sources=[*found, *found, found[0]]),
        blobs=blobs,
        expect=JobStatus.COMPLETED,
    )
    assert (run.result.rasters, run.result.duplicates) == (2, 3)
    assert len(run.tasks("convert")) == 2


def test_everything_that_is_missing_is_told_at_once():
    """R79: permanent, clear, before any work."""
    blobs = scenes(1)
    gone = [f"{FOLDER}/gone{n}.tif" for n in range(3)]
    run = run_job(
        collection(blobs, sources=[f"{FOLDER}/s00.tif", *gone]),
        blobs=blobs,
        expect=JobStatus.FAILED,
    )
    assert run.error["message"].startswith("3 of 4 rasters are not there")
    assert all(name in run.error["message"] for name in gone)
    assert run.tasks("find")[0].attempts == 1
    assert run.tasks("look") == []


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (tiff(photo(bands=4)), "has 4 bands, the others 1"),
        (tiff(hills(dtype="float64")), "has float64 cells, the others float32"),
        (tiff(hills(), crs="EPSG:32735"), "is in EPSG:32735, the others in EPSG:32736"),
        (
            tiff(hills(), transform=Affine(20, 0, 500_000, 0, -20, 9_800_000)),
            "has pixels of 20, the others of 10",
        ),
        (tiff(np.ones((64, 64), "float32")), "looks like continuous, the others like dem"),
    ],
)
def test_the_odd_one_out_is_named_with_how_it_differs(odd: bytes, told: str):
    blobs, catalog = scenes(3, odd=odd), MemoryCatalog()
    run = run_job(collection(blobs), blobs=blobs, catalog=catalog, expect=JobStatus.FAILED)
    message = run.error["message"]
    assert message.startswith(f"1 of 4 rasters differ: {FOLDER}/odd.tif ")
    assert told in message
    assert "homogeneous=false" in message
    assert (refs(blobs), catalog.collections()) == ([], [])


def test_rasters_may_differ_where_that_is_asked():
    blobs = scenes(2, odd=tiff(photo()))
    run = run_job(collection(blobs, homogeneous=False), blobs=blobs, expect=JobStatus.COMPLETED)
    assert run.result.items == 3


def test_reprojection_makes_crs_and_pixel_size_equal():
    blobs = scenes(2, odd=tiff(hills(), crs="EPSG:32735"))
    job = collection(blobs, target_crs="EPSG:3857")
    assert run_job(job, blobs=blobs).status is JobStatus.COMPLETED


def test_a_few_failures_are_told_and_the_rest_is_published():
    blobs, catalog = scenes(10, bad=DEM[:3000]), MemoryCatalog()
    run = run_job(
        collection(blobs),
        blobs=blobs,
        catalog=catalog,
        expect=JobStatus.COMPLETED_WITH_ERRORS,
    )
    assert (run.result.items, run.result.failed) == (10, 1)
    assert run.result.failures[0].source == f"{FOLDER}/bad.tif"
    assert "damaged or cut short" in run.result.failures[0].error
    assert len(items(catalog)) == 10
    assert lines(blobs, run)[-1]["source"] == f"{FOLDER}/bad.tif"


def test_too_many_failures_publish_nothing():
    blobs, catalog = scenes(3, bad=DEM[:3000]), MemoryCatalog()
    run = run_job(collection(blobs), blobs=blobs, catalog=catalog, expect=JobStatus.FAILED)
    assert "1 of 4 rasters failed, more than max_failures=0.1" in run.error["message"]
    assert f"{FOLDER}/bad.tif" in run.error["message"]
    assert (catalog.collections(), refs(blobs)) == ([], [])


def test_a_raster_that_vanishes_between_look_and_conversion_is_one_failure():
    """R79."""

    class Vanishing(MemoryBlobs):
        looked = 0

        def info(self, ref):
            if ref.endswith("s00.tif"):
                self.looked += 1
                if self.looked == 3:
                    self.delete(ref)
            return super().info(ref)

    blobs = Vanishing()
    for n in range(3):
        blobs.write(BlobRef(f"{FOLDER}/s{n:02d}.tif"), DEM)
    run = run_job(collection(blobs, max_failures=0.5), blobs=blobs)
    assert run.status is JobStatus.COMPLETED_WITH_ERRORS
    assert [lost.source for lost in run.result.failures] == [f"{FOLDER}/s00.tif"]
    failed = [t for t in run.tasks("convert") if t.status is TaskStatus.FAILED]
    assert [task.attempts for task in failed] == [1]


def test_a_prefix_stands_for_all_rasters_below_it():
    blobs = scenes(3)
    blobs.write(BlobRef(f"{FOLDER}/readme.txt"), b"no raster")
    blobs.write(BlobRef("bronze/scenes/2023/old.tif"), DEM)
    job = ProcessRasterCollection(source_prefix=BlobRef(f"{FOLDER}/"), collection="scenes")
    run = run_job(job, blobs=blobs, expect=JobStatus.COMPLETED)
    assert run.result.items == 3


def test_a_prefix_with_nothing_below_it_is_an_error():
    job = ProcessRasterCollection(source_prefix=BlobRef(f"{FOLDER}/x"), collection="scenes")
    run = run_job(job, blobs=scenes(1), expect=JobStatus.FAILED)
    assert "there is no raster (tif, tiff, jp2) below bronze/scenes/2024/x" in run.error["message"]


def test_rasters_are_named_one_way():
    with pytest.raises(ValidationError, match="one of both"):
        ProcessRasterCollection.model_validate({"collection": "scenes"})


def test_known_names_are_understood():
    job = ProcessRasterCollection.model_validate(
        {
            "container_name": "bronze-scenes",
            "blob_list": ["2024/a.tif", "2024/b.tif"],
            "collection_id": "scenes",
            "output_tier": "both",
            "stac_item_id": "run7",
            "mosaicjson_container": "x",
            "in_memory": True,
        }
    )
    assert job.sources == ["bronze/scenes/2024/a.tif", "bronze/scenes/2024/b.tif"]
    assert (job.tiers, job.item_prefix) == (["visualization", "analysis"], "run7-")


def test_a_crs_that_is_none_fails_before_any_raster_is_read():
    blobs = scenes(2)
    run = run_job(collection(blobs, target_crs="EPSG:0"), blobs=blobs, expect=JobStatus.FAILED)
    assert "'EPSG:0' is no CRS" in run.error["message"]
    assert run.tasks("look") == []


def test_a_missing_collection_is_told_first():
    blobs = scenes(1)
    run = run_job(collection(blobs, collection_must_exist=True), blobs=blobs)
    assert (run.status, run.error["code"]) == (JobStatus.FAILED, "collection_not_found")
    assert run.tasks("look") == []


# names


def test_an_item_is_called_after_its_path_below_what_all_share():
    found = [BlobRef(f"bronze/scenes/2024/{name}") for name in ("a/x.tif", "b/x.tif", "b/c d.tif")]
    assert [each.item_id for each in named(found, "2024/", "p-")] == ["p-a-x", "p-b-x", "p-b-c-d"]
    assert sources.shared_folder(found) == "2024/"


def test_names_that_would_be_equal_are_told_apart_the_same_way_each_time():
    found = [BlobRef("bronze/scenes/x.tif"), BlobRef("bronze/scenes/x.jp2")]
    ids = [each.item_id for each in named(found, "")]
    assert len(set(ids)) == 2
    assert all(name.startswith("x-") for name in ids)
    assert [each.item_id for each in named(found[::-1], "")] == ids[::-1]


# a container


def container(**more: object) -> ProcessContainer:
    return ProcessContainer.model_validate(
        {"container_name": "bronze-scenes", "collection": "scenes", **more}
    )


def test_every_raster_of_a_container_becomes_an_item_called_by_its_path():
    blobs, catalog = scenes(3), MemoryCatalog()
    blobs.write(BlobRef("bronze/scenes/readme.md"), b"")
    run = run_job(container(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    assert list(items(catalog)) == ["2024-s00", "2024-s01", "2024-s02"]
    assert run.result.items == 3


def test_what_the_catalog_has_is_not_made_again():
    blobs, catalog = scenes(3), MemoryCatalog()
    run_job(container(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    before = items(catalog)
    blobs.write(BlobRef(f"{FOLDER}/s01.tif"), tiff(hills() + 1))
    blobs.write(BlobRef(f"{FOLDER}/s02.tif"), DEM)  # another etag, but the same bytes
    blobs.write(BlobRef(f"{FOLDER}/s09.tif"), DEM)
    again = run_job(container(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    assert (again.result.known, again.result.converted, again.result.items) == (2, 2, 2)
    after = items(catalog)
    assert after["2024-s00"] == before["2024-s00"]
    assert after["2024-s01"] != before["2024-s01"]
    assert "2024-s09" in after


def test_a_newer_source_gets_a_new_name_so_the_old_item_keeps_its_cog():
    """R74."""
    blobs, catalog = scenes(1), MemoryCatalog()
    run_job(container(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    old = BlobRef(items(catalog)["2024-s00"]["assets"]["analysis"]["href"])
    blobs.write(BlobRef(f"{FOLDER}/s00.tif"), tiff(hills() + 1))
    run_job(container(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    new = BlobRef(items(catalog)["2024-s00"]["assets"]["analysis"]["href"])
    assert new != old
    assert np.array_equal(cells_of(blobs.read(old)), hills()[None])


def test_all_is_made_again_where_that_is_asked():
    blobs, catalog = scenes(2), MemoryCatalog()
    for _ in range(2):
        run = run_job(container(skip_existing=False), blobs=blobs, catalog=catalog)
    assert run.result.converted == 2


def test_prefix_filter_extensions_and_limit_restrict():
    blobs = scenes(4)
    blobs.write(BlobRef("bronze/scenes/2024/s00.jp2"), b"")
    blobs.write(BlobRef("bronze/scenes/2023/s00.tif"), DEM)
    chosen = container(prefix="2024/", extensions=[".TIF"], file_limit=3, filter=Filter())
    run = run_job(chosen, blobs=blobs, expect=JobStatus.COMPLETED)
    assert [task.result.item_id for task in run.tasks("convert")] == ["s00", "s01", "s02"]
    assert container(filter={"prefix": "2023/"}).chosen.prefix == "2023/"
    assert container(extension_filter=".tif").extensions == [".tif"]


def test_bad_files_in_a_container_do_not_stop_the_good_ones():
    blobs = scenes(1, a=b"no raster", b=DEM[:3000], c=tiff(hills(), crs=None))
    run = run_job(container(), blobs=blobs, expect=JobStatus.COMPLETED_WITH_ERRORS)
    assert (run.result.items, run.result.failed) == (1, 3)
    told = {lost.source[-5:]: lost.error for lost in run.result.failures}
    assert "is no GeoTIFF" in told["a.tif"]
    assert "damaged" in told["b.tif"]
    assert "pass input_crs" in told["c.tif"]


def test_an_empty_container_completes():
    blobs = scenes(1)
    run = run_job(container(prefix="nothing/"), blobs=blobs, expect=JobStatus.COMPLETED)
    assert (run.result.rasters, run.result.items) == (0, 0)


def test_many_results_stay_small():
    """R18, R42: the list goes to a file."""
    blobs, catalog = MemoryBlobs(), MemoryCatalog()
    for n in range(1_050):
        blobs.write(BlobRef(f"bronze/scenes/f{n:04d}.tif"), b"no raster")
    job = container(max_failures=1)
    run = run_job(job, blobs=blobs, catalog=catalog)
    assert run.status is JobStatus.FAILED
    assert len(run.error["message"]) < 2_000
    assert len(run.tasks("read")) == 2


# reprojection


def test_each_raster_is_reprojected():
    blobs, catalog = scenes(2), MemoryCatalog()
    job = BatchReproject(sources=list(blobs._blobs), target_crs="EPSG:4326")
    run = run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    assert run.result.items == 2
    found = items(catalog, "reprojected")
    assert {item["properties"]["proj:code"] for item in found.values()} == {"EPSG:4326"}


def test_cogs_alone_are_written_where_that_is_asked():
    blobs, catalog = scenes(2), MemoryCatalog()
    job = BatchReproject(sources=list(blobs._blobs), target_crs="EPSG:3857", publish=False)
    run = run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    assert (run.result.converted, run.result.items) == (2, 0)
    assert catalog.collections() == []
    written = [ref for ref in refs(blobs) if ref.startswith("silver/rasters/")]
    assert len(written) == 2
    assert all(ref.endswith("_analysis.tif") for ref in written)
    assert [line["cogs"] for line in lines(blobs, run)] == [[ref] for ref in written]
