"""Brings a database up to date: numbered files, applied once, in order, by one process at a time."""

from __future__ import annotations

import hashlib
import logging
from importlib.resources import files

import psycopg

from core.errors import Conflict, CoreMachineError
from infrastructure import pgstac
from infrastructure.database import sql, unavailable

log = logging.getLogger(__name__)

LOCK = "select pg_advisory_xact_lock(hashtextextended('coremachine.migrations', 0))"
ALONE = "lock table app.jobs, app.runs in access exclusive mode"
TABLE = """
create schema if not exists app;
create table if not exists app.migrations (
    number integer primary key, name text not null, sha256 text not null, at timestamptz not null default now()
)
"""


class MigrationChanged(CoreMachineError):
    """A migration that was applied to this database is not the one in this code."""

    code = "migration_changed"


class JobsRunning(Conflict):
    """Jobs are running, so their tables cannot be dropped."""

    code = "jobs_running"


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of every migration."""
    folder = files("infrastructure.sql").joinpath("migrations")
    found = [
        (int(f.name[:4]), f.name, f.read_text())
        for f in folder.iterdir()
        if f.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(dsn: str) -> list[str]:
    """Apply what is missing, each file in a transaction of its own, and name what was applied."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as conn:
            # What another host has just applied must be seen, whatever this server's default is.
            conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            own = [name for number, name, text in migrations() if _apply(conn, number, name, text)]
            return own + pgstac.upgrade(conn, dsn)
    except psycopg.OperationalError as error:
        raise unavailable(error) from error


def rebuild(dsn: str) -> list[str]:
    """Drop every job, and make the tables anew: all in one transaction, so nothing or everything has happened."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as conn, conn.transaction():
            conn.execute(LOCK)
            conn.execute("set local lock_timeout = '5s'")
            conn.execute(ALONE)
            row = conn.execute(sql("maintenance/count_running")).fetchone()
            if row is not None and row[0]:
                raise JobsRunning(f"{row[0]} jobs have not ended. Cancel them, or wait for them.")
            conn.execute("drop schema app cascade")
            return [name for number, name, text in migrations() if _apply(conn, number, name, text)]
    except psycopg.OperationalError as error:
        raise unavailable(error) from error


def _apply(conn: psycopg.Connection, number: int, name: str, text: str) -> bool:
    sha = hashlib.sha256(text.encode()).hexdigest()
    with conn.transaction():
        conn.execute(LOCK)
        conn.execute(TABLE)
        row = conn.execute(
            "select sha256 from app.migrations where number = %s", [number]
        ).fetchone()
        if row is not None:
            if row[0] != sha:
                raise MigrationChanged(
                    f"{name} was applied with other contents; write a new migration instead"
                )
            return False
        conn.execute(text.encode())
        conn.execute(
            "insert into app.migrations (number, name, sha256) values (%s, %s, %s)",
            [number, name, sha],
        )
    log.info("applied migration %s", name)
    return True
