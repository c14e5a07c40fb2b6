"""A development host in a process of its own, on the tiny function app."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from triggers.local import ports

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/support/function_apps/tiny"
PATIENCE = 120.0
LOCAL_SETTINGS = {
    "TINY_QUEUE": "from-local-settings",
    "TINY_SCHEDULE": "* * * * * *",
    "TINY_BUS": "Endpoint=sb://in-memory",
    "AzureWebJobs.switched_off.Disabled": "true",
}


@dataclass
class Host:
    process: subprocess.Popen[bytes]
    client: httpx.Client
    directory: Path

    @property
    def log(self) -> str:
        return (self.directory / "host.log").read_text()

    @property
    def release(self) -> Path:
        """When this file appears, slow messages are finished."""
        return self.directory / "release"

    def state(self) -> dict[str, Any]:
        return self.client.get("/api/seen").json()

    def seen(self, body: str) -> list[dict[str, Any]]:
        return [entry for entry in self.state()["seen"] if entry.get("body") == body]


def eventually(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def tiny_app(directory: Path) -> Path:
    """A copy of the tiny app with its local.settings.json, which git ignores."""
    app = directory / "app"
    shutil.copytree(TINY, app)
    (app / "local.settings.json").write_text(json.dumps({"Values": LOCAL_SETTINGS}))
    return app


def command(app: Path, port: int, bus: str = "memory_bus") -> list[str]:
    opener = f"tests.support.{bus}:open_bus"
    options = ["--app", str(app), "--port", str(port), "--bus", opener]
    return [sys.executable, "-m", "triggers.devhost", *options]


@contextmanager
def running(app: Path, directory: Path, bus: str = "memory_bus", **settings: str) -> Iterator[Host]:
    """The host, ready to answer; killed at the end if it still runs."""
    port = ports.free()
    environment = os.environ | {"TINY_RELEASE": str(directory / "release")} | settings
    with (directory / "host.log").open("wb") as log:
        process = subprocess.Popen(command(app, port, bus), cwd=ROOT, env=environment, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            host = Host(process, client, directory)
            eventually(lambda: process.poll() is not None or _answers(client))
            assert process.poll() is None, host.log
            yield host
    finally:
        process.kill()
        process.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/seen").status_code == 200
    except httpx.ConnectError:
        return False
