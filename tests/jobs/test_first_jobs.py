"""The jobs that come with the machine, run whole and in memory."""

import json
import math
import random

import pytest

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import run_job
from jobs.fan_out_probe import FanOutProbe
from jobs.hello_world import HelloWorld
from jobs.process_raster import ProcessRaster
from services.raster import sample


def test_everyone_is_greeted_and_counted() -> None:
    run = run_job(HelloWorld(names=["Ada", "Grace"]))
    assert run.results(HelloWorld.greet) == ["Hello, Ada!", "Hello, Grace!"]
    assert run.result == 2


def test_nobody_to_greet_is_no_reason_to_wait() -> None:
    """R10: a fan-out over nothing closes at once."""
    assert run_job(HelloWorld(names=[])).result == 0


def test_failures_that_were_asked_for_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.hello_world.random", random.Random(1))  # noqa: S311 - always the same ones
    run = run_job(HelloWorld(names=[f"n{n}" for n in range(20)], failure_rate=0.4))
    assert run.result == 20
    assert any(event.what == "task_retried" for event in run.events)


@pytest.mark.parametrize("n", [0, 1, 2_000])
def test_the_probe_adds_up(n: int) -> None:
    result = run_job(FanOutProbe(n=n)).result
    assert (result.count, result.sum) == (n, 3 * n * (n - 1) // 2 + n)
    assert result.t2 >= result.agg_t


@pytest.fixture
def hills() -> tuple[MemoryBlobs, BlobRef]:
    blobs = MemoryBlobs()
    ref = BlobRef(f"bronze/samples/{sample.NAME}")
    blobs.write(ref, sample.dem(128))
    return blobs, ref


def test_a_raster_becomes_a_cog_with_its_item_beside_it(hills: tuple[MemoryBlobs, BlobRef]) -> None:
    blobs, ref = hills
    published = run_job(ProcessRaster(source=ref, collection="dems"), blobs=blobs).result
    assert published.cogs[0].valid
    item = json.loads(blobs.read(published.item))
    assert item["collection"] == "dems"
    assert item["assets"]["analysis"]["href"].endswith("_analysis.tif")
    west, south, east, north = item["bbox"]
    assert 29 < west < east < 31
    assert -3 < south < north < -1
    assert math.isclose(published.cogs[0].size, blobs.info(published.cogs[0].ref).size)


def test_other_parameters_write_to_other_names(hills: tuple[MemoryBlobs, BlobRef]) -> None:
    """R74: a new run with other parameters never changes what an old item points to."""
    blobs, ref = hills
    first = run_job(ProcessRaster(source=ref, collection="dems"), blobs=blobs).result
    second = run_job(
        ProcessRaster(source=ref, collection="dems", target_crs="EPSG:4326"), blobs=blobs
    ).result
    assert first.cogs[0].ref != second.cogs[0].ref
    assert blobs.info(first.cogs[0].ref).size == first.cogs[0].size


def test_a_file_that_is_no_raster_fails_at_once_and_says_so() -> None:
    """R79: permanent errors are never retried."""
    blobs = MemoryBlobs()
    blobs.write(BlobRef("bronze/samples/notes.tif"), b"these are only words")
    job = ProcessRaster(source=BlobRef("bronze/samples/notes.tif"), collection="dems")
    run = run_job(job, blobs=blobs, expect=JobStatus.FAILED)
    assert run.error is not None
    assert run.error["code"] == "bad_input"
    assert run.tasks("look")[0].attempts == 1
