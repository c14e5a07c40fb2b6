"""What a look at the database and the storage of an installation finds. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from core.blobs import Zone
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.database import Database, sql, unavailable
from infrastructure.reading.reader import PostgresReader


@dataclass(frozen=True)
class DatabaseFacts:
    """A database that answers."""

    version: int
    postgis: str | None
    now: datetime
    """By its own clock."""
    size: int
    missing: list[str]
    """Migrations that it lacks."""


def look_at_database(dsn: str) -> DatabaseFacts:
    """Raises ServiceUnavailable when it does not answer within seconds."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as conn:
            row = conn.execute(sql("doctor/read_facts")).fetchone()
    except psycopg.OperationalError as error:
        raise unavailable(error) from error
    assert row is not None
    database = Database(dsn, size=1, name="coremachine doctor", tries=1).open()
    try:
        return DatabaseFacts(*row, missing=PostgresReader(database).missing_migrations())
    finally:
        database.close()


def look_at_storage(connection_string: str) -> list[str]:
    """The containers of the bronze zone."""
    blobs = AzureBlobs(connection_string, retries=0)
    try:
        return blobs.containers(Zone.BRONZE)
    finally:
        blobs.close()
