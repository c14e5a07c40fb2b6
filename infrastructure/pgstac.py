"""Installs pgSTAC, the catalog's tables and functions, and brings it up to date."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from core.errors import CoreMachineError
from core.imports import one_at_a_time
from infrastructure.database import first_line, sql

log = logging.getLogger(__name__)

LOCK = "select pg_advisory_lock(hashtextextended('coremachine.pgstac', 0))"
UNLOCK = "select pg_advisory_unlock(hashtextextended('coremachine.pgstac', 0))"
EXTENSIONS: tuple[LiteralString, ...] = ("postgis", "btree_gist", "unaccent")
ROLES: tuple[LiteralString, ...] = ("pgstac_admin", "pgstac_ingest", "pgstac_read")
TRIES = 5
"""Roles belong to the whole cluster: another database may be making the same ones."""


class PgstacNotInstallable(CoreMachineError):
    """This database does not let pgSTAC be installed."""

    code = "pgstac_not_installable"


def upgrade(conn: psycopg.Connection, dsn: str) -> list[str]:
    """Install or upgrade pgSTAC where it is older than this code's, and name what was applied.

    A newer one is left alone: another host has it already.
    """
    wanted = version("pypgstac")
    if _is_current(conn, wanted):
        return []
    conn.execute(LOCK)
    try:
        if _is_current(conn, wanted):
            return []
        _prepare(conn)
        _apply(dsn, wanted)
    finally:
        conn.execute(UNLOCK)
    log.info("applied pgstac %s", wanted)
    return [f"pgstac {wanted}"]


def installed(conn: psycopg.Connection) -> str | None:
    """The version of pgSTAC in this database."""
    try:
        row = conn.execute(sql("catalog/get_version")).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    return None if row is None else str(row[0])


def _is_current(conn: psycopg.Connection, wanted: str) -> bool:
    found = installed(conn)
    return found is not None and _order(found) >= _order(wanted)


def _order(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.partition("-")[0].split(".") if part.isdecimal())


def _prepare(conn: psycopg.Connection) -> None:
    """What pgSTAC's own migration needs: extensions, and roles that this user may act as."""
    for name in EXTENSIONS:
        _must(conn, f"create extension if not exists {name} schema public")
    for name in ROLES:
        if not conn.execute("select from pg_roles where rolname = %s", [name]).fetchone():
            _must(conn, f"create role {name}")
    _must(conn, f"grant {', '.join(ROLES)} to current_user")


def _must(conn: psycopg.Connection, statement: LiteralString) -> None:
    try:
        conn.execute(statement)
    except (errors.DuplicateObject, errors.UniqueViolation):
        return  # another database of the cluster was quicker
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile) as why:
        raise PgstacNotInstallable(
            f"{statement!r} failed: {first_line(why)}. Let an administrator run it in this database "
            "(on Azure, allow the extension in the server parameter azure.extensions first)"
        ) from why


def _apply(dsn: str, wanted: str) -> None:
    """By pgSTAC's own migrator, which opens its own connection."""
    with one_at_a_time:
        from pypgstac.db import PgstacDB  # noqa: PLC0415 - slow to import, and rarely needed
        from pypgstac.migrate import Migrate  # noqa: PLC0415

    for left in reversed(range(TRIES)):
        try:
            with (
                ConnectionPool[psycopg.Connection[TupleRow]](
                    dsn, min_size=0, max_size=1, open=True
                ) as pool,
                PgstacDB(pool=pool) as database,
            ):
                Migrate(database).run_migration(wanted)
                return
        except (errors.UniqueViolation, errors.InternalError_) as why:
            if not left:
                raise
            log.info("pgstac: %s; trying again", first_line(why))
