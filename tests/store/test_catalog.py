"""The promises of the catalog, kept in memory and by pgSTAC alike."""

import statistics
import time
from collections.abc import Iterator

import psycopg
import pytest

from core.catalog import Catalog
from core.errors import BadInput, CollectionNotFound, ServiceUnavailable
from core.memory.catalog import MemoryCatalog
from infrastructure.catalog import PgstacCatalog, catalog_pool
from tests.support.stac import collection, item
from triggers.pages.catalog import holds


@pytest.fixture
def pgstac(database: str) -> Iterator[PgstacCatalog]:
    pool = catalog_pool(database, size=4, name="test").open()
    yield PgstacCatalog(pool)
    pool.close()


@pytest.fixture(params=["memory", "pgstac"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    if request.param == "memory":
        return MemoryCatalog()
    return request.getfixturevalue("pgstac")


def ids(found: dict) -> list[str]:
    return [each["id"] for each in found["features"]]


def test_an_item_and_its_collection_are_made_together(catalog: Catalog) -> None:
    """R82: no item can be there before its collection."""
    assert catalog.add(collection(), [item("a"), item("b")]) == 2
    assert catalog.collection("hills")["description"] == "Hills."
    assert sorted(ids(catalog.search({"collections": ["hills"]}))) == ["a", "b"]


def test_what_is_read_is_what_was_added(catalog: Catalog) -> None:
    """R162: whole, with everything that the store keeps apart; R49: of any size."""
    wide = collection(item_assets={"analysis": {"roles": ["data"]}, "archive": {"title": "Old"}})
    added = item("a", note="für Kigali")
    added["assets"]["analysis"]["file:size"] = 5 * 1024**4 + 1
    catalog.add(wide, [added])
    assert catalog.item("hills", "a") == added
    assert catalog.search({"ids": ["a"]})["features"] == [added]


def test_what_items_tell_of_their_size_adds_up_by_tier(catalog: Catalog) -> None:
    """R49: any size; what somebody else wrote under that name, or not at all, does not count."""
    sizes = {"analysis": 5 * 1024**4, "archive": 7}
    told = [sizes, {"analysis": 3}, 12, "much", {"analysis": "much", "other": 1}, [1]]
    named = [item(f"i-{n}", **{"coremachine:bytes": each}) for n, each in enumerate(told)]
    catalog.add(collection(), [*named, item("silent")])
    found = [(each.tier, each.items, each.bytes) for each in catalog.holdings()]
    assert found == [("analysis", 2, 5 * 1024**4 + 3), ("archive", 1, 7), ("other", 1, 1)]


def test_only_the_fields_that_were_asked_for_are_given(pgstac: PgstacCatalog) -> None:
    pgstac.add(collection(item_assets={"analysis": {"roles": ["data"]}}), [item("a", gsd=3)])
    (found,) = pgstac.search({"fields": {"include": ["id", "properties.gsd"]}})["features"]
    assert found["properties"] == {"gsd": 3}
    assert "assets" not in found


def test_an_item_is_found_as_it_was_after_its_collection_has_changed(catalog: Catalog) -> None:
    """R162: what the collection says of all assets is not part of the item."""
    catalog.add(collection(item_assets={"analysis": {"roles": ["data"]}}), [item("a")])
    catalog.put_collection(collection(item_assets={"analysis": {"title": "Other"}}))
    assert catalog.item("hills", "a") == item("a")
    assert catalog.search({"ids": ["a"]})["features"] == [item("a")]


def test_adding_again_replaces(catalog: Catalog) -> None:
    catalog.add(collection(), [item("a"), item("b")])
    catalog.add("hills", [item("a", note="new"), item("a", note="newest")])
    assert catalog.item("hills", "a")["properties"]["note"] == "newest"
    assert len(ids(catalog.search({"collections": ["hills"]}))) == 2


def test_a_collection_that_is_there_is_not_made_anew(catalog: Catalog) -> None:
    catalog.put_collection(collection(description="First."))
    catalog.add(collection(description="Second."), [item("a")])
    assert catalog.collection("hills")["description"] == "First."


def test_putting_a_collection_keeps_its_items(catalog: Catalog) -> None:
    catalog.add(collection(), [item("a")])
    catalog.put_collection(collection(description="Changed."))
    assert catalog.collection("hills")["description"] == "Changed."
    assert catalog.item("hills", "a") is not None


def test_items_need_a_collection_that_exists(catalog: Catalog) -> None:
    with pytest.raises(CollectionNotFound, match="hills"):
        catalog.add("hills", [item("a")])
    assert catalog.collections() == []


def test_an_item_of_another_collection_is_refused(catalog: Catalog) -> None:
    with pytest.raises(BadInput, match="belongs to collection 'rivers'"):
        catalog.add(collection(), [item("a", collection="rivers")])
    assert catalog.collection("hills") is None


def test_the_extent_grows_with_the_items(catalog: Catalog) -> None:
    catalog.add(collection(), [item("a")])
    extent = catalog.collection("hills")["extent"]
    assert extent["spatial"]["bbox"] == [[29.0, -2.0, 30.0, -1.0]]
    assert extent["temporal"]["interval"] == [["2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"]]
    later = item("b", box=(31.0, -3.0, 32.0, -2.5), moment="2025-01-01T00:00:00+02:00")
    catalog.add("hills", [later])
    extent = catalog.collection("hills")["extent"]
    assert extent["spatial"]["bbox"] == [[29.0, -3.0, 32.0, -1.0]]
    assert extent["temporal"]["interval"] == [["2024-05-01T10:00:00Z", "2024-12-31T22:00:00Z"]]


def test_summaries_grow_with_the_items(catalog: Catalog) -> None:
    catalog.add(collection(), [item("a", **{"proj:code": "EPSG:32736", "gsd": 30})])
    catalog.add("hills", [item("b", **{"proj:code": "EPSG:32735", "gsd": 10})])
    assert catalog.collection("hills")["summaries"] == {
        "proj:code": ["EPSG:32735", "EPSG:32736"],
        "gsd": {"minimum": 10, "maximum": 30},
    }


def test_an_item_may_hold_for_a_while(catalog: Catalog) -> None:
    """R81: no one moment, but a first and a last."""
    span = {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2021-01-01T00:00:00Z"}
    catalog.add(collection(), [item("a", moment=None, **span)])
    assert catalog.item("hills", "a")["properties"] == {"datetime": None, **span}
    interval = catalog.collection("hills")["extent"]["temporal"]["interval"]
    assert interval == [["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]]


def test_a_search_comes_in_pages(catalog: Catalog) -> None:
    catalog.add(collection(), [item(f"i{n:02d}") for n in range(25)])
    query, found = {"collections": ["hills"], "limit": 10}, []
    page = catalog.search(query)
    while page["features"]:
        found += ids(page)
        following = [link["token"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = catalog.search({**query, "token": following[0]})
    assert len(found) == 25
    assert len(set(found)) == 25


def test_a_search_knows_places(catalog: Catalog) -> None:
    far = item("far", box=(10.0, 50.0, 11.0, 51.0))
    catalog.add(collection(), [item("near"), far])
    assert ids(catalog.search({"bbox": [29.5, -1.5, 29.6, -1.4]})) == ["near"]
    assert ids(catalog.search({"bbox": [0, 0, 1, 1]})) == []


def test_equal_searches_have_one_name(catalog: Catalog) -> None:
    """R83: whoever registers a search twice gets the hash that names it already."""
    query = {"collections": ["hills"], "bbox": [29.0, -2.0, 30.0, -1.0]}
    name = catalog.register(query)
    assert catalog.register(dict(reversed(query.items()))) == name
    assert catalog.register({"collections": ["rivers"]}) != name
    assert catalog.registered(name) == query
    assert catalog.registered("0" * 32) is None


def test_an_item_is_forgotten_once(catalog: Catalog) -> None:
    catalog.add(collection(), [item("a"), item("b")])
    assert catalog.remove("hills", "a") is True
    assert catalog.remove("hills", "a") is False
    assert catalog.remove("nowhere", "a") is False
    assert ids(catalog.search({"collections": ["hills"]})) == ["b"]


def test_only_an_empty_collection_is_forgotten(catalog: Catalog) -> None:
    """R84: what still holds an item stays."""
    catalog.add(collection(), [item("a")])
    assert catalog.remove_collection("hills") is False
    catalog.remove("hills", "a")
    assert catalog.remove_collection("hills") is True
    assert catalog.remove_collection("hills") is False
    assert catalog.collection("hills") is None


def test_a_collection_that_was_forgotten_can_be_made_again(catalog: Catalog) -> None:
    catalog.put_collection(collection())
    catalog.remove_collection("hills")
    assert catalog.add(collection(), [item("a")]) == 1


def test_collections_come_in_the_order_of_their_ids(catalog: Catalog) -> None:
    for name in ("rivers", "hills"):
        catalog.put_collection(collection(name))
    assert [known["id"] for known in catalog.collections()] == ["hills", "rivers"]


def test_what_is_not_there_is_none(catalog: Catalog) -> None:
    assert catalog.collection("hills") is None
    assert catalog.item("hills", "a") is None
    assert catalog.search({"collections": ["hills"]})["features"] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"datetime": "2024-01-01/.."}, ["a"]),
        ({"datetime": "../2020-01-01T00:00:00Z"}, []),
        ({"filter": {"op": "<", "args": [{"property": "gsd"}, 20]}}, ["a"]),
        ({"query": {"gsd": {"gt": 20}}}, []),
        ({"ids": ["a"], "collections": ["hills"]}, ["a"]),
        ({"ids": ["a"], "fields": {"include": ["id"]}}, ["a"]),
    ],
)
def test_pgstac_searches_by_whatever_items_say(
    pgstac: PgstacCatalog, query: dict, found: list[str]
) -> None:
    pgstac.add(collection(), [item("a", gsd=10)])
    assert ids(pgstac.search(query)) == found


@pytest.mark.parametrize(
    "query",
    [
        {"token": "next:nonsense"},
        {"datetime": "some day"},
        {"limit": "x"},
        {"filter": {"op": "nonsense", "args": [1, 2]}},
        {"intersects": {"type": "Nonsense"}},
    ],
)
def test_a_wrong_search_is_bad_input(pgstac: PgstacCatalog, query: dict) -> None:
    with pytest.raises(BadInput, match="the catalog refuses this"):
        pgstac.search(query)


def test_an_item_with_a_broken_outline_is_bad_input(pgstac: PgstacCatalog) -> None:
    broken = {**item("a"), "geometry": {"type": "Polygon", "coordinates": "nonsense"}}
    with pytest.raises(BadInput, match="the catalog refuses this"):
        pgstac.add(collection(), [broken])
    assert pgstac.collection("hills") is None


def test_a_catalog_that_is_not_there_is_service_unavailable() -> None:
    """Fault 18: without the server's words."""
    pool = catalog_pool("host=127.0.0.1 port=1 dbname=x user=x", size=1, name="test")
    pool.tries, pool.pool.timeout = 1, 0.3
    pool.open()
    try:
        with pytest.raises(ServiceUnavailable) as refused:
            PgstacCatalog(pool).search({})
    finally:
        pool.close()
    assert "127.0.0.1" not in str(refused.value)


def test_nothing_is_connected_before_the_catalog_is_asked(database: str) -> None:
    pool = catalog_pool(database, size=2, name="test").open()
    try:
        with psycopg.connect(database) as conn:
            mine = "select count(*) from pg_stat_activity where application_name = 'test-catalog' and datname = current_database()"
            assert conn.execute(mine).fetchone() == (0,)
    finally:
        pool.close()


@pytest.mark.alone
@pytest.mark.slow
def test_ten_thousand_items_are_added_and_found_soon(pgstac: PgstacCatalog) -> None:
    many = [item(f"i{n:05d}", box=(n % 300 - 150, 0, n % 300 - 149, 1)) for n in range(10_000)]
    began = time.perf_counter()
    assert pgstac.add(collection(), many) == 10_000
    assert time.perf_counter() - began < 10
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        assert len(ids(pgstac.search({"collections": ["hills"], "limit": 100}))) == 100
        taken.append(time.perf_counter() - began)
    assert statistics.median(taken) < 0.1, taken


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ILL", ["Hills", "hill_1"]),
        ("l_1", ["hill_1"]),
        ("%", ["100%"]),
        ("\\", ["a\\b"]),
        ("'", []),
    ],
)
def test_items_are_found_by_what_their_names_hold(
    catalog: Catalog, text: str, found: list[str]
) -> None:
    """In whatever case, and no character of it means something else."""
    catalog.add(
        collection(), [item(name) for name in ("Hills", "hill_1", "100%", "a\\b", "hillx1")]
    )
    query = {"filter-lang": "cql2-json", "filter": holds(text), "limit": 10}
    wanted = [*found, "hillx1"] if text == "ILL" else found
    assert sorted(ids(catalog.search(query))) == sorted(wanted)
