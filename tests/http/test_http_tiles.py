"""Rasters over HTTP: what a picture shows, how it is asked for, and what is never opened."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform
from rio_tiler.colormap import cmap

from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from services.raster.rendering import Rendering
from services.tiles import opener
from services.tiles.grids import MERCATOR
from tests.http.gallery import SIDE, TILE, Gallery, asset, pixels, ramp
from tests.http.house import serving
from tests.http.test_http_problems import check_envelope

ITEM = "/api/tiles/hills/a"
CENTER = "31.1133,-0.8789"
PICTURE = f"{ITEM}/tiles/WebMercatorQuad/{TILE.z}/{TILE.x}/{TILE.y}.png?tilesize={SIDE}"
LEFT = f"{ITEM}/tiles/WebMercatorQuad/{TILE.z}/{TILE.x - 1}/{TILE.y}.png"
SECRET = re.compile(r"sig=|vsicurl|se=20\d\d", re.IGNORECASE)


@pytest.fixture(scope="module")
def gallery(azurite: str) -> Gallery:
    return Gallery(AzureBlobs(azurite))


@pytest.fixture(scope="module")
def client(gallery: Gallery) -> Iterator[httpx.Client]:
    with serving(gallery.app()) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def picture(client: httpx.Client, address: str) -> np.ndarray:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


# what a picture shows


def test_a_tile_shows_the_cells_of_its_raster(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp(count=3)
    gallery.hang(cells, photometric="rgb")
    found = picture(client, PICTURE)
    assert (found[:3] == cells).all()
    assert (found[3] == 255).all()


def test_a_raster_is_coloured_as_its_item_says(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp("float32", step=4) + 0.5
    ref, _ = gallery.store(cells)
    rendering = Rendering(bidx=[1], rescale=[(0, 1000)], colormap_name="terrain")
    gallery.add("a", {"analysis": asset(ref)}, rendering)
    shades = (cells[0] / 1000 * 255).astype("uint8")
    wanted = np.array([cmap.get("terrain")[n] for n in range(256)])[shades]
    assert (picture(client, PICTURE).transpose(1, 2, 0) == wanted).all()


@pytest.mark.parametrize("zoom", [10, 12, 13])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "average"])
def test_a_raster_in_another_crs_lies_where_it_should(
    gallery: Gallery, client: httpx.Client, zoom: int, resampling: str
) -> None:
    """Each cell holds its easting, so that a tile tells where its pixels were taken from."""
    west, step = 250_000.0, 30.0
    eastings = np.arange(2048) * step + west + step / 2
    cells = np.tile(eastings, (1, 2048, 1))
    grid = Affine(step, 0, west, 0, -step, 9_940_000)
    gallery.hang(cells, crs="EPSG:32736", transform=grid)
    tile = MERCATOR.tile(31.05, -0.8, zoom)
    address = f"tiles/WebMercatorQuad/{zoom}/{tile.x}/{tile.y}.tif?resampling={resampling}"
    found = picture(client, f"{ITEM}/{address}&return_mask=false")[0]
    left, bottom, right, top = MERCATOR.xy_bounds(tile)
    pixel = (right - left) / 256
    columns, rows = left + pixel * (np.arange(256) + 0.5), np.full(256, (bottom + top) / 2)
    wanted, _ = transform("EPSG:3857", "EPSG:32736", columns, rows)
    covered = found[128] > 0
    assert covered.sum() > 100
    assert np.abs(found[128] - np.array(wanted))[covered].max() < max(pixel, step)


def test_classes_have_their_own_colours_and_the_rest_none(
    gallery: Gallery, client: httpx.Client
) -> None:
    cells = ramp() % 3
    ref, _ = gallery.store(cells)
    rendering = Rendering(bidx=[1], colormap={1: (9, 8, 7, 255), 2: (1, 2, 3, 255)})
    gallery.add("a", {"analysis": asset(ref)}, rendering)
    found = picture(client, PICTURE)
    assert (found[:3, cells[0] == 2] == np.array([[1], [2], [3]])).all()
    assert (found[3] == np.where(cells[0] == 0, 0, 255)).all()


def test_empty_cells_are_transparent(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp("float32")
    cells[0, :100] = -9999
    gallery.hang(cells, nodata=-9999)
    assert (picture(client, PICTURE)[3] == np.where(cells[0] == -9999, 0, 255)).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_kind_of_raster_is_shown_without_being_asked_how(
    gallery: Gallery, client: httpx.Client, dtype: str, count: int
) -> None:
    gallery.hang(ramp(dtype, count))
    assert np.unique(picture(client, PICTURE)[0]).size > 20


@pytest.mark.parametrize("value", [0, 7, -9999])
def test_a_raster_of_one_value_or_none_is_shown_too(
    gallery: Gallery, client: httpx.Client, value: int
) -> None:
    gallery.hang(np.full((1, SIDE, SIDE), value, "float32"), nodata=-9999)
    assert (picture(client, PICTURE)[3] == (0 if value == -9999 else 255)).all()


def test_an_item_that_says_nothing_is_shown_by_its_statistics(
    gallery: Gallery, client: httpx.Client
) -> None:
    ref, _ = gallery.store(ramp("uint16", step=10))
    band = {"data_type": "uint16", "statistics": {"minimum": 0, "maximum": 2500}}
    gallery.add("a", {"data": asset(ref, bands=[band])})
    assert picture(client, PICTURE)[0].max() == 255


def test_what_the_caller_says_wins(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp("uint16", 3)
    gallery.hang(cells, photometric="rgb")
    found = picture(client, f"{PICTURE}&bidx=2&rescale=0,255")
    assert (found[0] == cells[1]).all()
    found = picture(client, f'{PICTURE}&bidx=1&colormap={{"7": "%23010203"}}')
    assert (found[:3, cells[0] == 7] == np.array([[1], [2], [3]])).all()
    assert (found[-1] == np.where(cells[0] == 7, 255, 0)).all()


def test_the_tier_for_looking_is_shown_unless_another_is_asked_for(
    gallery: Gallery, client: httpx.Client
) -> None:
    coarse, fine = np.full((1, SIDE, SIDE), 10, "uint8"), np.full((1, SIDE, SIDE), 200, "uint8")
    assets = {
        "analysis": asset(gallery.store(fine)[0]),
        "visualization": asset(gallery.store(coarse)[0]),
        "thumbnail": {"href": "https://example.com/a.png", "type": "image/png"},
    }
    gallery.add("a", assets)
    assert picture(client, PICTURE)[0, 0, 0] == 10
    assert picture(client, f"{PICTURE}&asset=analysis")[0, 0, 0] == 200
    answer = client.get(f"{PICTURE}&asset=thumbnail")
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")
    assert "it has analysis, visualization" in answer.json()["detail"]


def test_a_preview_and_a_part_have_the_size_that_was_asked_for(
    gallery: Gallery, client: httpx.Client
) -> None:
    gallery.hang(ramp(count=3), photometric="rgb")
    assert picture(client, f"{ITEM}/preview.png?max_size=64").shape == (4, 64, 64)
    assert picture(client, f"{ITEM}/preview.webp?width=30&height=20").shape[1:] == (20, 30)
    assert picture(client, f"{ITEM}/bbox/31,-1,31.1,-0.9/40x50.png").shape == (4, 50, 40)
    shape = {
        "type": "Feature",
        "properties": {},
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[31, -1], [31.1, -1], [31, -0.9], [31, -1]]],
        },
    }
    answer = client.post(f"{ITEM}/feature.png?max_size=40", json=shape)
    covered = pixels(answer.content)[-1]
    assert covered[-1, 0] == 255
    assert covered[0, -1] == 0


# values


def test_a_point_has_the_stored_values_of_all_bands(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp("float32", 4)
    gallery.hang(cells)
    found = client.get(f"{ITEM}/point/{CENTER}").json()
    assert found["values"] == cells[:, SIDE // 2, SIDE // 2].tolist()


def test_an_empty_cell_has_no_value(gallery: Gallery, client: httpx.Client) -> None:
    gallery.hang(np.full((1, SIDE, SIDE), -9999, "float32"), nodata=-9999)
    assert client.get(f"{ITEM}/point/{CENTER}").json()["values"] == [None]


def test_statistics_are_of_the_cells(gallery: Gallery, client: httpx.Client) -> None:
    cells = ramp("float32")
    gallery.hang(cells)
    found = client.get(f"{ITEM}/statistics?p=50&histogram_bins=5").json()["b1"]
    assert (found["min"], found["max"]) == (cells.min(), cells.max())
    assert found["mean"] == pytest.approx(cells.mean())
    assert found["percentile_50"] == np.percentile(cells, 50)
    assert len(found["histogram"][0]) == 5


def test_statistics_of_a_shape_are_of_the_cells_inside_it(
    gallery: Gallery, client: httpx.Client
) -> None:
    cells = np.zeros((1, SIDE, SIDE), "float32")
    cells[:, :, SIDE // 2 :] = 100
    gallery.hang(cells)
    ring = [[31.15, -1], [31.2, -1], [31.2, -0.8], [31.15, -0.8], [31.15, -1]]
    shape = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    found = client.post(f"{ITEM}/statistics", json=shape).json()
    assert found["properties"]["statistics"]["b1"]["mean"] == 100


def test_what_a_raster_is_tells_nothing_of_where_it_is_kept(
    gallery: Gallery, client: httpx.Client
) -> None:
    ref = gallery.hang(ramp())
    answer = client.get(f"{ITEM}/info")
    assert answer.json()["dtype"] == "uint8"
    assert ref.name not in answer.text
    assert not SECRET.search(answer.text)


# addresses


def test_a_tilejson_leads_to_tiles(gallery: Gallery, client: httpx.Client) -> None:
    gallery.hang(ramp(count=3), name="a b", photometric="rgb")
    found = client.get("/api/tiles/hills/a b/WebMercatorQuad/tilejson.json?bidx=1").json()
    [template] = found["tiles"]
    assert template.startswith(f"{client.base_url}/api/tiles/hills/a%20b/tiles/")
    assert found["minzoom"] <= TILE.z <= found["maxzoom"]
    tile = {"z": TILE.z, "x": TILE.x, "y": TILE.y}
    assert client.get(template.format(**tile)).status_code == 200
    assert "bidx=1" in template


def test_a_wmts_document_leads_to_tiles(gallery: Gallery, client: httpx.Client) -> None:
    gallery.hang(ramp(count=3), photometric="rgb")
    query = "?SERVICE=WMTS&REQUEST=GetCapabilities&rescale=0,255&tile_format=webp"
    answer = client.get(f"{ITEM}/WMTSCapabilities.xml{query.lower()}")
    assert answer.headers["content-type"] == "application/xml"
    [template] = re.findall(r'template="([^"]+/WebMercatorQuad/[^"]+)"', answer.text)
    assert template.endswith(".webp?rescale=0%2C255")
    tile = {"TileMatrix": TILE.z, "TileCol": TILE.x, "TileRow": TILE.y}
    assert client.get(template.format(**tile)).headers["content-type"] == "image/webp"
    limits = rf"<TileMatrix>{TILE.z}</TileMatrix><MinTileRow>{TILE.y}</MinTileRow>"
    assert limits in answer.text


# what map clients need


def test_where_nothing_lies_a_tile_is_empty_and_the_rest_says_so(
    gallery: Gallery, client: httpx.Client
) -> None:
    gallery.hang(ramp())
    answer = client.get(LEFT)
    assert (answer.status_code, answer.content) == (204, b"")
    answer = client.get(f"{ITEM}/point/10,10")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "outside_bounds")


def test_a_client_that_has_a_tile_is_not_sent_it_again(
    gallery: Gallery, client: httpx.Client
) -> None:
    gallery.hang(ramp())
    first = client.get(PICTURE)
    assert first.headers["cache-control"] == "private, max-age=3600"
    had = {"If-None-Match": first.headers["etag"]}
    again = client.get(PICTURE, headers=had)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{PICTURE}&colormap_name=gray", headers=had).status_code == 200
    gallery.hang(ramp()[:, ::-1])
    assert client.get(PICTURE, headers=had).status_code == 200


# what is refused


@pytest.mark.parametrize(
    "href",
    [
        "https://example.com/a.tif",
        "http://169.254.169.254/latest/meta-data",
        "/vsicurl/http://127.0.0.1:1/a.tif",
        "/vsizip//vsicurl/http://127.0.0.1:1/a.zip",
        "file:///etc/passwd",
        "/etc/passwd",
        "silver/../../etc/passwd",
        "bronze/uploads/raw.tif",
        "",
        None,
    ],
)
def test_nothing_but_what_was_made_here_is_opened(
    gallery: Gallery, client: httpx.Client, href: str | None
) -> None:
    """R123: whatever an item says, no other address, no local file and no raw upload is read."""
    gallery.add("a", {"analysis": {"href": href, "type": "image/tiff"}})
    answer = client.get(PICTURE)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")


@pytest.mark.parametrize("name", ["url", "expression", "algorithm", "color_formula"])
def test_nobody_names_an_address_or_a_formula(
    gallery: Gallery, client: httpx.Client, name: str
) -> None:
    gallery.hang(ramp())
    answer = client.get(f"{PICTURE}&{name}=b1")
    assert [error["parameter"] for error in check_envelope(answer)["errors"]] == [name]


def test_a_blob_that_only_claims_to_be_a_geotiff_is_not_read(
    gallery: Gallery, client: httpx.Client
) -> None:
    ref = BlobRef(f"silver/{gallery.container}/a.tif")
    gallery.blobs.write(ref, b'<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    gallery.add("a", {"analysis": asset(ref)})
    answer = client.get(PICTURE)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "cannot_show")
    gallery.blobs.write(BlobRef(f"{ref}f"), b"II*\0" + b"\xff" * 60)
    gallery.add("a", {"analysis": asset(f"{ref}f")})
    assert client.get(PICTURE).status_code in (422, 503)


def test_a_blob_that_is_gone_is_told_without_its_address(
    gallery: Gallery, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    gallery.blobs.delete(gallery.hang(ramp()))
    with caplog.at_level(logging.DEBUG):
        answer = client.get(PICTURE)
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "blob_not_found")
    assert not SECRET.search(answer.text)
    assert not SECRET.search(caplog.text)


def test_storage_that_is_down_is_a_503(gallery: Gallery, azurite: str) -> None:
    gallery.hang(ramp())
    port = re.search(r"BlobEndpoint=http://127\.0\.0\.1:(\d+)", azurite)
    assert port
    away = AzureBlobs(azurite.replace(f":{port[1]}/", ":9/"), retries=0)
    with (
        serving(gallery.app(rasters=opener.Linked(away))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        answer = client.get(PICTURE)
    assert (answer.status_code, check_envelope(answer)["code"]) == (503, "service_unavailable")


def test_signed_links_are_never_logged(
    gallery: Gallery, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    gallery.hang(ramp())
    with caplog.at_level(logging.DEBUG):
        assert client.get(PICTURE).status_code == 200
    assert not SECRET.search(caplog.text)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("tiles/WebMercatorQuad/10/600/514?tilesize=5000", "tilesize"),
        ("tiles/WebMercatorQuad/10/600/514?tilesize=0", "tilesize"),
        ("tiles/WebMercatorQuad/99/0/0", "z"),
        ("tiles/WebMercatorQuad/-1/0/0", "z"),
        ("tiles/WebMercatorQuad/3/99999999999/0", "x"),
        ("tiles/Nowhere/3/0/0", "tileMatrixSetId"),
        ("tiles/WebMercatorQuad/10/600/514.exe", "format"),
        ("tiles/WebMercatorQuad/10/600/514?buffer=1000", "buffer"),
        ("tiles/WebMercatorQuad/10/600/514?buffer=0.3", "buffer"),
        ("tiles/WebMercatorQuad/10/600/514?padding=1000", "padding"),
        ("tiles/WebMercatorQuad/10/600/514?rescale=low,high", "rescale.0"),
        ("tiles/WebMercatorQuad/10/600/514?rescale=5,5", "rescale"),
        ("tiles/WebMercatorQuad/10/600/514?rescale=nan,5", "rescale.0"),
        ("tiles/WebMercatorQuad/10/600/514?rescale=9e999,9e999", "rescale"),
        ("tiles/WebMercatorQuad/10/600/514?resampling=guess", "resampling"),
        ("tiles/WebMercatorQuad/10/600/514?bidx=0", "bidx.0"),
        ("tiles/WebMercatorQuad/10/600/514?" + "&bidx=1" * 17, "bidx"),
        ("preview?max_size=100000", "max_size"),
        ("preview?width=100000&height=100000", "width"),
        ("preview?width=10", "width"),
        ("preview?dst_crs=%2Binit%3D/etc/passwd:x", "dst_crs"),
        ("preview?dst_crs=EPSG:1", "dst_crs"),
        ("bbox/0,0,nan,1.png", "maxx"),
        ("bbox/1,1,0,0.png", "minx"),
        ("bbox/30,-1,31,0/99999x99999.png", "width"),
        ("point/inf,0", "lon"),
        ("statistics?histogram_bins=999999999", "histogram_bins"),
        ("statistics?p=101", "p.0"),
    ],
)
def test_what_is_absurd_is_named(
    gallery: Gallery, client: httpx.Client, address: str, name: str
) -> None:
    gallery.hang(ramp())
    answer = client.get(f"{ITEM}/{address}")
    assert answer.status_code == 422, answer.text
    assert name in [error["parameter"] for error in check_envelope(answer)["errors"]]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("bidx=9", "no band 9"),
        ("colormap_name=rainbow_road", "no colour map"),
        ("colormap=nonsense", "JSON"),
        ('colormap={"1": [999, 0, 0]}', "JSON"),
        ("bidx=1", "pass rescale"),
        ("colormap_name=viridis", "1 band"),
        ("dst_crs=EPSG:999999", ""),
    ],
)
def test_what_cannot_be_shown_is_told_with_what_to_do(
    gallery: Gallery, client: httpx.Client, query: str, says: str
) -> None:
    gallery.hang(ramp("uint16", 3), photometric="rgb")
    answer = client.get(f"{ITEM}/preview.png?{query}")
    assert answer.status_code == 422, answer.text
    assert says in check_envelope(answer)["detail"]


@pytest.mark.parametrize(
    "address",
    ["bbox/-180,-90,180,90.png", "point/180,90", "point/-500,100", "bbox/1e300,1,1e301,2.png"],
)
def test_places_at_the_end_of_the_world_are_no_accident(
    gallery: Gallery, client: httpx.Client, address: str
) -> None:
    gallery.hang(ramp())
    answer = client.get(f"{ITEM}/{address}")
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("endpoint", ["feature.png", "statistics"])
@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [31, -0.9]},
        {"type": "LineString", "coordinates": [[31, -0.9], [31.1, -0.9]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[1e300, 0], [1e301, 0], [1e301, 1e300], [1e300, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[31, -1], [31, -1], [31, -1], [31, -1]]]},
        {"type": "GeometryCollection", "geometries": []},
        None,
    ],
)
def test_odd_shapes_are_no_accident(
    gallery: Gallery, client: httpx.Client, endpoint: str, geometry: Any
) -> None:
    gallery.hang(ramp())
    shape = {"type": "Feature", "properties": {}, "geometry": geometry}
    answer = client.post(f"{ITEM}/{endpoint}", json=shape)
    assert answer.status_code < 500, answer.text


def test_many_shapes_are_too_many(gallery: Gallery, client: httpx.Client) -> None:
    gallery.hang(ramp())
    shape = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [[[31, -1], [31.1, -1], [31, 0], [31, -1]]]},
    }
    few = {"type": "FeatureCollection", "features": [shape] * 2}
    assert len(client.post(f"{ITEM}/statistics", json=few).json()["features"]) == 2
    answer = client.post(f"{ITEM}/statistics", json={**few, "features": [shape] * 21})
    assert [error["parameter"] for error in check_envelope(answer)["errors"]] == ["features"]


def test_an_item_that_is_not_there_is_not_found(gallery: Gallery, client: httpx.Client) -> None:
    answer = client.get("/api/tiles/hills/missing/info")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "item_not_found")


def test_tiles_can_be_left_out(gallery: Gallery) -> None:
    document: dict[str, Any] = gallery.app(tiles=False).openapi()
    assert not [path for path in document["paths"] if "tiles" in path or "mosaics" in path]
