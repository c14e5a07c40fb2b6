"""A web app over a fresh database, under uvicorn, and a client of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import httpx
import psycopg
import pytest

from core.identity import Role
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.entra import EntraTokens, Expected
from infrastructure.jwks import Jwks
from infrastructure.stac_connections import StacConnections
from tests.http.house import House, house_of, serving
from tests.http.office import Office
from tests.http.storage_house import storage_client
from tests.support.issuer import AUDIENCE, Issuer, issuing
from tests.support.services import fresh_database
from triggers.http.app import WebApp
from triggers.local.postgres import PostgresServer


def app_of(house: House) -> WebApp:
    """With the STAC API, whose connections are closed with the server."""
    return house.app(stac=StacConnections(house.database.dsn, size=2))


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with house_of(database) as house:
        yield house


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    """Talks to the app under a real server."""
    with serving(app_of(house)) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def common_house(
    postgres_server: PostgresServer, postgres_admin: psycopg.Connection
) -> Iterator[House]:
    """For tests that leave nothing behind which another could stumble over."""
    with fresh_database(postgres_server, postgres_admin) as dsn, house_of(dsn) as house:
        yield house


@pytest.fixture(scope="module")
def common_client(common_house: House) -> Iterator[httpx.Client]:
    with serving(app_of(common_house)) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def stored(azurite: str) -> Iterator[AzureBlobs]:
    blobs = AzureBlobs(azurite, retries=0)
    yield blobs
    blobs.close()


@pytest.fixture(scope="module")
def storage(stored: AzureBlobs) -> Iterator[httpx.Client]:
    """Talks to the storage routes over a real Azurite."""
    with storage_client(stored) as client:
        yield client


@pytest.fixture
def container() -> str:
    return f"t{uuid4().hex}"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def office(database: str, issuer: Issuer) -> Iterator[Office]:
    expected = Expected((issuer.name,), (AUDIENCE,), {str(role): role for role in Role})
    tokens = EntraTokens(Jwks(issuer.configuration), expected)
    with ExitStack() as stack:
        yield Office(stack.enter_context(house_of(database)), tokens, stack)
