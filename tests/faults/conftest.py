"""What the fault tests share: fleets of worker processes, each with a database of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.fleet import Fleet
from tests.support.service_bus import Emulator, service_bus_emulator
from tests.support.services import database_for
from triggers.local.postgres import PostgresServer

Harbour = Callable[..., AbstractContextManager[Fleet]]


@pytest.fixture
def harbour(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    postgres_admin: psycopg.Connection,
    tmp_path: Path,
) -> Harbour:
    """Makes fleets, each with a fresh database; also from several threads at once."""
    numbers = count()

    @contextmanager
    def fleet(**options: Any) -> Iterator[Fleet]:
        with ExitStack() as stack:
            dsn = stack.enter_context(database_for(request)(postgres_server, postgres_admin))
            fleet = stack.enter_context(Fleet(dsn, tmp_path / f"fleet-{next(numbers)}", **options))
            try:
                yield fleet
            finally:
                print(fleet.story())  # pytest shows it when the test has failed

    return fleet


@pytest.fixture
def fleet(harbour: Harbour) -> Iterator[Fleet]:
    with harbour() as fleet:
        yield fleet


@pytest.fixture
def bus() -> Iterator[Emulator]:
    with service_bus_emulator() as emulator:
        yield emulator


@pytest.fixture
def bus_fleet(harbour: Harbour, bus: Emulator) -> Iterator[Fleet]:
    """A fleet whose queue is Service Bus."""
    with harbour(bus=bus.connection_string) as fleet:
        yield fleet
