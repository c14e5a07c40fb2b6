"""`python -m triggers.keys` on a fresh database, and a worker that knows its callers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.waiting import eventually
from triggers.local import ports

ROOT = Path(__file__).parents[2]


def environment(dsn: str, azurite: str, **more: str) -> dict[str, str]:
    ours = {"DATABASE_URL": dsn, "AZURE_STORAGE_CONNECTION_STRING": azurite, **more}
    return {**os.environ, **ours, "CM_TILES": "false"}


def keys(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "triggers.keys", *arguments],
        env=environment(dsn, ""),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def worker(dsn: str, azurite: str, *arguments: str, **more: str) -> Iterator[str]:
    port = ports.free()
    command = [sys.executable, "-m", "triggers.worker", "--port", str(port), "--queues", ""]
    process = subprocess.Popen(
        [*command, *arguments], env=environment(dsn, azurite, **more), cwd=ROOT
    )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: process.poll() is not None or alive(url))
        assert process.poll() is None, "it ended"
        yield url
    finally:
        process.kill()
        process.wait()


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/livez", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def test_the_first_key_opens_a_worker_that_listens_everywhere(database: str, azurite: str) -> None:
    made = keys(database, "create", "--role", "operator", "--name", "first", "--days", "0")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"cm_[0-9a-f]{12}_[\w-]{43}", key)
    assert "until it is revoked" in made.stderr
    assert key not in made.stderr
    strict = {"CM_IDENTITY": "required"}
    with worker(database, azurite, "--host", "0.0.0.0", **strict) as url:  # noqa: S104 - with identity
        assert httpx.get(f"{url}/api/jobs", timeout=60).status_code == 401
        who = httpx.get(f"{url}/api/whoami", headers={"X-API-Key": key}, timeout=60)
        assert who.json()["role"] == "operator"
        made_by = f"{url}/api/audit?action=key_created"
        (noted,) = httpx.get(made_by, headers={"X-API-Key": key}, timeout=60).json()["notes"]
        assert noted["by"].startswith("cli:")
        assert noted["data"]["name"] == "first"
        assert keys(database, "revoke", key.split("_")[1]).returncode == 0
        eventually(
            lambda: (
                httpx.get(f"{url}/api/jobs", headers={"X-API-Key": key}, timeout=60).status_code
                == 401
            )
        )
    listed = keys(database, "list")
    assert "revoked" in listed.stdout
    assert key not in listed.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--role", "owner", "--name", "x"),
        ("create", "--role", "reader", "--name", " "),
        ("create", "--role", "reader", "--name", "x", "--job-type", "nothing"),
        ("revoke", "0123456789ab"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(database: str, arguments: tuple[str, ...]) -> None:
    done = keys(database, *arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_worker_does_not_listen_to_the_network_without_identity(
    database: str, azurite: str
) -> None:
    command = [sys.executable, "-m", "triggers.worker", "--port", str(ports.free())]
    done = subprocess.run(
        [*command, "--host", "0.0.0.0", "--queues", ""],  # noqa: S104 - what is refused
        env=environment(database, azurite),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "CM_IDENTITY=required" in done.stderr
    assert "Traceback" not in done.stderr
