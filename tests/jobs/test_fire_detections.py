"""Detections are taken in once, judged, and found again by box and time; the key of NASA is told to nobody."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core.blobs import BlobRef
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import JobRun, run_job
from infrastructure.fetching import Fetcher
from jobs.ingest_fire_detections import IngestFireDetections
from services.fire import sample, sightings
from services.fire.denoise import Reason
from services.fire.options import FireOptions
from tests.support.sources import LOOPBACK
from triggers.local.sources import Fault, Stand, standing

DAY = date(2026, 11, 20)
NIGHT = datetime(2026, 11, 20, 1, tzinfo=UTC)
KEY = "a1b2c3-secret"
BOX = (-106.0, 39.0, -104.0, 41.0)


@pytest.fixture
def stand() -> Iterator[Stand]:
    with standing(sample.find) as found:
        yield found


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def ask(stand: Stand, blobs: MemoryBlobs, key: str = KEY, **given: Any) -> JobRun:
    job = IngestFireDetections(**{"bbox": BOX, "first": DAY, **given})
    reader = Fetcher(LOOPBACK, quiet=60)
    try:
        options = [Internet(reader, stand.url), FireOptions.model_validate({"firms_key": key})]
        return run_job(job, blobs=blobs, options=options)
    finally:
        reader.close()


def test_detections_of_nasa_are_judged_and_kept(stand: Stand, blobs: MemoryBlobs) -> None:
    run = ask(stand, blobs)
    assert run.status is JobStatus.COMPLETED, run.error
    assert run.result.detections == 4 * (len(sample.FRONT) + 1)
    assert run.result.noise == 4
    assert set(run.result.reasons) == {Reason.LOW_CONFIDENCE, Reason.ISOLATED}
    found = sightings.find(blobs, BOX, NIGHT - timedelta(hours=1), NIGHT)
    assert len(found) == run.result.detections
    assert run.result.source.startswith("bronze/firms/VIIRS_SNPP_NRT/2026-11-20-")


def test_what_was_taken_in_twice_is_found_once(stand: Stand, blobs: MemoryBlobs) -> None:
    first = ask(stand, blobs)
    wider = ask(stand, blobs, bbox=(-107.0, 39.0, -104.0, 41.0))
    assert wider.result.detections == first.result.detections * 1.5
    found = sightings.find(blobs, BOX, NIGHT - timedelta(hours=1), NIGHT)
    assert len(found) == first.result.detections


def test_box_and_time_choose_what_is_found(stand: Stand, blobs: MemoryBlobs) -> None:
    ask(stand, blobs, days=2)
    west = (-106.0, 39.0, -105.0, 40.0)
    hour = timedelta(hours=1)
    one = sightings.find(blobs, west, NIGHT - hour, NIGHT)
    both = sightings.find(blobs, west, NIGHT - hour, NIGHT + 24 * hour)
    assert len(one) == len(sample.FRONT) + 1
    assert len(both) == 2 * len(one)
    assert sightings.find(blobs, west, NIGHT, NIGHT + hour) == []
    assert sightings.find(blobs, (10, 10, 11, 11), NIGHT - hour, NIGHT) == []


def test_a_box_across_the_180th_meridian_finds_both_sides(blobs: MemoryBlobs) -> None:
    """R147"""
    rows = [sample.row(lon, -17.0, DAY, "n", 60.0) for lon in (179.9, -179.9, 170.0)]
    ref = BlobRef("bronze/uploads/fiji.csv")
    blobs.write(ref, "\n".join([sample.HEAD, *rows]).encode())
    run_job(IngestFireDetections(source=ref), blobs=blobs, expect=JobStatus.COMPLETED)
    found = sightings.find(blobs, (179, -18, -179, -16), NIGHT - timedelta(hours=1), NIGHT)
    assert sorted(each.detection.longitude for each in found) == [-179.9, 179.9]


def test_heat_that_is_always_there_is_noise(blobs: MemoryBlobs) -> None:
    """Days before are read from what was taken in, so a chimney is known once it has been seen for weeks."""
    for n in range(0, 24, 4):
        day = DAY - timedelta(days=24 - n)
        rows = [sample.row(5.0, 45.0, day, "n", 60.0)]
        ref = BlobRef(f"bronze/uploads/{day}.csv")
        blobs.write(ref, "\n".join([sample.HEAD, *rows]).encode())
        run_job(IngestFireDetections(source=ref), blobs=blobs, expect=JobStatus.COMPLETED)
    ref = BlobRef("bronze/uploads/now.csv")
    blobs.write(ref, "\n".join([sample.HEAD, sample.row(5.0, 45.0, DAY, "n", 60.0)]).encode())
    run = run_job(IngestFireDetections(source=ref), blobs=blobs, expect=JobStatus.COMPLETED)
    assert run.result.reasons == {Reason.PERSISTENT: 1}
    assert run.result.noise == 1


def test_without_a_key_nobody_is_asked(stand: Stand, blobs: MemoryBlobs) -> None:
    run = ask(stand, blobs, key="")
    assert run.status is JobStatus.FAILED
    assert run.error is not None
    assert "CM_FIRMS_KEY" in run.error["message"]
    assert stand.asked == []


@pytest.mark.parametrize(
    "fault", [Fault(".", status=503), Fault(".", body=b"Invalid MAP_KEY."), Fault(".", cut=5)]
)
def test_the_key_is_in_no_error(stand: Stand, blobs: MemoryBlobs, fault: Fault) -> None:
    stand.faults.append(fault)
    run = ask(stand, blobs)
    assert run.status is JobStatus.FAILED
    assert KEY not in str(run.error)
    assert KEY not in str(run.events)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "either source or bbox"),
        ({"bbox": BOX}, "give first"),
        ({"bbox": (5, 1, 4, 2), "first": DAY}, "west below east"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        IngestFireDetections(**given)
