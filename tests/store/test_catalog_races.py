"""Writers of the catalog that meet: nothing is lost, nobody deadlocks. Each test fails without its lock."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from core.errors import CollectionNotFound, ServiceUnavailable
from infrastructure import catalog as module
from infrastructure.catalog import PgstacCatalog, catalog_pool
from infrastructure.database import Database, sql
from tests.store.desk import at_once
from tests.support.stac import collection, item
from tests.support.waiting import eventually

LOCKS = {
    "catalog/lock_shared": b"select 1",
    "catalog/lock_alone": b"select 1",
    "catalog/hold_collection": sql("catalog/hold_collection").replace(b"for update", b""),
}
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
WIDE = [
    item("west", box=(0.0, 0.0, 1.0, 1.0), moment="2000-01-01T00:00:00Z"),
    item("east", box=(9.0, 0.0, 10.0, 1.0), moment="2030-01-01T00:00:00Z"),
]
Held = Callable[[Callable[[], object]], Future]


@pytest.fixture
def pool(database: str) -> Iterator[Database]:
    pool = catalog_pool(database, size=16, name="test").open()
    pool.tries = 1
    yield pool
    pool.close()


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sql", lambda name: LOCKS.get(name) or sql(name))


@contextmanager
def behind(pool: Database, first: Callable[[psycopg.Connection], None]) -> Iterator[Held]:
    """Lets the first act, holds its commit until what is handed in waits for it, and then commits."""

    def second_meets(second: Callable[[], object]) -> Future:
        with pool.transaction() as conn:
            first(conn)
            future = threads.submit(second)
            with psycopg.connect(pool.dsn, autocommit=True) as looking:
                eventually(lambda: future.done() or looking.execute(WAITING).fetchone() != (0,))
        return future

    with ThreadPoolExecutor(1) as threads:
        yield second_meets


def adding(name: str, east: float) -> Callable[[psycopg.Connection], None]:
    there = item(name, box=(east - 1, 5.0, east, 6.0))
    return lambda conn: module._add(conn, "hills", "hills", [there])


def extent_after_two_add_at_once(pool: Database) -> list[float]:
    catalog = PgstacCatalog(pool)
    catalog.add(collection(), WIDE)
    second = [item("b", box=(-60.0, 5.0, -50.0, 6.0))]
    with behind(pool, adding("a", 50.0)) as meets:
        assert meets(lambda: catalog.add("hills", second)).result(120) == 1
    return catalog.collection("hills")["extent"]["spatial"]["bbox"][0]


def test_two_that_add_to_one_collection_both_widen_it(pool: Database) -> None:
    assert extent_after_two_add_at_once(pool) == [-60.0, 0.0, 50.0, 6.0]


@pytest.mark.usefixtures("unlocked")
def test_without_the_lock_the_first_would_be_forgotten(pool: Database) -> None:
    assert extent_after_two_add_at_once(pool) == [-60.0, 0.0, 10.0, 6.0]


def removed_while_another_adds(pool: Database) -> tuple[object, bool]:
    catalog = PgstacCatalog(pool)
    catalog.add(collection(), WIDE)
    for each in WIDE:
        catalog.remove("hills", each["id"])
    with behind(pool, adding("a", 5.0)) as meets:
        gone = meets(lambda: catalog.remove_collection("hills")).result(120)
    return gone, catalog.item("hills", "a") is not None


def test_a_collection_outlives_its_removal_when_an_item_comes_first(pool: Database) -> None:
    """R84."""
    assert removed_while_another_adds(pool) == (False, True)


@pytest.mark.usefixtures("unlocked")
def test_without_the_lock_the_item_would_go_with_its_collection(pool: Database) -> None:
    """R84."""
    assert removed_while_another_adds(pool) == (True, False)


def removing(conn: psycopg.Connection) -> None:
    conn.execute(sql("catalog/lock_alone"))
    conn.execute(sql("catalog/remove_collection"), {"name": "hills"})


def test_who_adds_to_a_collection_that_goes_is_told_so(pool: Database) -> None:
    """R84."""
    catalog = PgstacCatalog(pool)
    catalog.put_collection(collection())
    with behind(pool, removing) as meets:
        late = meets(lambda: catalog.add("hills", [item("a")]))
        with pytest.raises(CollectionNotFound):
            late.result(120)


def test_who_brings_the_collection_along_makes_it_again(pool: Database) -> None:
    """R82, R84."""
    catalog = PgstacCatalog(pool)
    catalog.put_collection(collection())
    with behind(pool, removing) as meets:
        assert meets(lambda: catalog.add(collection(), [item("a")])).result(120) == 1
    assert catalog.item("hills", "a") is not None


def make_many_collections_at_once(pool: Database, turns: int = 4) -> None:
    catalog = PgstacCatalog(pool)
    for turn in range(turns):
        names = [f"c{turn}-{n}" for n in range(6)]
        at_once(
            *[partial(catalog.add, collection(n), [item("a", collection=n)]) for n in names * 2]
        )


def test_many_that_make_collections_do_not_deadlock(pool: Database) -> None:
    make_many_collections_at_once(pool)
    assert len(PgstacCatalog(pool).collections()) == 24


@pytest.mark.usefixtures("unlocked")
def test_without_the_lock_they_would_deadlock(pool: Database) -> None:
    """Sometimes pgSTAC swallows the deadlock, and then misses the partition that was not made."""
    with pytest.raises((ServiceUnavailable, psycopg.errors.UndefinedTable)):
        make_many_collections_at_once(pool, turns=50)


def test_adding_putting_removing_and_searching_at_once_all_succeed(pool: Database) -> None:
    catalog = PgstacCatalog(pool)
    catalog.add(collection(), WIDE)

    def write(n: int) -> None:
        for turn in range(5):
            moment = f"{2000 + turn}-0{n + 1}-01T00:00:00Z"
            catalog.add("hills", [item(f"{n}-{turn}", moment=moment), item("common", n=n)])
            catalog.add(collection(f"c{turn}"), [item("a", collection=f"c{turn}")])
            catalog.remove("hills", f"{n}-{turn}")
            catalog.put_collection(collection(f"d{turn}"))
            catalog.search({"limit": 100})
            catalog.remove_collection(f"d{turn}")

    at_once(*[partial(write, n) for n in range(6)])
    found = catalog.search({"collections": ["hills"], "limit": 100})["features"]
    assert sorted(each["id"] for each in found) == ["common", "east", "west"]
