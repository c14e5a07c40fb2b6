"""The product's own function_app.py on Microsoft's worker library: HTTP in, messages out, tasks done."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support.service_bus import Emulator, service_bus_emulator
from tests.support.waiting import eventually
from triggers.local import ports

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with service_bus_emulator(lock_seconds=30) as running:
        yield running


@pytest.fixture
def settings(database: str, azurite: str, emulator: Emulator) -> dict[str, str]:
    return {
        "DATABASE_URL": database,
        "AZURE_STORAGE_CONNECTION_STRING": azurite,
        "SERVICEBUS_CONNECTION_STRING": emulator.connection_string,
        "CM_QUEUE_JOBS": "jobs",
        "CM_QUEUE_LIGHT": "tasks-light",
    }


@pytest.fixture
def host(settings: dict[str, str], tmp_path: Path) -> Iterator[httpx.Client]:
    port = ports.free()
    with (tmp_path / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "triggers.devhost", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | settings | {"PYTHONFAULTHANDLER": "1"},
            stdout=log,
            stderr=log,
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            try:
                _wait_for(client, process, tmp_path)
                yield client
            finally:
                process.terminate()
                process.wait(120)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until it answers. Who never does is made to say where its threads stand."""
    try:
        eventually(lambda: _answers(client, process, folder))
    except AssertionError as error:
        process.send_signal(signal.SIGABRT)
        process.wait(120)
        error.add_note((folder / "host.log").read_text())
        raise


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
    job = eventually(lambda: _final(host, url))
    assert (job["status"], job["result"]) == ("completed", 3)
    with psycopg.connect(database, autocommit=True) as conn:
        left = "select count(*) from app.outbox"
        eventually(
            lambda: conn.execute(left).fetchone() == (0,)
        )  # a message may arrive before it is off the list


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


def test_a_cold_instance_can_be_asked_for_everything_at_once(
    settings: dict[str, str], database: str
) -> None:
    """A timer, messages and a request come together: nothing is imported by two threads, and one runner begins."""
    given = settings | {"CM_JOBS": "tests.support.wary_jobs"}
    command = [sys.executable, "-m", "tests.support.cold_start"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"failed": [], "broken": {}}, done.stderr
    with psycopg.connect(database) as conn:
        (runners,) = conn.execute("select count(*) from app.sessions").fetchone() or (0,)
    assert runners == 1


def _final(host: httpx.Client, url: str) -> dict[str, object] | None:
    job = host.get(url).json()
    return job if job["status"] in ("completed", "failed", "completed_with_errors") else None
