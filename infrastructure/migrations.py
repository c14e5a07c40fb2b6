"""Brings a database up to date: numbered files, applied once, in order, by one process at a time."""

from __future__ import annotations

import hashlib
import logging
from importlib.resources import files

import psycopg
from psycopg.sql import SQL, Identifier

from core.errors import Conflict, CoreMachineError
from infrastructure import pgstac
from infrastructure.database import sql, unavailable

log = logging.getLogger(__name__)

LOCK = "select pg_advisory_xact_lock(hashtextextended('coremachine.migrations', 0))"
ALONE = "lock table app.jobs, app.runs in access exclusive mode"
KEPT = ("keys", "audit")
"""Whoever loses these is locked out of what is made anew, and does not know by whom."""
COLUMNS = """
select h.attname, h.attidentity <> '' from pg_attribute h
join pg_attribute w on w.attname = h.attname and w.attrelid = to_regclass(%(copy)s) and w.attnum > 0 and not w.attisdropped
where h.attrelid = to_regclass('app.' || %(name)s) and h.attnum > 0 and not h.attisdropped
"""
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


def rebuild(dsn: str) -> tuple[list[str], list[str]]:
    """Drop everything but who may come in and what they did: in one transaction, so nothing or all of it has happened."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as conn, conn.transaction():
            conn.execute(LOCK)
            conn.execute("set local lock_timeout = '5s'")
            conn.execute(ALONE)
            row = conn.execute(sql("maintenance/count_running")).fetchone()
            if row is not None and row[0]:
                raise JobsRunning(f"{row[0]} jobs have not ended. Cancel them, or wait for them.")
            kept = [name for name in KEPT if _set_aside(conn, name)]
            conn.execute("drop schema app cascade")
            done = [name for number, name, text in migrations() if _apply(conn, number, name, text)]
            for name in kept:
                _put_back(conn, name)
            return done, [f"app.{name}" for name in kept]
    except psycopg.OperationalError as error:
        raise unavailable(error) from error


def _set_aside(conn: psycopg.Connection, name: str) -> bool:
    """Copy a table's rows; a database that was made before the table was has none."""
    row = conn.execute("select to_regclass(%s)", [f"app.{name}"]).fetchone()
    if row is None or row[0] is None:
        return False
    copy = "create temporary table {} on commit drop as table {}"
    conn.execute(SQL(copy).format(Identifier(f"kept_{name}"), Identifier("app", name)))
    return True


def _put_back(conn: psycopg.Connection, name: str) -> None:
    """The columns that the table had and has; its numbers go on after the largest."""
    copy, table = Identifier(f"kept_{name}"), Identifier("app", name)
    rows = conn.execute(COLUMNS, {"copy": f"kept_{name}", "name": name}).fetchall()
    columns = SQL(", ").join(Identifier(column) for (column, _) in rows)
    insert = "insert into {} ({}) overriding system value select {} from {}"
    conn.execute(SQL(insert).format(table, columns, columns, copy))
    for column, is_numbered in rows:
        if is_numbered:
            of = {"table": f"app.{name}", "column": column}
            largest = SQL("(select max({}) from {})").format(Identifier(column), table)
            go_on = "select setval(pg_get_serial_sequence(%(table)s, %(column)s), {}) where {} > 0"
            conn.execute(SQL(go_on).format(largest, largest), of)


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
