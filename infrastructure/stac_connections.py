"""Connections of the STAC API to pgSTAC: asynchronous, few, and made when the first request needs one."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from psycopg.conninfo import conninfo_to_dict
from pydantic_core import from_json

from core.errors import BadInput
from infrastructure.database import first_line, unavailable

NAMES = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "dbname": "database",
    "passfile": "passfile",
    "sslmode": "ssl",
}
"""What libpq calls it, and what asyncpg does."""
SERVER = {
    "application_name": "coremachine-stac",
    "search_path": "pgstac,public",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "30s",
}
PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
REFUSALS = (
    asyncpg.RaiseError,
    asyncpg.DataError,
    asyncpg.PostgresSyntaxError,
    asyncpg.InternalServerError,
)
PATIENCE = 10.0
"""Seconds to wait for a connection that is free."""


class StacConnections:
    """A pool that belongs to the event loop of the web app."""

    def __init__(self, dsn: str, *, size: int) -> None:
        given = conninfo_to_dict(dsn)
        self._options: dict[str, Any] = {
            NAMES[name]: value for name, value in given.items() if name in NAMES
        }
        self._size = size
        self._pool: Any = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        """One connection. What may pass is raised as ServiceUnavailable, what pgSTAC refuses as BadInput."""
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=PATIENCE) as conn:
                yield conn
        except REFUSALS as error:
            raise BadInput(f"the catalog refuses this: {first_line(error)}") from error
        except PASSING as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    **self._options,
                    min_size=0,
                    max_size=self._size,
                    max_inactive_connection_lifetime=120,
                    timeout=5,
                    init=_speak_json,
                    server_settings=SERVER,
                )
            return self._pool


async def _speak_json(conn: Any) -> None:
    for kind in ("json", "jsonb"):
        await conn.set_type_codec(
            kind, encoder=json.dumps, decoder=from_json, schema="pg_catalog", format="text"
        )
