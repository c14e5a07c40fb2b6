"""From a raster to a map with nothing left out: a worker process, PostgreSQL with pgSTAC, Azurite, HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from services.raster import sample
from tests.support.rasters import tiff
from tests.support.waiting import eventually
from triggers.local import ports

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Host:
    """A worker process that serves HTTP and runs every queue."""

    def __init__(self, database: str, azurite: str, log: Path) -> None:
        self.port, self.log = ports.free(), log.open("ab")
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = os.environ | {
            "DATABASE_URL": database,
            "AZURE_STORAGE_CONNECTION_STRING": azurite,
            "CM_HEARTBEAT_SECONDS": "0.5",
            "CM_DEAD_AFTER_SECONDS": "3",
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "triggers.worker", "--port", str(self.port)]
        queues = ["--queues", "jobs,tasks-light,tasks-heavy"]
        self.process = subprocess.Popen(
            [*command, *queues], cwd=ROOT, env=self.env, stdout=self.log, stderr=self.log
        )
        eventually(lambda: ports.status_of(self.port, "/api/readyz") == 200, timeout=120)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def submit(self, **parameters: Any) -> str:
        answer = httpx.post(
            f"{self.url}/api/jobs/submit/process_raster", json=parameters, timeout=60
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    def job(self, job_id: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}/api/jobs/status/{job_id}", timeout=120).json()

    def finish(self, job_id: str) -> dict[str, Any]:
        eventually(lambda: self.job(job_id)["status"] in {"completed", "failed"}, timeout=180)
        job = self.job(job_id)
        assert job["status"] == "completed", job
        return job["result"]

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=120)


@pytest.fixture
def host(database: str, azurite: str, tmp_path: Path) -> Iterator[Host]:
    host = Host(database, azurite, tmp_path / "worker.log")
    yield host
    host.kill()
    host.log.close()


@pytest.fixture
def blobs(azurite: str) -> Iterator[AzureBlobs]:
    blobs = AzureBlobs(azurite)
    yield blobs
    blobs.close()


def stored(blobs: AzureBlobs, data: bytes) -> BlobRef:
    ref = BlobRef(f"bronze/walk/{uuid4().hex}.tif")
    blobs.write(ref, data)
    return ref


def values_of(answer: httpx.Response) -> list[float]:
    assert answer.status_code == 200, answer.text
    assert "values" in answer.json(), f"{answer.url} {answer.text}"
    return answer.json()["values"]


def test_a_raster_in_tiles_and_a_collection_are_shown_from_the_real_catalog(
    host: Host, blobs: AzureBlobs
) -> None:
    """R83: the name of a search is pgSTAC's; equal searches have one."""
    ref = stored(blobs, sample.dem(1300))
    made = host.finish(host.submit(source=ref, collection="hills", item_id="a", tile_size=512))
    assert made["tiles"]["tiles"] == 2
    host.finish(host.submit(source=ref, collection="hills", item_id="b"))
    found = httpx.post(
        f"{host.url}/api/stac/search", json={"collections": ["hills"]}, timeout=60
    ).json()
    assert sorted(item["id"] for item in found["features"]) == ["a", "b"]

    west, south, east, north = found["features"][0]["bbox"]
    lon, lat = west + 0.2 * (east - west), south + 0.2 * (north - south)  # beside the lake
    heights = [
        values_of(host.get(f"/api/{place}/point/{lon},{lat}"))
        for place in ("tiles/hills/a", "tiles/hills/b", "mosaics/hills")
    ]
    assert heights[0] == heights[1] == heights[2]
    assert host.get("/api/tiles/hills/a/preview.png").content.startswith(b"\x89PNG")

    search = {"collections": ["hills"], "ids": ["b"]}
    names = [
        httpx.post(f"{host.url}/api/mosaics/searches", json=search, timeout=60).json()["id"]
        for _ in range(2)
    ]
    assert names[0] == names[1]
    shown = values_of(host.get(f"/api/mosaics/searches/{names[0]}/point/{lon},{lat}"))
    assert shown == heights[1]
    on_pages(host, found["features"][0])


def on_pages(host: Host, item: dict[str, Any]) -> None:
    """The same on the pages of the running system, where storage and catalog are real too."""
    ref = item["assets"]["analysis"]["href"].partition("/api/storage/blob/")[2]
    assert host.get(f"/storage/picture?ref={ref}").content.startswith(b"\x89PNG")
    assert "/storage/picture" in host.get(f"/storage/blob?ref={ref}").text
    assert f"/catalog/hills/{item['id']}" in host.get("/catalog?collection=hills").text
    assert item["id"] in host.get(f"/catalog/hills/{item['id']}").text
    wrong = host.get("/catalog?token=next:no-such-place")
    assert wrong.status_code in {200, 422}, wrong.text
    for page in ("/", "/status", "/jobs", "/storage", "/history", "/fire", "/submit"):
        assert host.get(page).status_code == 200, page


def test_a_worker_killed_in_the_middle_of_a_conversion_costs_nothing(
    host: Host, blobs: AzureBlobs
) -> None:
    """R38, R75: the next worker does it again, and only whole COGs have a name."""
    cells = np.random.default_rng(1).integers(0, 255, (3, 4096, 4096), "uint8")
    ref = stored(blobs, tiff(cells, photometric="rgb"))
    tiers = ["analysis", "archive"]
    job_id = host.submit(source=ref, collection="noise", item_id="a", tiers=tiers)
    eventually(lambda: host.job(job_id)["stages"][2]["status"] in {"open", "closed"})
    host.kill()
    host.start()
    made = host.finish(job_id)
    for cog in made["cogs"]:
        with MemoryFile(blobs.read(BlobRef(cog["ref"]))) as memory, memory.open() as found:
            assert np.array_equal(found.read(), cells)
