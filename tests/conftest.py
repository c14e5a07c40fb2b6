"""What every test can ask for: a database, blob storage, the shared data."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core import lookout
from tests.support import chance
from tests.support.services import Services, database_for
from triggers.local.postgres import PostgresServer

SHARED = Path(__file__).parents[2] / "shared"
services_key = pytest.StashKey[Services]()


def pytest_configure(config: pytest.Config) -> None:
    """The first process makes a place for services; xdist's workers are told where it is."""
    lookout.PATIENCE = 60.0  # what is slow on a busy machine is still what a page shows
    chance.tame()
    if hasattr(config, "workerinput"):
        config.stash[services_key] = Services(Path(config.workerinput["services"]))
    else:
        signal.signal(
            signal.SIGTERM, signal.default_int_handler
        )  # a stopped run cleans up like Ctrl-C
        config.stash[services_key] = Services.create()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput["services"] = str(node.config.stash[services_key].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and services_key in config.stash:
        config.stash[services_key].stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """A running PostgreSQL that all tests share. Restart a server of your own, not this one."""
    return request.config.stash[services_key].postgres()


@pytest.fixture(scope="session")
def postgres_admin(
    postgres_server: PostgresServer, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection]:
    """A connection that creates and drops databases."""
    request.config.stash[services_key].migrated_template()
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        yield admin


@pytest.fixture
def database(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    postgres_admin: psycopg.Connection,
) -> Iterator[str]:
    """The DSN of a fresh, migrated database."""
    with database_for(request)(postgres_server, postgres_admin) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> str:
    """The connection string of a running Azurite that all tests share: use a container of your own."""
    return request.config.stash[services_key].azurite().connection_string


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real test data."""
    if not SHARED.is_dir():
        pytest.skip("the shared test data is not beside this checkout")
    return SHARED
