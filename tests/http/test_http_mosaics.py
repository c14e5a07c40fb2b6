"""Many rasters shown as one: a giant raster in many files, a collection, a search."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from morecantile import Tile

from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from services.raster.rendering import Rendering
from services.tiles import tile_sets
from services.tiles.tile_sets import Indexes
from tests.http.gallery import SIDE, TILE, Gallery, asset, pixels
from tests.http.house import serving
from tests.http.test_http_problems import check_envelope

PARENT = Tile(x=TILE.x // 2, y=TILE.y // 2, z=TILE.z - 1)
QUARTERS = [Tile(x=TILE.x + dx, y=TILE.y + dy, z=TILE.z) for dy in (0, 1) for dx in (0, 1)]
"""TILE is the upper left quarter of its parent."""
MOST = 3
PLAIN = Rendering(bidx=[1])
COLLECTION = "/api/mosaics/hills"
CENTER = "31.1133,-0.8789"


@pytest.fixture
def gallery(azurite: str) -> Gallery:
    return Gallery(AzureBlobs(azurite))


@pytest.fixture
def client(gallery: Gallery) -> Iterator[httpx.Client]:
    with (
        serving(gallery.app(tile_rasters=MOST)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def flat(value: int) -> np.ndarray:
    return np.full((1, SIDE, SIDE), value, "uint8")


def tile_of(base: str, tile: Tile) -> str:
    return f"{base}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png"


def picture(client: httpx.Client, address: str) -> np.ndarray:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


def giant(gallery: Gallery, tiles: list[Tile], overview: int | None = None) -> dict[str, Any]:
    """An item of many files: each holds its number, from 10 on."""
    refs = {gallery.store(flat(10 * n), tile)[0]: tile for n, tile in enumerate(tiles, 1)}
    assets = {"tiles": gallery.index(refs)}
    if overview is not None:
        assets["overview"] = asset(gallery.store(flat(overview), PARENT)[0])
    gallery.add("a", assets, PLAIN, PARENT)
    return assets


# a giant raster in many files


def test_files_that_meet_in_a_tile_are_shown_as_one(gallery: Gallery, client: httpx.Client) -> None:
    giant(gallery, QUARTERS[:MOST])
    found = picture(client, tile_of("/api/tiles/hills/a", PARENT))
    corners = found[0, [5, 5, 250], [5, 250, 5]].tolist()
    assert corners == [10, 20, 30]
    assert found[-1, 250, 250] == 0


def test_a_point_and_a_part_are_of_the_file_that_covers_them(
    gallery: Gallery, client: httpx.Client
) -> None:
    giant(gallery, QUARTERS)
    assert client.get(f"/api/tiles/hills/a/point/{CENTER}").json()["values"] == [10]
    found = picture(client, "/api/tiles/hills/a/bbox/31,-1,31.1,-0.9.png")
    assert np.unique(found[0]).tolist() == [10]


def test_from_afar_the_overview_is_shown(gallery: Gallery, client: httpx.Client) -> None:
    giant(gallery, QUARTERS, overview=77)
    assert picture(client, tile_of("/api/tiles/hills/a", PARENT))[0, 9, 9] == 77
    assert picture(client, tile_of("/api/tiles/hills/a", TILE))[0, 9, 9] == 10
    assert picture(client, "/api/tiles/hills/a/preview.png?max_size=50")[0, 9, 9] == 77
    assert client.get("/api/tiles/hills/a/statistics").json()["b1"]["mean"] == 77


def test_without_an_overview_too_many_files_are_refused_with_what_to_do(
    gallery: Gallery, client: httpx.Client
) -> None:
    giant(gallery, QUARTERS)
    answer = client.get(tile_of("/api/tiles/hills/a", PARENT))
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "too_many_rasters")
    assert "Zoom in" in answer.json()["detail"]


def test_a_giant_raster_says_where_it_lies_and_how_near_one_can_come(
    gallery: Gallery, client: httpx.Client
) -> None:
    giant(gallery, QUARTERS, overview=77)
    found = client.get("/api/tiles/hills/a/WebMercatorQuad/tilejson.json").json()
    assert found["minzoom"] <= PARENT.z < TILE.z <= found["maxzoom"]
    assert client.get("/api/tiles/hills/a/info").json()["bounds"] == found["bounds"]
    answer = client.get("/api/tiles/hills/a/WMTSCapabilities.xml")
    assert answer.status_code == 200


def test_an_index_leads_nowhere_else(gallery: Gallery, client: httpx.Client) -> None:
    assets = giant(gallery, QUARTERS)
    bad = b'{"features": [{"bbox": [30, -2, 32, 0], "properties": {"href": "http://127.0.0.1/a.tif"}}]}'
    gallery.blobs.write(BlobRef(assets["tiles"]["href"]), bad)
    answer = client.get(tile_of("/api/tiles/hills/a", TILE))
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"features": []}',
        b'{"features": [{"bbox": [1]}]}',
        b"\xff",
        b'{"features": 5}',
    ],
)
def test_what_is_no_index_is_told(gallery: Gallery, client: httpx.Client, data: bytes) -> None:
    assets = giant(gallery, QUARTERS)
    gallery.blobs.write(BlobRef(assets["tiles"]["href"]), data)
    answer = client.get("/api/tiles/hills/a/info")
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")


def test_an_index_is_read_once_until_it_changes(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_sets, "LOOKED_AFTER", 0.0)
    ref = BlobRef(giant(gallery, QUARTERS)["tiles"]["href"])
    indexes = Indexes(gallery.blobs)
    first = indexes.get(ref)
    assert indexes.get(ref) is first
    gallery.blobs.write(ref, gallery.blobs.read(ref) + b" ")
    assert indexes.get(ref) is not first


# a collection


def test_the_newest_item_of_a_collection_lies_on_top(
    gallery: Gallery, client: httpx.Client
) -> None:
    gallery.add("old", {"data": asset(gallery.store(flat(10))[0])}, PLAIN, taken="2023-05-01")
    gallery.add("new", {"data": asset(gallery.store(flat(20))[0])}, PLAIN, taken="2024-05-01")
    assert picture(client, tile_of(COLLECTION, TILE))[0, 9, 9] == 20
    assert picture(client, f"{tile_of(COLLECTION, TILE)}?datetime=2023-05-01")[0, 9, 9] == 10
    assert picture(client, f"{tile_of(COLLECTION, TILE)}?ids=old")[0, 9, 9] == 10
    assert client.get(f"{COLLECTION}/point/{CENTER}").json()["values"] == [20]


def test_holes_of_the_newest_are_filled_by_the_older(
    gallery: Gallery, client: httpx.Client
) -> None:
    holed = flat(20)
    holed[:, :, 256:] = 0
    gallery.add("old", {"data": asset(gallery.store(flat(10))[0])}, PLAIN, taken="2023-05-01")
    newest = asset(gallery.store(holed, nodata=0)[0])
    gallery.add("new", {"data": newest}, PLAIN, taken="2024-05-01")
    found = picture(client, tile_of(COLLECTION, TILE))
    assert (found[0, 9, 9], found[0, 9, 250]) == (20, 10)
    assert client.get(f"{COLLECTION}/point/31.25,-0.8789").json()["values"] == [10]


def test_a_giant_raster_is_part_of_its_collection(gallery: Gallery, client: httpx.Client) -> None:
    giant(gallery, QUARTERS)
    assert picture(client, tile_of(COLLECTION, QUARTERS[3]))[0, 9, 9] == 40
    found = client.get(f"{COLLECTION}/WebMercatorQuad/tilejson.json")
    assert found.status_code == 200


def test_long_series_of_one_place_are_no_trouble(gallery: Gallery, client: httpx.Client) -> None:
    """The top one hides the rest, so that how many there are does not count."""
    shown = asset(gallery.store(flat(20))[0])
    for month in range(1, 10):
        gallery.add(f"m{month}", {"data": shown}, PLAIN, taken=f"2024-0{month}-01")
    assert picture(client, tile_of(COLLECTION, TILE))[0, 9, 9] == 20


def test_a_mosaic_from_afar_is_refused_before_it_is_expensive(
    gallery: Gallery, client: httpx.Client
) -> None:
    shown = {tile: asset(gallery.store(flat(20), tile)[0]) for tile in QUARTERS}
    for n, (tile, one) in enumerate(shown.items()):
        gallery.add(f"q{n}", {"data": one}, PLAIN, tile)
    answer = client.get(tile_of(COLLECTION, PARENT))
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "too_many_rasters")
    found = client.get(f"{COLLECTION}/WebMercatorQuad/tilejson.json").json()
    assert 0 < found["minzoom"] < TILE.z
    assert picture(client, tile_of(COLLECTION, TILE))[0, 9, 9] == 20


def test_a_mosaic_is_looked_at_again_soon(gallery: Gallery, client: httpx.Client) -> None:
    gallery.add("a", {"data": asset(gallery.store(flat(20))[0])}, PLAIN)
    answer = client.get(tile_of(COLLECTION, TILE))
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert "etag" not in answer.headers


def test_a_collection_that_is_empty_or_not_there_is_told(
    gallery: Gallery, client: httpx.Client
) -> None:
    answer = client.get("/api/mosaics/nowhere/info")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "collection_not_found")
    gallery.catalog.put_collection({"id": "empty"})
    answer = client.get("/api/mosaics/empty/info")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "outside_bounds")
    assert client.get(tile_of("/api/mosaics/empty", TILE)).status_code == 204


def test_rasters_that_do_not_fit_together_are_told(gallery: Gallery, client: httpx.Client) -> None:
    two = np.concatenate([flat(1), flat(2)])
    gallery.add("a", {"data": asset(gallery.store(two, QUARTERS[1])[0])}, Rendering(), QUARTERS[1])
    gallery.add("b", {"data": asset(gallery.store(flat(3))[0])}, Rendering(), TILE)
    answer = client.get(tile_of(COLLECTION, PARENT))
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")
    assert client.get(f"{tile_of(COLLECTION, PARENT)}?bidx=1").status_code == 200


# a search


def test_equal_searches_have_one_name_that_the_catalog_gives(
    gallery: Gallery, client: httpx.Client
) -> None:
    """R83."""
    gallery.add("a", {"data": asset(gallery.store(flat(20))[0])}, PLAIN)
    search = {"collections": ["hills"], "bbox": [30, -2, 32, 0]}
    first = client.post("/api/mosaics/searches", json=search)
    assert first.status_code == 201
    again = client.post("/api/mosaics/searches", json=dict(reversed(search.items())))
    assert again.json() == first.json()
    links = first.json()["links"]
    tile = links["tile"].format(z=TILE.z, x=TILE.x, y=TILE.y)
    assert picture(client, f"{tile}.png")[0, 9, 9] == 20
    [template] = client.get(links["tilejson"]).json()["tiles"]
    assert template.startswith(
        f"{client.base_url}/api/mosaics/searches/{first.json()['id']}/tiles/"
    )


def test_a_search_shows_nothing_outside_its_box(gallery: Gallery, client: httpx.Client) -> None:
    gallery.add("a", {"data": asset(gallery.store(flat(20))[0])}, PLAIN)
    for where in (
        {"bbox": [30, -2, 31.1, 0]},
        {
            "intersects": {
                "type": "Polygon",
                "coordinates": [[[30, -2], [31.1, -2], [31.1, 0], [30, 0], [30, -2]]],
            }
        },
    ):
        search = {"collections": ["hills"], **where}
        name = client.post("/api/mosaics/searches", json=search).json()["id"]
        base = f"/api/mosaics/searches/{name}"
        assert client.get(tile_of(base, TILE)).status_code == 200
        assert client.get(tile_of(base, QUARTERS[1])).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"collections": []},
        {"collections": ["hills"], "url": "http://example.com"},
        {"collections": ["hills"], "bbox": [1, 2, 3]},
        {"collections": ["hills"], "ids": ["x"] * 1000},
    ],
)
def test_a_search_that_is_none_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/api/mosaics/searches", json=body)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "invalid_parameters")


@pytest.mark.parametrize(
    "query", ["bbox=1,2,3", "bbox=1.2.3,4,5,6", "bbox=a,b,c,d", "datetime=soon", "datetime=';--"]
)
def test_a_filter_that_is_none_is_named(client: httpx.Client, query: str) -> None:
    answer = client.get(f"{COLLECTION}/info?{query}")
    name = query.partition("=")[0]
    assert [error["parameter"] for error in check_envelope(answer)["errors"]] == [name]


@pytest.mark.parametrize("shape", [{"type": "Nonsense"}, {}, {"type": "Polygon"}])
def test_a_search_in_no_shape_is_refused(client: httpx.Client, shape: dict[str, Any]) -> None:
    search = {"collections": ["hills"], "intersects": {"a": 1, **shape}}
    answer = client.post("/api/mosaics/searches", json=search)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "bad_input")


def test_a_search_that_nobody_registered_is_not_found(client: httpx.Client) -> None:
    answer = client.get(f"/api/mosaics/searches/{'ab' * 16}/info")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "search_not_found")
    answer = client.post("/api/mosaics/searches", json={"collections": ["nowhere"]})
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "collection_not_found")
