"""The inventory of a container, whole: in memory at size, and over a real Azurite."""

import json
import uuid
from collections.abc import Iterator

import pytest

import jobs
from core.blobs import BlobRef, Blobs, Zone
from core.memory.blobs import MemoryBlobs
from core.registry import discover
from core.states import JobStatus
from core.testing import run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.inventory_container_contents import InventoryContainerContents
from services.raster import sample
from services.storage import contents
from services.storage.contents import Scan
from services.storage.findings import Look
from services.storage.models import Container, Share

COUNT = 10_050


@pytest.fixture(scope="module")
def full() -> MemoryBlobs:
    blobs = MemoryBlobs()
    for n in range(COUNT):
        ending = ("tif", "TIF", "json")[n % 3]
        blobs.write(BlobRef.of(Zone.BRONZE, "full", f"year{n % 4}/{n:05d}.{ending}"), b"x")
    return blobs


@pytest.fixture
def stored(azurite: str) -> Iterator[AzureBlobs]:
    blobs = AzureBlobs(azurite, retries=0)
    yield blobs
    blobs.close()


def inventory(name: str, **more: object) -> InventoryContainerContents:
    return InventoryContainerContents(container_name=name, **more)


def report_of(run, blobs: Blobs) -> dict:
    return json.loads(blobs.read(run.result.report))


def test_ten_thousand_blobs_are_looked_at_page_by_page(full: MemoryBlobs) -> None:
    """R77: every page once, none missing."""
    run = run_job(inventory("bronze-full", limit=50_000), blobs=full, expect=JobStatus.COMPLETED)
    found = run.result
    assert len(run.tasks("analyze")) == 11
    assert found.total == Share(count=COUNT, bytes=COUNT)
    assert found.by_category["raster"].count == sum(1 for n in range(COUNT) if n % 3 != 2)
    assert (found.collections, found.singles, found.seen_twice) == (4, 0, 0)
    report = report_of(run, full)
    assert sum(len(g["members"]) for g in report["groups"]) == found.by_category["raster"].count


@pytest.mark.parametrize("limit", [1, 700, 1_234])
def test_a_limit_counts_the_blobs_that_fit(full: MemoryBlobs, limit: int) -> None:
    """The ending is looked at in either case, and what does not fit does not count."""
    run = run_job(inventory("bronze-full", suffix=".tif", limit=limit), blobs=full)
    assert run.result.total.count == run.result.by_category["raster"].count == limit


def test_a_page_that_storage_lists_twice_counts_once() -> None:
    """R48: and the report says so."""
    looks = [
        Look(ref=BlobRef(f"bronze/abc/{n}.tif"), size=1, category="raster", format="geotiff")
        for n in range(4)
    ]
    seen, again = contents.once([looks[:2], looks[:2], looks[2:]])
    assert ([look.ref for look in seen], again) == ([look.ref for look in looks], 2)


def test_a_container_of_folder_markers_is_empty() -> None:
    """R78, R10."""
    blobs = MemoryBlobs()
    blobs.write(BlobRef("bronze/markers/folder/"), b"")
    run = run_job(inventory("bronze-markers"), blobs=blobs, expect=JobStatus.COMPLETED)
    assert (run.result.total.count, run.result.groups) == (0, [])


def test_what_is_wrong_with_a_container_fails_at_once_with_a_word() -> None:
    """R79."""
    for name, word in (("rasters", "bronze-rasters"), ("bronze-nowhere", "no container")):
        run = run_job(inventory(name), blobs=MemoryBlobs(), expect=JobStatus.FAILED)
        assert run.error is not None
        assert word in run.error["message"]
        assert run.tasks("list_blobs")[0].attempts == 1


def delivery(blobs: Blobs, container: str) -> None:
    dem = sample.dem(64)
    files = {
        "order/P001/20JAN-R1C1.TIF": dem,
        "order/P001/20JAN-R1C2.TIF": dem,
        "order/P001/20JAN.TIL": b'filename = "20JAN-R1C1.TIF";\nfilename = "20JAN-R3C3.TIF";',
        "order/P001/20JAN.IMD": b"version",
        "tiles #1/ä 1.tif": dem,
        "tiles #1/ä 2.tif": dem,
        "tiles #1/ä 2.tif.ovr": b"ovr",
        "odd/raster without ending": dem,
        "odd/page.tif": b"<html>not found</html>",
        "odd/empty.tif": b"",
        "odd/cut.tif": dem[:60],
        "odd/model.nc": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "odd/secret": b"\x01\x02",
        "vec/roads.shp": b"\0\0\x27\x0a" + bytes(96),
        "vec/roads.dbf": b"x",
    }
    for path, data in files.items():
        blobs.write(BlobRef.of(Zone.BRONZE, container, path), data)


def test_a_geospatial_look_goes_by_the_first_bytes(stored: AzureBlobs) -> None:
    container = f"t{uuid.uuid4().hex}"
    delivery(stored, container)
    job = inventory(f"bronze-{container}", analysis_mode="geospatial")
    run = run_job(job, blobs=stored, expect=JobStatus.COMPLETED)
    groups = {g["name"]: g for g in report_of(run, stored)["groups"]}

    order = groups["order-p001"]
    assert (order["rule"], order["vendor"], order["job"]) == (
        "manifest",
        "maxar",
        "process_raster_collection",
    )
    assert order["problems"] == ["20JAN.TIL lists 20JAN-R3C3.TIF, which is not there"]
    assert groups["tiles-1"]["members"] == ["tiles #1/ä 1.tif", "tiles #1/ä 2.tif"]
    assert groups["tiles-1"]["attached"] == ["tiles #1/ä 2.tif.ovr"]
    assert groups["odd-raster-without-ending"]["format"] == "geotiff"
    assert groups["odd-page"]["problems"] == ["is named as geotiff but holds something else"]
    assert groups["odd-empty"]["problems"] == ["is empty"]
    assert groups["odd-cut"]["problems"] == ["has no readable head"]
    assert {groups[f"odd-{n}"]["job"] for n in ("page", "empty", "cut", "model")} == {None}
    assert groups["vec-roads"]["problems"] == ["has no .shx", "has no .prj"]
    assert run.result.unrecognized == 1
    assert run.result.total.count == 15


def test_unknown_blobs_are_left_out_of_the_report_on_demand() -> None:
    blobs = MemoryBlobs()
    delivery(blobs, "abc")
    for wanted in (True, False):
        run = run_job(inventory("bronze-abc", include_unrecognized=wanted), blobs=blobs)
        others = [look["ref"] for look in report_of(run, blobs)["others"]]
        assert ("bronze/abc/odd/secret" in others) is wanted


def test_no_more_than_64_kb_of_a_blob_are_read() -> None:
    """Nor is any raster downloaded."""

    class Counting(MemoryBlobs):
        taken = 0

        def read(self, ref, start=0, length=None, *, etag=None):
            data = super().read(ref, start, length, etag=etag)
            self.taken += len(data) if ref.zone is Zone.BRONZE else 0
            return data

    blobs = Counting()
    blobs.write(BlobRef("bronze/abc/big.tif"), sample.dem(64) + bytes(5_000_000))
    run_job(inventory("bronze-abc", analysis_mode="geospatial"), blobs=blobs)
    assert 0 < blobs.taken <= 64 * 1024


def test_what_an_inventory_suggests_can_be_submitted_as_it_stands() -> None:
    blobs = MemoryBlobs()
    delivery(blobs, "abc")
    run = run_job(inventory("bronze-abc", grouping_mode="all_singles"), blobs=blobs)
    installed = discover(jobs).jobs
    suggested = [g for g in report_of(run, blobs)["groups"] if g["job"] in installed]
    assert suggested
    for group in suggested:
        installed[group["job"]].model_validate(group["parameters"])


def test_a_scan_takes_names_in_either_case() -> None:
    scan = Scan(container=Container(zone=Zone.BRONZE, name="abc"), suffix=".TIF")
    blobs = MemoryBlobs()
    assert scan.takes(blobs.write(BlobRef("bronze/abc/x.tif"), b""))
    assert not scan.takes(blobs.write(BlobRef("bronze/abc/x.tiff"), b""))
