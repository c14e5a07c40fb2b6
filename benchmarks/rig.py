"""What measurements stand on: a private durable PostgreSQL and real worker processes of the product."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg

from core.errors import ServiceUnavailable
from infrastructure.settings import Settings
from triggers import wiring
from triggers.local.postgres import PostgresServer

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
DURABLE = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "4GB", "min_wal_size": "1GB"}
NO_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=nobody;AccountKey=bm9ib2R5;"
    "BlobEndpoint=http://127.0.0.1:1/nobody"
)
"""Small results stay in their rows, so storage is never asked for."""


class Rig:
    """One database with the product's schema, and the processes that work on it."""

    def __init__(self, server: PostgresServer, name: str, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.dsn = server.dsn(name)
        self.settings = Settings.model_validate(
            {"database_url": self.dsn, "storage": NO_STORAGE, "log_level": "WARNING"}
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        wiring.prepare(self.settings)
        self.services = wiring.build(self.settings, "bench-client")

    def worker(self, queues: str = "jobs,tasks-light", port: int = 0, **settings: str) -> int:
        """Start a worker process and wait until it has told the database that it lives; its pid."""
        known = self.rows("select count(*) from app.sessions")[0][0]
        environment = {
            "DATABASE_URL": self.dsn,
            "AZURE_STORAGE_CONNECTION_STRING": NO_STORAGE,
            "CM_LOG_LEVEL": "WARNING",
            **settings,
        }
        command = [sys.executable, "-m", "triggers.worker", "--queues", queues, "--port", str(port)]
        with (self.folder / f"worker-{len(self.workers)}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        self.workers.append(process)
        eventually(lambda: self.rows("select count(*) from app.sessions")[0][0] > known, 60)
        return process.pid

    def submit(self, n: int) -> int:
        machine = self.services.machine
        job = machine.parse("fan_out_probe", {"n": n, "label": uuid4().hex})
        return machine.submit(job).run.run

    def wait(self, run: int, patience: float = 600) -> float:
        """Wait for the run's end, looking often while it is young; the database's seconds it took."""
        query = (
            "select status, extract(epoch from finished_at - created_at)::float8 from app.runs"
            " where run_id = %s and finished_at is not null"
        )
        status, seconds = eventually(lambda: self.rows(query, run), patience)[0]
        if status != "completed":
            raise RuntimeError(f"run {run} ended {status}; see the workers' logs in {self.folder}")
        return seconds

    def seconds(self, n: int) -> float:
        """How long a probe of n tasks takes, from submit until its result is there."""
        began = time.perf_counter()
        self.wait(self.submit(n))
        return time.perf_counter() - began

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self.services.database.transaction() as conn:
            return conn.execute(query.encode(), values).fetchall()

    def stop_workers(self) -> None:
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
        for process in self.workers:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.workers.clear()


@contextmanager
def private_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own that keeps its promises, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="coremachine-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # user postgres must get in
        server = PostgresServer(folder / "postgres", settings=DURABLE)
        try:
            server.start()
            yield server
        finally:
            server.remove()


@contextmanager
def rig(server: PostgresServer) -> Iterator[Rig]:
    """A fresh database on the server, with nothing working on it yet."""
    name = f"bench_{uuid4().hex[:8]}"
    server.create_database(name)
    with tempfile.TemporaryDirectory(prefix="coremachine-bench-logs-") as folder:
        made = Rig(server, name, Path(folder))
        try:
            yield made
        finally:
            made.stop_workers()
            made.services.close()
            drop(server, name)


def drop(server: PostgresServer, name: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute("checkpoint")


def eventually(look: Callable[[], T], patience: float) -> T:
    """Look until there is something. The pause grows with the wait, so that looking costs little."""
    began = time.perf_counter()
    while True:
        with suppress(ServiceUnavailable):  # a measurement may take the database away
            if found := look():
                return found
        spent = time.perf_counter() - began
        if spent > patience:
            raise TimeoutError(f"nothing after {patience:.0f} s")
        time.sleep(min(0.05, max(0.001, spent * 0.02)))


def busy_cores(seconds: float = 1.0) -> float:
    """How many cores the whole machine is using."""
    before = _busy()
    time.sleep(seconds)
    return (_busy() - before) / seconds


def _busy() -> float:
    user, nice, system, _idle, _io, *rest = (
        Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, *rest[:3]))) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience: float, enough: float = 0.25) -> float:
    """Wait until others leave the machine alone, or patience ends; the cores they use then."""
    end = time.monotonic() + patience
    while (busy := busy_cores()) > enough and time.monotonic() < end:
        time.sleep(1)
    return busy


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
