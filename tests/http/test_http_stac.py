"""The STAC API over a real pgSTAC: links that lead somewhere, assets that can be fetched, errors as everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from infrastructure.catalog import PgstacCatalog, catalog_pool
from infrastructure.stac_connections import StacConnections
from services.raster import sample
from tests.http.house import house_of, serving
from tests.support.services import fresh_database
from tests.support.stac import collection, item
from triggers.local.postgres import PostgresServer

COUNT = 25


@dataclass
class Stac:
    """The API, the catalog behind it, and the blobs beside it."""

    http: httpx.Client
    catalog: PgstacCatalog
    blobs: MemoryBlobs
    dsn: str

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/api/stac{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def stac(postgres_server: PostgresServer, postgres_admin: psycopg.Connection) -> Iterator[Stac]:
    with fresh_database(postgres_server, postgres_admin) as dsn, house_of(dsn) as house:
        pool = catalog_pool(dsn, size=2, name="test").open()
        house.catalog = PgstacCatalog(pool)
        app = house.app(stac=StacConnections(dsn, size=2))
        with serving(app) as url, httpx.Client(base_url=url, timeout=120) as http:
            house.catalog.add(collection(), [item(f"i{n:02d}", gsd=n) for n in range(COUNT)])
            yield Stac(http, house.catalog, house.blobs, dsn)
        pool.close()


def links(document: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in document["links"]}


def test_a_client_finds_its_way_from_the_root_to_an_item(stac: Stac) -> None:
    root = stac.get("")
    for rel in ("self", "root", "data", "conformance", "search", "service-desc", "service-doc"):
        answer = stac.http.get(links(root)[rel])
        assert answer.status_code in (200, 503), (rel, links(root)[rel])  # pages may not be set up
    collections = stac.http.get(links(root)["data"]).json()["collections"]
    known = next(each for each in collections if each["id"] == "hills")
    found = stac.http.get(links(known)["items"]).json()["features"][0]
    assert stac.http.get(links(found)["self"]).json() == found
    assert stac.http.get(links(found)["parent"]).json()["id"] == "hills"


def test_it_says_that_it_cannot_be_written(stac: Stac) -> None:
    """Writing goes through jobs."""
    assert not [name for name in stac.get("/conformance")["conformsTo"] if "transaction" in name]
    answer = stac.http.post("/api/stac/collections", json=collection("mine"))
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_a_search_pages_through_everything(stac: Stac) -> None:
    found, url = [], "/api/stac/search?collections=hills&limit=10"
    while url:
        page = stac.http.get(url).json()
        found += [each["id"] for each in page["features"]]
        url = links(page).get("next")
    assert sorted(found) == [f"i{n:02d}" for n in range(COUNT)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"bbox": "29.5,-1.5,29.6,-1.4"}, COUNT),
        ({"bbox": "0,0,1,1"}, 0),
        ({"datetime": "2024-01-01T00:00:00Z/.."}, COUNT),
        ({"ids": "i03,i04"}, 2),
        ({"filter": "gsd < 5", "filter-lang": "cql2-text"}, 5),
        ({"query": '{"gsd": {"gte": 20}}'}, 5),
    ],
)
def test_a_search_by(query: dict[str, str], count: int, stac: Stac) -> None:
    assert len(stac.get("/search", limit=100, **query)["features"]) == count


def test_a_search_by_body(stac: Stac) -> None:
    wanted = {
        "filter": {"op": "<", "args": [{"property": "gsd"}, 5]},
        "sortby": [{"field": "id", "direction": "asc"}],
    }
    answer = stac.http.post("/api/stac/search", json=wanted).json()
    assert [each["id"] for each in answer["features"]] == [f"i0{n}" for n in range(5)]


def test_items_are_whole(stac: Stac) -> None:
    """R162."""
    found = stac.get("/collections/hills/items/i03")
    for name in ("type", "stac_version", "id", "collection", "geometry", "bbox", "properties"):
        assert found[name] == item("i03", gsd=3)[name]


def test_an_asset_is_addressed_where_it_can_be_fetched(stac: Stac) -> None:
    odd = item("odd", collection="odd")
    odd["assets"] = {
        "blob": {"href": "silver/rasters/a b/ü#1.tif"},
        "web": {"href": "https://example.org/a.tif"},
        "s3": {"href": "s3://bucket/key"},
    }
    stac.catalog.add(collection("odd"), [odd])
    found = stac.get("/collections/odd/items/odd")["assets"]
    base = str(stac.http.base_url).rstrip("/")
    assert found["blob"] == {
        "href": f"{base}/api/storage/blob/silver/rasters/a%20b/%C3%BC%231.tif",
        "coremachine:blob": "silver/rasters/a b/ü#1.tif",
    }
    assert (found["web"], found["s3"]) == (odd["assets"]["web"], odd["assets"]["s3"])
    (seen,) = stac.get("/search", collections="odd")["features"]
    assert seen["assets"] == found


def test_what_holds_for_a_while_keeps_its_null(stac: Stac) -> None:
    """R81."""
    span = {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2021-01-01T00:00:00Z"}
    stac.catalog.add(collection("long"), [item("a", "long", moment=None, **span)])
    assert stac.get("/collections/long/items/a")["properties"] == {"datetime": None, **span}


def test_only_some_fields_can_be_asked_for(stac: Stac) -> None:
    (found,) = stac.get("/search", ids="i03", fields="id,properties.gsd")["features"]
    assert found["properties"] == {"gsd": 3}
    assert "assets" not in found
    answer = stac.http.get("/api/stac/search?ids=i03&fields=id")
    assert answer.headers["content-type"] == "application/geo+json"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/collections/nowhere", 404, "collection_not_found"),
        ("/collections/nowhere/items", 404, "collection_not_found"),
        ("/collections/nowhere/queryables", 404, "collection_not_found"),
        ("/collections/hills/items/none", 404, "item_not_found"),
        ("/search?limit=x", 422, "invalid_parameters"),
        ("/search?color=red", 422, "invalid_parameters"),
        ("/?color=red", 422, "invalid_parameters"),
        ("/search?bbox=1,2", 400, "bad_request"),
        ("/search?datetime=yesterday", 400, "bad_request"),
        ("/search?query=nonsense", 422, "bad_input"),
        ("/search?intersects=nonsense", 422, "bad_input"),
        ("/search?filter=((&filter-lang=cql2-text", 400, "bad_request"),
        ("/search?token=next:nonsense", 422, "bad_input"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_what_is_wrong_is_a_problem(path: str, status: int, code: str, stac: Stac) -> None:
    answer = stac.http.get(f"/api/stac{path}")
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 400),
        (b'{"limit": 3}', 200),
        (b'{"bbox": 5}', 422),
        (b'{"bbox": ["x", 1, 2, 3]}', 422),
        (b'{"datetime": 5}', 422),
        (b'{"intersects": "x"}', 422),
        (b'{"collections": 5}', 422),
        (b'{"limit": -1}', 422),
        (b'{"limit": "many"}', 422),
        (b'{"fields": 3}', 422),
        (b'{"sortby": "x"}', 422),
        (b'{"filter": 3}', 422),
        (b'{"filter": {"op": "nonsense", "args": []}}', 422),
        (b'{"token": "next:nonsense"}', 422),
        (b'{"query": {"gsd": {"nonsense": 1}}}', 422),
        (b'{"ids": ["\\u0000"]}', 422),
    ],
)
def test_whatever_the_body_of_a_search_is_it_has_an_answer(
    body: bytes, status: int, stac: Stac
) -> None:
    """R135: also without a content type."""
    answer = stac.http.post("/api/stac/search", content=body)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["code"]


def test_queryables_are_told(stac: Stac) -> None:
    assert "datetime" in stac.get("/queryables")["properties"]
    assert "datetime" in stac.get("/collections/hills/queryables")["properties"]


def test_nothing_is_connected_until_somebody_asks(database: str) -> None:
    with house_of(database) as house, psycopg.connect(database, autocommit=True) as looking:
        seen = "select count(*) from pg_stat_activity where application_name = 'coremachine-stac' and datname = current_database()"
        app = house.app(stac=StacConnections(database, size=2))
        with serving(app) as url:
            assert httpx.get(f"{url}/api/livez", timeout=60).status_code == 200
            assert looking.execute(seen).fetchone() == (0,)
            assert httpx.get(f"{url}/api/stac/search", timeout=60).status_code == 200
            assert looking.execute(seen).fetchone() == (1,)
        assert looking.execute(seen).fetchone() == (0,)


def test_a_database_that_is_not_there_is_service_unavailable(database: str) -> None:
    with house_of(database) as house:
        gone = StacConnections("host=127.0.0.1 port=1 dbname=x user=x", size=1)
        with serving(house.app(stac=gone)) as url:
            answer = httpx.get(f"{url}/api/stac/search", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "127.0.0.1" not in answer.text


def test_the_standard_collections_are_made_once(stac: Stac) -> None:
    before = stac.get("/setup")
    assert before["installed"]
    assert before["version"].startswith("0.10")
    assert before["missing"] == ["dev", "system-rasters", "system-vectors"]
    assert stac.http.post("/api/stac/init").json() == {"created": before["missing"]}
    assert stac.http.post("/api/stac/init").json() == {"created": []}
    after = stac.get("/setup")
    assert after["missing"] == []
    assert after["collections"] == before["collections"] + 3
    assert after["items"] == before["items"] >= COUNT


def test_a_raster_in_storage_becomes_an_item(stac: Stac) -> None:
    stac.blobs.write(BlobRef("bronze/uploads/a/kigali.tif"), sample.dem(64))
    wanted = {"container": "bronze-uploads", "blob_name": "a/kigali.tif", "collection_id": "found"}
    first = stac.http.post("/api/stac/extract", json=wanted).json()
    assert first["inserted"] is False
    assert stac.catalog.collection("found") is None
    again = stac.http.post("/api/stac/extract", json={**wanted, "insert": True}).json()
    assert again["item"]["id"] == first["item"]["id"]
    kept = stac.get(f"/collections/found/items/{first['item']['id']}")
    assert kept["assets"]["data"]["coremachine:blob"] == "bronze/uploads/a/kigali.tif"
    assert urlsplit(kept["assets"]["data"]["href"]).path.endswith("/bronze/uploads/a/kigali.tif")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"container": "somewhere"}, "bad_input"),
        ({"blob_name": "b.tif"}, "bad_input"),
        ({"collection_id": "a/b"}, "invalid_parameters"),
        ({"colour": 1}, "invalid_parameters"),
    ],
)
def test_a_wrong_extraction_is_refused(changed: dict[str, Any], code: str, stac: Stac) -> None:
    wanted = {"container": "bronze-uploads", "blob_name": "a.tif", "collection_id": "found"}
    answer = stac.http.post("/api/stac/extract", json={**wanted, **changed})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
