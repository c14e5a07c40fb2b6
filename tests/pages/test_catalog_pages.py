"""The catalog and its rasters: found by words and place, looked at closely, and the same again from a link."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from core.memory.catalog import MemoryCatalog
from tests.http.house import House, serving
from tests.pages.axe import AXE, LOOKS, barriers
from tests.pages.catalogued import fill, hang
from tests.pages.conftest import app_of
from tests.pages.lines import holding

HILLS = "/catalog/samples/hills"
READY = "#catalog-map[data-ready], #viewer[data-ready]"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='x",
    "ü漢字🌍" * 200,
]
in_browser = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


@pytest.fixture(scope="module")
def house(house: House) -> House:
    fill(house.catalog)
    hang(house.blobs, house.catalog)
    return house


@pytest.fixture(scope="module")
def more(pictured: dict[str, object]) -> dict[str, object]:
    return pictured


def linked(text: str) -> list[str]:
    return re.findall(r'class="card" href="(/catalog/[^"?]+)"', text)


# without a browser


def test_items_are_cards_with_pictures(client: httpx.Client) -> None:
    page = client.get("/catalog").text
    assert HILLS in linked(page)
    assert len(linked(page)) == 5
    (picture,) = re.findall(r'src="(/api/tiles/samples/hills/preview[^"]+)"', page)
    assert client.get(picture).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"text": "HILL"}, {"hills", "kigali-hills"}),
        ({"text": "100%_"}, set()),
        ({"bbox": "5,44,12,48"}, {"alps-dem"}),
        ({"collection": "samples", "text": "alps", "bbox": "5,44,12,48"}, {"alps-dem"}),
        ({"collection": "nothing-here"}, set()),
    ],
)
def test_items_are_found_by_words_and_place(
    client: httpx.Client, asked: dict[str, str], found: set[str]
) -> None:
    page = client.get("/catalog", params=asked)
    assert page.status_code == 200
    assert {each.rsplit("/", 1)[1] for each in linked(page.text)} == found


def test_a_long_catalog_comes_in_pages(house: House, client: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"id": f"m{n:03}", "collection": "many", "bbox": [10, 10, 11, 11], "geometry": None, "type": "Feature",
         "properties": {"datetime": "2025-01-01T00:00:00Z"}, "assets": {}, "links": []}
        for n in range(30)
    ]  # fmt: skip
    house.catalog.add({"id": "many", "type": "Collection"}, items)
    first = client.get("/catalog", params={"collection": "many"}).text
    (following,) = re.findall(r'href="(/catalog\?[^"]+)" rel="next"', first)
    second = client.get(following.replace("&amp;", "&")).text
    assert len(linked(first)) == 24
    assert len({*linked(first), *linked(second)}) == 30
    assert 'rel="next"' not in second
    for name in [each["id"] for each in items]:
        house.catalog.remove("many", name)
    house.catalog.remove_collection("many")


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "0,50,1,40", "nan,0,1,1", "-999,0,1,1"])
def test_a_box_that_is_none_is_said(client: httpx.Client, box: str) -> None:
    answer = client.get("/catalog", params={"bbox": box})
    assert answer.status_code == 422
    assert "west,south,east,north in degrees" in answer.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_items_show_as_text(house: House, client: httpx.Client, text: str) -> None:
    """R124"""
    item = {
        "id": text, "collection": "samples", "bbox": [1, 1, 2, 2], "geometry": None, "type": "Feature", "links": [],
        "properties": {"datetime": "2024-01-01T00:00:00Z", "title": text, text: text},
        "assets": {text: {"href": "javascript:alert(1)", "title": text, "type": text}},
    }  # fmt: skip
    house.catalog.add("samples", [item])
    addresses = [
        "/catalog",
        "/",
        *(each for each in linked(client.get("/catalog").text) if "hills" not in each),
    ]
    addresses += [f"/catalog?{httpx.QueryParams({'text': text[:200], 'collection': text[:200]})}"]
    for address in addresses:
        page = client.get(address)
        assert page.status_code == 200
        for bad in ("<img src=x", "<script>alert", "' onmouseover='x", 'href="javascript'):
            assert bad not in page.text
    assert house.catalog.remove("samples", text)


def test_an_item_that_is_not_there_is_told(client: httpx.Client) -> None:
    assert client.get("/catalog/samples/nothing").status_code == 404
    assert client.get("/catalog/nothing/nothing").status_code == 404


def test_an_empty_catalog_says_what_to_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "catalog", MemoryCatalog())
    with serving(app_of(house)) as url:
        assert "The catalog is empty" in httpx.get(f"{url}/catalog", timeout=60).text


# in a browser


@in_browser
def test_an_item_is_found_and_opened(page: Page) -> None:
    page.goto("/catalog")
    page.get_by_label("Name holds").fill("hill")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".cards .card")).to_have_count(2)
    page.wait_for_selector("#catalog-map[data-ready]")
    page.locator(".cards .card", has_text="hills").first.click()
    page.wait_for_url("**/catalog/samples/*hills")


@in_browser
def test_a_raster_is_looked_at_and_a_link_shows_the_same(page: Page) -> None:
    page.goto(HILLS)
    page.wait_for_selector("#viewer[data-ready]")
    expect(page.locator("#histogram rect")).to_have_count(40)
    page.locator('[name="bidx"]').select_option("2")
    page.locator('[name="colors"]').select_option("magma")
    page.locator('[name="beside"]').select_option("overview")
    page.get_by_label("From", exact=True).fill("10")
    with page.expect_response(
        lambda told: "rescale=10%2C" in told.url and "bidx=2" in told.url
    ) as shown:
        page.get_by_label("to", exact=True).fill("90")
        page.keyboard.press("Tab")
    assert "colormap_name=magma" in shown.value.url
    expect(page.locator("#legend-said")).to_have_text("10 to 90")
    expect(page.locator("#statistics")).to_contain_text("100")
    page.get_by_label("Latitude").fill("-1.75")
    page.get_by_label("Longitude").fill("29.25")
    page.get_by_role("button", name="Read").click()
    expect(page.locator("#values")).to_contain_text("analysis b2")
    address = page.url
    page.goto("/catalog")
    page.goto(address)
    page.wait_for_selector("#viewer[data-ready]")
    for name, value in (
        ("bidx", "2"),
        ("colors", "magma"),
        ("beside", "overview"),
        ("low", "10"),
    ):
        expect(page.locator(f'[name="{name}"]')).to_have_value(value)
    expect(page.locator("#right")).to_be_visible()
    expect(page.locator("#values")).to_contain_text("overview b1")


@in_browser
def test_what_is_chosen_before_the_map_is_there_is_drawn_and_remembered(page: Page) -> None:
    held = holding(page, "maplibre.js")
    page.goto(f"{HILLS}?low=5", wait_until="commit")
    page.get_by_label("Colours").select_option("viridis")
    held().continue_()
    expect(page.locator("#viewer[data-ready]")).to_be_attached()
    expect(page).to_have_url(re.compile(r"low=5&.*colors=viridis"))
    expect(page.get_by_label("Colours")).to_have_value("viridis")


@in_browser
def test_of_two_pictures_the_one_that_was_asked_for_last_is_shown(page: Page) -> None:
    held = holding(page, "statistics*")  # a range for the band has to be found
    page.goto(HILLS)
    page.wait_for_selector("#viewer[data-ready]")
    answer = held()
    page.locator('[name="bidx"]').select_option("2")
    page.locator("#plain").click()
    asked: list[str] = []
    page.on("request", lambda it: asked.append(it.url))
    answer.continue_()
    expect(page.locator("#histogram rect")).to_have_count(40)
    page.wait_for_timeout(1_000)
    assert not [each for each in asked if "/tiles/Web" in each and "bidx=2" in each]


@in_browser
def test_a_click_on_the_map_reads_the_value(page: Page) -> None:
    page.goto(HILLS)
    page.wait_for_selector("#viewer[data-ready]")
    page.locator("#left").click()
    expect(page.locator("#values dd")).to_have_count(2)
    assert "at=29.2" in page.url


@in_browser
@pytest.mark.parametrize("look", LOOKS)
def test_the_catalog_keeps_nobody_out(browser: Browser, url: str, look: str) -> None:
    addresses = ["/catalog", f"{HILLS}?beside=overview&at=29.2,-1.7", "/catalog/samples/alps-dem"]
    assert barriers(browser, url, addresses, look, READY) == {}
