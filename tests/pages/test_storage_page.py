"""What the storage pages show of real and of hostile blobs."""

import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from tests.http.house import House
from tests.pages.test_pages import HOSTILE, Parts, only_ours
from tests.support import parquet

ENDINGS = ["", ".txt", ".csv", ".json", ".tif"]


def links(page: str) -> list[str]:
    return [given.get("href") or "" for tag, given in Parts(page).elements if tag == "a"]


def test_zones_and_containers_lead_into_folders_and_to_blobs(
    blobs: MemoryBlobs, client: httpx.Client
) -> None:
    blobs.write(BlobRef("silver/walked/2026/11/dem.bin"), b"\0\1")
    address = next(
        link for link in links(client.get("/storage").text) if link.endswith("silver-walked")
    )
    for step in ("2026/", "2026/11/"):
        found = [link for link in links(client.get(address).text) if link.endswith(quote(step))]
        address = found[-1]
    page = client.get(address).text
    (address,) = [link for link in links(page) if link.startswith("/storage/blob")]
    page = client.get(address).text
    assert "2 B" in Parts(page).text
    assert "/api/storage/blob/silver/walked/2026/11/dem.bin" in links(page)


def test_ten_thousand_blobs_come_page_by_page(blobs: MemoryBlobs, client: httpx.Client) -> None:
    for n in range(10_050):
        blobs.write(BlobRef(f"silver/many/{n:05}"), b"1")
    address: str | None = "/storage?container=silver-many"
    seen: list[str] = []
    while address is not None and len(seen) < 350:
        page = client.get(address).text
        shown = re.findall(r'/storage/blob\?ref=silver/many/(\d+)"', page)
        assert len(shown) == 100
        seen += shown
        address = re.search(r'href="([^"]+)" rel="next"', page)[1].replace("&amp;", "&")
    assert seen == [f"{n:05}" for n in range(400)]
    few = client.get("/storage?container=silver-many&prefix=1004").text
    assert len(re.findall(r"/storage/blob\?ref", few)) == 10


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_contents_show_as_text(
    blobs: MemoryBlobs, client: httpx.Client, text: str
) -> None:
    """R124: in names of blobs, of folders, and in what the blobs hold."""
    name = text.replace("/", "|")[:1000]
    refs = [BlobRef(f"silver/hostile/{name}{end}") for end in ENDINGS]
    refs.append(BlobRef(f"silver/hostile/{name[:900]}/inside.csv"))
    for ref in refs:
        blobs.write(ref, f"{text},{text}\n{text}".encode(), content_type="text/html")
    addresses = ["/storage?container=silver-hostile"]
    addresses += [f"/storage?container=silver-hostile&prefix={quote(name, safe='')}"]
    addresses += [f"/storage/blob?ref={quote(ref, safe='')}" for ref in refs]
    for address in addresses:
        page = client.get(address)
        assert page.status_code == 200, address
        parts = Parts(page.text)
        assert name[:900] in parts.text
        pictures = [given["src"] for tag, given in parts.elements if tag == "img"]
        assert only_ours(re.sub(r'src="/storage/picture[^"]*"', 'src="/assets/"', page.text))
        assert all(
            each.startswith(("/assets/", "/storage/picture?ref=silver/")) for each in pictures
        )


def test_a_parquet_file_shows_what_it_says_of_itself(
    blobs: MemoryBlobs, client: httpx.Client, shared: Path
) -> None:
    ref = BlobRef("silver/tables/countries.parquet")
    blobs.write(ref, (shared / "data" / "vector" / "example.parquet").read_bytes())
    text = " ".join(Parts(client.get("/storage/blob", params={"ref": ref}).text).text.split())
    for told in ("Rows5", "Geometries in geometry", "Polygon, MultiPolygon", "OGC:CRS84", "gdp_md_estint64yes"):  # fmt: skip
        assert told in text


def test_a_parquet_file_that_was_cut_short_says_so(
    blobs: MemoryBlobs, client: httpx.Client
) -> None:
    blobs.write(BlobRef("silver/tables/cut.parquet"), b"PAR1 and then nothing")
    page = client.get("/storage/blob?ref=silver/tables/cut.parquet").text
    assert "does not end as a Parquet file does" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_columns_show_as_text(blobs: MemoryBlobs, client: httpx.Client, text: str) -> None:
    """R124: in names, in what wrote the file, and in all that it says of its geometries."""
    said = {"encoding": text, "geometry_types": [text], "crs": {"name": text}, "bbox": text}
    geo = {"primary_column": text, "columns": {text: said}}
    data = parquet.file(parquet.footer([{1: 6, 4: text}], 1, geo, by=text))
    blobs.write(BlobRef("silver/tables/odd.parquet"), data)
    page = client.get("/storage/blob?ref=silver/tables/odd.parquet").text
    assert only_ours(page)
    assert text[:200] in Parts(page).text


def test_links_of_odd_names_lead_to_their_blobs(
    house: House, blobs: MemoryBlobs, client: httpx.Client
) -> None:
    ref = BlobRef("silver/odd/50% of #1?/a&b+c 'd'.txt")
    blobs.write(ref, b"here")
    folder = client.get("/storage", params={"container": "silver-odd", "prefix": "50% of #1?/"})
    (address,) = [link for link in links(folder.text) if link.startswith("/storage/blob")]
    page = client.get(address)
    assert "here" in page.text
    (download,) = [link for link in links(page.text) if link.startswith("/api/")]
    assert client.get(download, params={"redirect": "false"}).json()["ref"] == ref


def test_what_is_not_there_is_said(client: httpx.Client) -> None:
    assert "Nothing here yet" in client.get("/storage?container=bronze-nobody").text
    assert client.get("/storage/blob?ref=bronze/nobody/a.tif").status_code == 404
    assert client.get("/storage/blob?ref=nowhere").status_code == 422
    assert client.get("/storage?container=nowhere").status_code in (400, 422)
    assert client.get("/storage/picture?ref=bronze/nobody/a.tif").status_code == 404


def test_files_are_sent_where_the_zone_takes_them(client: httpx.Client) -> None:
    assert 'id="send"' in client.get("/storage?container=bronze-uploads").text
    assert (
        'data-into="bronze/uploads/2026/"'
        in client.get("/storage?container=bronze-uploads&prefix=2026/de").text
    )
    assert 'id="send"' not in client.get("/storage?container=silver-cogs").text
