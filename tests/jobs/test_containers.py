"""The container jobs, whole: ten thousand blobs paged, counted and written down."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from core.blobs import BlobInfo, BlobRef, Zone
from core.errors import BadInput
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import run_job
from jobs.list_container_contents import ListContainerContents
from jobs.summarize_container import SummarizeContainer
from services.storage import inventory
from services.storage.models import Container, Filter, Share

COUNT = 10_050


@pytest.fixture(scope="module")
def full() -> MemoryBlobs:
    blobs = MemoryBlobs()
    for n in range(COUNT):
        ending = ("tif", "TIF", "json")[n % 3]
        blobs.write(
            BlobRef.of(Zone.BRONZE, "full", f"year{n % 4}/file {n:05d}.{ending}"), b"x" * (n % 7)
        )
    return blobs


def test_ten_thousand_blobs_are_summed_up_page_by_page(full: MemoryBlobs) -> None:
    """R77: every page once, none missing."""
    run = run_job(SummarizeContainer(container_name="bronze-full"), blobs=full)
    assert run.status is JobStatus.COMPLETED
    assert len(run.tasks("look")) == 11
    summary = run.result
    assert summary.total == Share(count=COUNT, bytes=sum(n % 7 for n in range(COUNT)))
    assert summary.by_extension["tif"].count == sum(1 for n in range(COUNT) if n % 3 != 2)
    assert set(summary.by_prefix) == {f"year{n}/" for n in range(4)}
    assert summary.by_age["under a day"].count == COUNT


def test_a_listing_holds_every_blob_once(full: MemoryBlobs) -> None:
    """R48, R42: a wide result goes to a file, not into one JSON document."""
    run = run_job(ListContainerContents(container_name="bronze/full"), blobs=full)
    lines = full.read(run.result.blob).decode().splitlines()
    refs = [json.loads(line)["ref"] for line in lines]
    assert run.result.count == len(refs) == len(set(refs)) == COUNT


def test_a_limit_is_kept_to_the_blob(full: MemoryBlobs) -> None:
    run = run_job(SummarizeContainer(container_name="bronze-full", file_limit=1_234), blobs=full)
    assert run.result.total.count == 1_234


def test_a_filter_restricts_by_extension_and_size(full: MemoryBlobs) -> None:
    chosen = Filter(prefix="year1/", extensions=[".JSON"], min_size_mb=1e-6)
    run = run_job(SummarizeContainer(container_name="bronze-full", filter=chosen), blobs=full)
    expected = sum(1 for n in range(COUNT) if n % 4 == 1 and n % 3 == 2 and n % 7 >= 2)
    assert run.result.total.count == expected


def test_an_empty_container_has_an_empty_summary() -> None:
    """R10: no pages, no tasks, and the job completes."""
    blobs = MemoryBlobs()
    blobs.write(BlobRef("bronze/empty/x"), b"")
    blobs.delete(BlobRef("bronze/empty/x"))
    run = run_job(SummarizeContainer(container_name="bronze-empty"), blobs=blobs)
    assert (run.status, run.result.total.count) == (JobStatus.COMPLETED, 0)


def test_a_name_without_a_zone_fails_with_what_to_write() -> None:
    run = run_job(
        SummarizeContainer(container_name="somewhere"), blobs=MemoryBlobs(), expect=JobStatus.FAILED
    )
    assert run.error is not None
    assert "bronze-rasters" in run.error["message"]


def test_a_container_that_is_missing_fails_at_once() -> None:
    """R79: permanent errors are never retried."""
    run = run_job(
        SummarizeContainer(container_name="bronze-nowhere"),
        blobs=MemoryBlobs(),
        expect=JobStatus.FAILED,
    )
    assert run.tasks("list_pages")[0].attempts == 1


@pytest.mark.parametrize(
    "name", ["", "bronze", "bronze-", "platinum-x", "bronze-UPPER", "bronze-a_b"]
)
def test_a_wrong_container_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        Container.parse(name)


def test_ages_are_told_in_words() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    ages = [
        timedelta(hours=1),
        timedelta(days=3),
        timedelta(days=20),
        timedelta(days=200),
        timedelta(days=900),
    ]
    blobs = [
        BlobInfo(ref=BlobRef(f"bronze/abc/{n}.x"), size=1, etag="e", modified=now - age)
        for n, age in enumerate(ages)
    ]
    summary = inventory.summarize(blobs, "", now)
    assert list(summary.by_age) == [
        "under a day",
        "under a week",
        "under a month",
        "under a year",
        "a year or more",
    ]
