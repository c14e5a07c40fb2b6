"""What identifies callers here, as the settings say."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from core.identity import Identifier
from core.imports import one_at_a_time
from infrastructure.database import Database
from infrastructure.keys import PostgresKeys
from infrastructure.migrations import migrate
from infrastructure.settings import Settings


def issuers(given: Settings) -> list[Identifier]:
    """Those whose tokens are taken."""
    if given.entra_tenant is None:
        return []
    with one_at_a_time:
        from infrastructure.entra import EntraTokens, Expected  # noqa: PLC0415 - only where it is used
        from infrastructure.jwks import Jwks  # noqa: PLC0415

    expected = Expected(given.issuers(), given.audiences(), given.roles())
    return [EntraTokens(Jwks(given.keys_url()), expected)]


@contextmanager
def key_store(given: Settings) -> Generator[PostgresKeys]:
    """Where API keys are kept, for whoever has the database: it is brought up to date first."""
    dsn = given.database_url.get_secret_value()
    migrate(dsn)
    database = Database(dsn, size=2, name="keys").open()
    try:
        yield PostgresKeys(database)
    finally:
        database.close()
