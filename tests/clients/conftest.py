"""The whole system as a client meets it: the real app under uvicorn, real workers, PostgreSQL and Azurite."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from core.queues import QueueName
from core.stages import Retry
from core.upkeep.reconciler import Periodic
from coremachine_client import Client
from infrastructure.settings import Settings
from tests.clients.cli import Cli, command
from tests.http.house import House, house_of
from tests.support.services import numbered_database
from tests.support.waiting import eventually
from triggers import wiring
from triggers.local import ports
from triggers.local.postgres import PostgresServer


@contextmanager
def whole_system(dsn: str, azurite: str) -> Iterator[str]:
    """Everything that `make run` starts, in this process; its address."""
    services = wiring.build(Settings(database_url=dsn, storage=azurite, service_bus=None))
    patch = pytest.MonkeyPatch()
    patch.setattr(wiring, "_shared", [services])
    with ExitStack() as stack:
        stack.callback(patch.undo)
        stack.callback(services.close)
        process = wiring.worker_process(services, "clients", dict.fromkeys(QueueName, 1))
        process.start()
        stack.callback(process.drain, 5)
        stack.callback(Periodic("reconciler", services.reconciler.round, 0.1).start().stop)
        port = ports.free()
        web = wiring.web_server(ports.LOOPBACK, port)
        web.start()
        stack.callback(web.stop)
        eventually(lambda: ports.status_of(port, "/api/readyz") == 200)
        yield f"http://{ports.LOOPBACK}:{port}"


@pytest.fixture(autouse=True)
def nothing_waits_for_its_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "wait", lambda retry, failures: timedelta(0))


@pytest.fixture(scope="module")
def system(
    postgres_server: PostgresServer, postgres_admin: psycopg.Connection, azurite: str
) -> Iterator[str]:
    """One for all tests of a module: they submit jobs of their own."""
    with (
        numbered_database(postgres_server, postgres_admin) as dsn,
        whole_system(dsn, azurite) as server,
    ):
        yield server


@pytest.fixture
def client(system: str) -> Iterator[Client]:
    with Client(system, backoff=0.01) as client:
        yield client


@pytest.fixture
def house(database: str) -> Iterator[House]:
    """An app whose jobs only move when the test says so."""
    with house_of(database) as house:
        yield house


@pytest.fixture
def cli(system: str, tmp_path: Path) -> Cli:
    """The command, for the running system."""
    return command(system, tmp_path)
