"""What lies in storage, over HTTP: lists, facts, downloads and links."""

from urllib.parse import quote

import httpx
import pytest

from core.blobs import BlobRef, Zone
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.azure import AzureBlobs
from services.storage.uploads import Rules
from tests.http.storage_house import storage_client
from tests.http.test_http_problems import check_envelope
from tests.store.test_blobs import ODD_NAMES

LONGEST = ["y" * 1024, "日本/" * 100 + "x.tif"]


def address(ref: str) -> str:
    return f"/api/storage/blob/{quote(ref, safe='/')}"


def test_zones_tell_which_take_uploads(storage: httpx.Client) -> None:
    zones = storage.get("/api/storage/zones").json()["zones"]
    assert {z["zone"]: z["uploads"] for z in zones} == {
        "bronze": True,
        "silver": False,
        "gold": False,
        "external": False,
    }


def test_containers_are_listed_by_zone(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    stored.write(BlobRef.of(Zone.GOLD, container, "x"), b"")
    gold = storage.get("/api/storage/containers", params={"zone": "gold"}).json()
    line = {"zone": "gold", "container": container, "name": f"gold-{container}"}
    assert line in gold["containers"]
    assert gold["count"] == len(gold["containers"])
    assert line in storage.get("/api/storage/containers").json()["containers"]
    silver = storage.get("/api/storage/containers", params={"zone": "silver"}).json()
    assert line not in silver["containers"]


def test_a_container_is_listed_page_by_page(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """R77: each blob once, by links that keep the filters; both forms of the address."""
    for n in range(25):
        ending = "tif" if n % 2 else "json"
        stored.write(BlobRef.of(Zone.BRONZE, container, f"a b/{n:02}.{ending}"), b"abc")
    for form in (f"bronze/{container}", f"bronze-{container}"):
        link: str | None = f"/api/storage/{form}/blobs?prefix=a%20b/&suffix=.tif&limit=5"
        names: list[str] = []
        while link:
            page = storage.get(link).json()
            assert len(page["blobs"]) == page["count"] <= 5
            names += [blob["name"] for blob in page["blobs"]]
            link = page["links"]["next"]
        assert names == [f"a b/{n:02}.tif" for n in range(1, 25, 2)]


def test_names_alone_are_listed_on_demand(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    stored.write(BlobRef.of(Zone.BRONZE, container, "x.tif"), b"abc")
    address = f"/api/storage/bronze/{container}/blobs"
    [whole] = storage.get(address).json()["blobs"]
    [name] = storage.get(address, params={"metadata": "false"}).json()["blobs"]
    assert whole["size"] == 3
    assert name == {"ref": f"bronze/{container}/x.tif", "name": "x.tif"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/storage/bronze/nowhere/blobs", 404, "blob_not_found"),
        ("/api/storage/nowhere/blobs", 422, "bad_input"),
        ("/api/storage/bronze-UPPER/blobs", 422, "bad_input"),
        ("/api/storage/copper/x/blobs", 422, "invalid_parameters"),
        ("/api/storage/bronze-abc/blobs?limit=0", 422, "invalid_parameters"),
        ("/api/storage/bronze-abc/blobs?prefix=%1b", 422, "invalid_parameters"),
        ("/api/storage/bronze-abc/blobs?sufix=.tif", 422, "invalid_parameters"),
        ("/api/storage/bronze-abc/blob", 422, "invalid_parameters"),
        ("/api/storage/bronze-abc/blob?path=x", 404, "blob_not_found"),
        ("/api/storage/blob/bronze/abc/x", 404, "blob_not_found"),
        ("/api/storage/blob/bronze/abc/", 422, "bad_input"),
        ("/api/storage/blob/bronze/abc/a/%2e%2e/b", 422, "bad_input"),
        ("/api/storage/blob/bronze/abc/%00", 422, "bad_input"),
        ("/api/storage/bronze-abc/blob?path=%1b", 422, "bad_input"),
        ("/api/storage/containers?zone=copper", 422, "invalid_parameters"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    storage: httpx.Client, path: str, status: int, code: str
) -> None:
    answer = storage.get(path)
    assert (answer.status_code, check_envelope(answer)["code"]) == (status, code)


def test_a_download_is_a_redirect_to_a_link_that_serves_ranges(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    ref = BlobRef.of(Zone.SILVER, container, "dem.tif")
    stored.write(ref, b"elevation", content_type="image/tiff")

    answer = storage.get(address(ref))
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "private, max-age=60"
    whole = httpx.get(answer.headers["location"], timeout=60)
    assert (whole.content, whole.headers["content-type"]) == (b"elevation", "image/tiff")
    part = storage.get(address(ref), headers={"Range": "bytes=0-3"}, follow_redirects=True)
    assert (part.status_code, part.content) == (206, b"elev")
    head = storage.head(address(ref), follow_redirects=True)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "9", b"")


def test_a_link_is_told_on_demand(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    ref = BlobRef.of(Zone.SILVER, container, "dem.tif")
    stored.write(ref, b"elevation")
    answer = storage.get(address(ref), params={"redirect": "false"})
    assert answer.headers["cache-control"] == "no-store"
    link = answer.json()
    assert (link["ref"], link["method"]) == (ref, "GET")
    assert httpx.get(link["url"], timeout=60).content == b"elevation"
    asked = storage.post("/api/storage/links", json={"ref": ref, "access": "read"})
    assert httpx.get(asked.json()["url"], timeout=60).content == b"elevation"


@pytest.mark.parametrize(
    ("kind", "disposition"),
    [
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("application/octet-stream", "attachment"),
        ("image/png", None),
        ("application/json", None),
    ],
)
def test_what_could_run_in_a_browser_is_saved_instead(
    storage: httpx.Client,
    stored: AzureBlobs,
    container: str,
    kind: str,
    disposition: str | None,
) -> None:
    """R124: and it comes from storage's origin, never from ours."""
    ref = BlobRef.of(Zone.BRONZE, container, "page")
    stored.write(ref, b"<script>alert(1)</script>", content_type=kind)
    answer = storage.get(address(ref), follow_redirects=True)
    assert answer.url.host != storage.base_url.host or answer.url.port != storage.base_url.port
    assert answer.headers.get("content-disposition") == disposition


def test_odd_names_come_back_through_every_route(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """R78: spaces, unicode, # ? %, a trailing slash, a folder marker, 1,024 characters."""
    names = [*ODD_NAMES, *LONGEST]
    for name in names:
        form = {"container": f"bronze-{container}", "path": name}
        sent = storage.post("/api/storage/upload", data=form, files={"file": name.encode()})
        assert (sent.status_code, sent.json()["ref"]) == (201, f"bronze/{container}/{name}")

    listed = storage.get(f"/api/storage/bronze-{container}/blobs").json()["blobs"]
    assert sorted(blob["name"] for blob in listed) == sorted(names)
    for name in names:
        got = storage.get(address(f"bronze/{container}/{name}"), follow_redirects=True)
        assert got.content == name.encode()
        facts = storage.get(f"/api/storage/bronze/{container}/blob", params={"path": name}).json()
        assert facts["ref"] == f"bronze/{container}/{name}"
        page = storage.get(f"/api/storage/bronze/{container}/blobs", params={"prefix": name})
        assert [blob["name"] for blob in page.json()["blobs"]] == [name]


def test_a_link_to_write_sends_a_new_blob_straight_to_storage(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    ref = f"bronze/{container}/big #1.tif"
    link = storage.post("/api/storage/links", json={"ref": ref}).json()
    put = httpx.put(link["url"], content=b"new", headers=link["headers"], timeout=60)
    assert put.status_code == 201
    again = httpx.put(link["url"], content=b"newer", headers=link["headers"], timeout=60)
    assert again.status_code in {403, 409}

    refused = storage.post("/api/storage/links", json={"ref": ref})
    assert (refused.status_code, check_envelope(refused)["code"]) == (409, "blob_exists")
    link = storage.post("/api/storage/links", json={"ref": ref, "overwrite": True}).json()
    assert (
        httpx.put(link["url"], content=b"newest", headers=link["headers"], timeout=60).status_code
        == 201
    )
    assert stored.read(BlobRef(ref)) == b"newest"


@pytest.mark.parametrize("ref", ["silver/abc/x", "bronze/abc/_staged/upload-1/x"])
def test_a_link_to_write_is_given_only_where_uploads_go(storage: httpx.Client, ref: str) -> None:
    answer = storage.post("/api/storage/links", json={"ref": ref})
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "bad_input")


def test_settings_name_further_containers_that_take_uploads() -> None:
    rules = Rules(into=("bronze", "silver-masks"))
    with storage_client(MemoryBlobs(), uploads=rules) as client:
        for ref, status in (("silver/masks/x", 201), ("silver/other/x", 422)):
            assert client.post("/api/storage/links", json={"ref": ref}).status_code == status


def test_a_search_for_a_rare_ending_goes_on_where_it_stopped() -> None:
    blobs = MemoryBlobs()
    for n in range(100):
        blobs.write(BlobRef.of(Zone.BRONZE, "many", f"{n:03}.{'tif' if n == 99 else 'xml'}"), b"")
    with storage_client(blobs) as client:
        page = client.get("/api/storage/bronze-many/blobs?suffix=.tif&limit=2").json()
        assert page["blobs"] == []
        while page["links"]["next"]:
            page = client.get(page["links"]["next"]).json()
        assert [blob["name"] for blob in page["blobs"]] == ["099.tif"]
