"""The system on one machine: PostgreSQL, blob storage and one worker, started in this order and stopped in reverse."""

import shutil
import sys
from collections.abc import Iterator, Set
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from core.errors import Conflict, CoreMachineError
from triggers.local import ports
from triggers.local.azurite import Azurite
from triggers.local.postgres import PostgresServer
from triggers.local.processes import Background

DATABASE = "coremachine"
QUEUES = "jobs,tasks-light,tasks-heavy"


class Given(StrEnum):
    """The real services that a setting can name in place of a private one."""

    DATABASE = "DATABASE_URL"
    STORAGE = "AZURE_STORAGE_CONNECTION_STRING"


SOURCES = "triggers.local.sources"


class Part(NamedTuple):
    """One part of the system, as `status` shows it."""

    name: str
    running: bool
    address: str


class Stack:
    """What runs under one folder. `given` names the settings that replace a private service."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        given: Set[Given] = frozenset(),
        *,
        local_sources: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self.given = given
        self.postgres = PostgresServer(self.folder / "postgres")
        self.azurite = Azurite(self.folder / "azurite")
        self.worker = Background(self.folder / "worker", "worker")
        self.sources = Background(self.folder / "sources", "sources")
        self.local_sources = local_sources or self.sources.running
        self._wanted = port

    @property
    def port(self) -> int:
        """Where the worker listens, or would."""
        return ports.kept(self.worker.folder, None if self.worker.running else self._wanted)

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What a process needs in its environment to use these services."""
        private = {
            Given.DATABASE: self.postgres.dsn(DATABASE),
            Given.STORAGE: self.azurite.connection_string,
        }
        found = {name.value: value for name, value in private.items() if name not in self.given}
        return found | ({"CM_SOURCES_URL": self.sources_url} if self.local_sources else {})

    @property
    def sources_url(self) -> str:
        """Where the stand-in for the internet listens, or would."""
        return f"http://{ports.LOOPBACK}:{ports.kept(self.sources.folder, None)}"

    def start(self) -> Iterator[str]:
        """Start what does not run yet, saying what comes next."""
        self._check_port()
        if Given.DATABASE not in self.given:
            yield "starting PostgreSQL"
            self.postgres.start()
            self.postgres.create_database(DATABASE)
        if Given.STORAGE not in self.given:
            yield "starting blob storage"
            self.azurite.start()
        if self.local_sources and not self.sources.running:
            yield "starting the stand-in for the internet"
            self._start_sources()
        if not self.worker.running:
            yield "starting the worker"
            self._start_worker()

    def stop(self) -> Iterator[str]:
        """Stop what was started here, and nothing else, naming each."""
        if self.worker.stop():
            yield "the worker"
        if self.sources.stop():
            yield "the stand-in for the internet"
        if self.azurite.stop():
            yield "blob storage"
        if self.postgres.stop():
            yield "PostgreSQL"

    def delete_data(self) -> None:
        """Forget everything the stopped services stored."""
        self.postgres.remove()
        shutil.rmtree(self.azurite.folder, ignore_errors=True)
        shutil.rmtree(self.worker.folder, ignore_errors=True)
        shutil.rmtree(self.sources.folder, ignore_errors=True)

    def parts(self) -> Iterator[Part]:
        database, storage = self.postgres.dsn(DATABASE), f"{ports.LOOPBACK}:{self.azurite.port}"
        yield Part("PostgreSQL", self.postgres.running, database)
        yield Part("blob storage", self.azurite.running, storage)
        if self.local_sources:
            yield Part("sources", self.sources.running, self.sources_url)
        yield Part("worker", self.worker.running, self.url)

    def _start_sources(self) -> None:
        folder = self.sources.folder
        folder.mkdir(parents=True, exist_ok=True)
        port = ports.settle(folder, ports.kept(folder, None), None)
        self.sources.start([sys.executable, "-m", SOURCES, "--port", str(port)])
        self.sources.wait_until(lambda: ports.status_of(port) is not None)

    def _start_worker(self) -> None:
        port = self.port
        self.worker.folder.mkdir(parents=True, exist_ok=True)
        (self.worker.folder / "port").write_text(str(port))
        arguments = ["--port", str(port), "--queues", QUEUES]
        self.worker.start([sys.executable, "-m", "triggers.worker", *arguments], self.settings)
        try:
            self.worker.wait_until(lambda: ports.status_of(port, "/api/readyz") == 200)
        except CoreMachineError:
            self.worker.stop()
            raise

    def _check_port(self) -> None:
        if self.worker.running and self._wanted not in (None, self.port):
            raise Conflict(f"the system already runs on port {self.port}; 'make stop' it first")
        if not self.worker.running and ports.taken(self.port):
            another = f"choose another: make run CM_PORT={self.port + 1}"
            raise Conflict(f"port {self.port} is taken by another program; {another}")
