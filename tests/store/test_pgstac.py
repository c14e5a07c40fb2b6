"""pgSTAC is installed where a database is migrated, by whoever may, and otherwise says what is missing."""

import time
from collections.abc import Iterator
from importlib.metadata import version
from uuid import uuid4

import psycopg
import pytest

from infrastructure import pgstac
from infrastructure.migrations import migrate
from infrastructure.pgstac import PgstacNotInstallable


@pytest.fixture
def bare(postgres_server, postgres_admin) -> Iterator[str]:
    """A database that holds nothing and belongs to an ordinary user; how that user reaches it."""
    name = f"bare_{uuid4().hex}"
    postgres_admin.execute(f"create role {name} login createrole password 'x'")
    postgres_admin.execute(f"create database {name} owner {name}")
    info = psycopg.conninfo.conninfo_to_dict(postgres_server.dsn(name))
    yield psycopg.conninfo.make_conninfo("", **{**info, "user": name, "password": "x"})
    postgres_admin.execute(f"drop database {name} with (force)")
    postgres_admin.execute(f"drop role {name}")


def test_an_extension_that_may_not_be_made_is_named(bare: str) -> None:
    with pytest.raises(PgstacNotInstallable, match="create extension if not exists postgis"):
        migrate(bare)


def test_an_ordinary_user_installs_it_where_the_extension_is_there(
    postgres_server, bare: str
) -> None:
    """The roles of pgSTAC belong to the cluster, and another database has made them before."""
    name = psycopg.conninfo.conninfo_to_dict(bare)["dbname"]
    with psycopg.connect(postgres_server.dsn(name), autocommit=True) as admin:
        admin.execute("create extension postgis")
    assert migrate(bare)[-1] == f"pgstac {version('pypgstac')}"
    assert migrate(bare) == []


def test_a_newer_one_is_left_alone(database: str) -> None:
    """A host of the new release has been here while this one still runs."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("insert into pgstac.migrations (version) values ('99.0.1')")
        assert pgstac.installed(conn) == "99.0.1"
    assert migrate(database) == []


def test_an_older_one_is_brought_up_to_date(postgres_server, postgres_admin) -> None:
    name = f"older_{uuid4().hex}"
    postgres_admin.execute(f"create database {name}")
    try:
        dsn = postgres_server.dsn(name)
        install(dsn, "0.9.9")
        assert migrate(dsn)[-1] == f"pgstac {version('pypgstac')}"
    finally:
        postgres_admin.execute(f"drop database {name} with (force)")


def install(dsn: str, wanted: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        pgstac._prepare(conn)
    pgstac._apply(dsn, wanted)


@pytest.mark.alone
def test_a_start_costs_little_where_it_is_current(database: str) -> None:
    began = time.perf_counter()
    assert migrate(database) == []
    assert time.perf_counter() - began < 1
