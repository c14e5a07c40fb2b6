"""One suite, two stores: every test that asks for a desk runs in memory and on PostgreSQL."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks.invariants import violations
from core.blobs import BlobRef, Zone
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.database import Database
from tests.store.desk import Desk, MemoryDesk, PostgresDesk
from tests.store.mailing import Post, post_of
from tests.support.services import fresh_database

TABLES = (
    "jobs, runs, stages, tasks, checkpoints, events, sessions, outbox, quarantine, task_logs, "
    "dependencies, limits, buckets, "
    "schedules, schedule_ticks, templates, template_uses, batches, batch_jobs, "
    "webhooks, webhook_secrets, deliveries, delivery_attempts"
)


@pytest.fixture(scope="session")
def store_dsn(postgres_server, postgres_admin) -> Iterator[str]:
    """A migrated database for all store tests of this process; each begins with empty tables."""
    with fresh_database(postgres_server, postgres_admin) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def store_pool(store_dsn: str) -> Iterator[Database]:
    database = Database(store_dsn, size=24).open()
    yield database
    database.close()


@pytest.fixture
def empty(store_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to the store's database, whose tables have just been emptied."""
    with psycopg.connect(store_dsn, autocommit=True) as conn:
        conn.execute("set search_path = app")
        conn.execute(f"truncate {TABLES}")
        yield conn


def made(kind: str, request: pytest.FixtureRequest, *, outbox: bool) -> Desk:
    if kind == "memory":
        return MemoryDesk(outbox=outbox)
    empty = request.getfixturevalue("empty")
    return PostgresDesk(request.getfixturevalue("store_pool"), empty, outbox=outbox)


@pytest.fixture(params=["memory", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A store whose due tasks are the queue, and a machine on it."""
    desk = made(request.param, request, outbox=False)
    yield desk
    check(desk)


@pytest.fixture(params=["memory", "postgres"])
def outbox_desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A store that promises messages, and a machine on it."""
    desk = made(request.param, request, outbox=True)
    yield desk
    check(desk)


@pytest.fixture
def postgres_desk(request: pytest.FixtureRequest) -> Iterator[PostgresDesk]:
    """For what only a database can get wrong."""
    desk = made("postgres", request, outbox=False)
    yield desk
    check(desk)


def check(desk: Desk) -> None:
    """Whatever a test did, the invariants hold. Tests move the clock, so nothing is late."""
    if isinstance(desk, PostgresDesk):
        assert violations(desk.pool.dsn, grace=1e9) == []


@pytest.fixture(params=["memory", "azurite"])
def blobs(request):
    """One contract, held by the memory that tests use and by the SDK against Azurite."""
    if request.param == "memory":
        yield MemoryBlobs()
        return
    store = AzureBlobs(request.getfixturevalue("azurite"), retries=0)
    yield store
    store.close()


@pytest.fixture
def container() -> str:
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def ref(container) -> BlobRef:
    return BlobRef.of(Zone.SILVER, container, "dem/tile.tif")


@pytest.fixture
def post(desk: Desk) -> Post:
    return post_of(desk)


@pytest.fixture
def postgres_post(postgres_desk: PostgresDesk) -> Post:
    return post_of(postgres_desk)
