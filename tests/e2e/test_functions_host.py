"""The product's own function_app.py on Microsoft's worker library: HTTP in, messages out, tasks done."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support.devhost import free_port
from tests.support.service_bus import Emulator, service_bus_emulator
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with service_bus_emulator(lock_seconds=30) as running:
        yield running


@pytest.fixture
def host(database: str, azurite: str, emulator: Emulator, tmp_path: Path) -> Iterator[httpx.Client]:
    port = free_port()
    settings = {
        "DATABASE_URL": database,
        "AZURE_STORAGE_CONNECTION_STRING": azurite,
        "SERVICEBUS_CONNECTION_STRING": emulator.connection_string,
        "CM_QUEUE_JOBS": "jobs",
        "CM_QUEUE_LIGHT": "tasks-light",
    }
    with (tmp_path / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "triggers.devhost", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            try:
                eventually(lambda: _answers(client, process, tmp_path), timeout=60)
                yield client
            finally:
                process.terminate()
                process.wait(30)


def _answers(client: httpx.Client, process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "host.log").read_text()
    try:
        return client.get("/api/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_a_job_runs_through_http_outbox_messages_and_triggers(
    host: httpx.Client, database: str
) -> None:
    """R08, R20: everything a job needs happens in triggered functions; the timer repairs what is left."""
    answer = host.post("/api/jobs/submit/hello_world", json={"names": ["Ada", "Grace", "Mary"]})
    assert answer.status_code == 202, answer.text
    url = answer.json()["links"]["status"]
    job = eventually(lambda: _final(host, url), timeout=60)
    assert (job["status"], job["result"]) == ("completed", 3)
    with psycopg.connect(database) as conn:
        left = conn.execute("select count(*) from app.outbox").fetchone()
    assert left == (0,)


def test_pages_stand_at_the_root_of_the_functions_host_too(host: httpx.Client) -> None:
    home = host.get("/", headers={"Accept": "text/html"})
    assert (home.status_code, home.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'aria-current="page">Home' in home.text
    assert host.get("/jobs", headers={"Accept": "text/html"}).status_code == 200


def test_the_functions_host_answers_problems_like_every_other_host(host: httpx.Client) -> None:
    """R135: one envelope of errors."""
    answer = host.post("/api/jobs/submit/hello_wrld", json={})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "hello_world" in answer.json()["detail"]


def test_a_file_comes_in_through_the_functions_host_whole_or_in_pieces(host: httpx.Client) -> None:
    """Bytes of every value: a form and an upload in pieces, and the blob is what was sent."""
    data = bytes(range(256)) * 20_000  # 5 MB
    form = host.post(
        "/api/storage/upload",
        data={"container": "bronze-host"},
        files={"file": ("a b#1.bin", data)},
    )
    assert form.status_code == 201, form.text
    assert form.json()["size"] == len(data)

    order = {"ref": "bronze/host/pieces.bin", "size": len(data)}
    begun = host.post("/api/storage/uploads", json=order).json()
    size, upload = begun["piece_size"], begun["id"]
    for number, start in enumerate(range(0, len(data), size)):
        piece = host.put(f"/api/storage/uploads/{upload}/{number}", content=data[start:][:size])
        assert piece.status_code == 204, piece.text
    made = host.post(f"/api/storage/uploads/{upload}/complete")
    assert made.status_code == 201, made.text
    read = host.get("/api/storage/blob/bronze/host/pieces.bin", follow_redirects=True)
    assert read.content == data


def _final(host: httpx.Client, url: str) -> dict[str, object] | None:
    job = host.get(url).json()
    return job if job["status"] in ("completed", "failed", "completed_with_errors") else None
