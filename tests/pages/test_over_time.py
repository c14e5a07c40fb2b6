"""A place over time: drawn where an item has times, with every number in reach, and the same again from a link."""

import html
import re
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Page, expect

from core.blobs import BlobRef
from core.errors import ServiceUnavailable
from services.grids.store import BlobStore
from tests.http.house import House
from tests.pages.axe import AXE, LOOKS, barriers
from tests.pages.lines import holding
from tests.pages.test_pages import HOSTILE, only_ours
from tests.pages.weathered import FRONT, HOURS, PLACE, fill

HERE = {"lon": PLACE[0] + 0.004, "lat": PLACE[1] + 0.004}
"""Not on the edge of a cell."""
in_browser = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


@pytest.fixture(scope="module", autouse=True)
def items(house: House) -> dict[str, str]:
    return fill(house)


@pytest.fixture(scope="module")
def more(pictured: dict[str, object]) -> dict[str, object]:
    return pictured


def part(client: httpx.Client, path: str, **query: Any) -> str:
    answer = client.get(f"/series/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def of_item(client: httpx.Client, item: str, variable: str = "t2m", **place: float) -> str:
    asked = {"collection": "weather", "item": item, "variable": variable}
    return part(client, "item", **asked, **(place or HERE))


def numbers(text: str) -> dict[str, str]:
    return dict(re.findall(r'<tr><td>([^<]+)</td><td class="num">([^<]+)</td>', text))


def words(text: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


# without a browser


def test_the_numbers_are_those_of_the_patch(
    house: House, client: httpx.Client, items: dict[str, str]
) -> None:
    item = house.catalog.item("weather", items["degrees"])
    assert item is not None
    root = BlobRef(item["assets"]["data"]["href"])
    with xr.open_zarr(BlobStore(house.blobs, root, read_only=True), chunks=None) as found:
        there = found["t2m"].sel(**HERE, method="nearest").values
    text = of_item(client, items["degrees"])
    told = numbers(text)
    assert next(iter(told)) == "2026-11-25 17:00"
    assert len(told) == HOURS + 1
    np.testing.assert_allclose([float(each) for each in told.values()], there, rtol=1e-5)
    assert f"{there.min():.6g} to {there.max():.6g} K" in words(text)
    assert "Temperature, 2 m above ground" in text
    assert re.search(r'<path class="line" d="M[\d. ]+(L[\d. ]+){4}"', text)
    assert "40.0" in words(text)


def test_a_patch_in_metres_says_the_same(client: httpx.Client, items: dict[str, str]) -> None:
    """Its cube lies in a plane, so its bands are read."""
    flat, round_ = (numbers(of_item(client, items[each])) for each in ("metres", "degrees"))
    assert flat.keys() == round_.keys()
    near = [float(each) for each in round_.values()]
    np.testing.assert_allclose([float(each) for each in flat.values()], near, atol=0.5)


def test_one_cell_is_read_and_not_the_whole_cube(
    client: httpx.Client, items: dict[str, str], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_item(client, items["degrees"])
    asked: list[str] = []
    real = house.blobs.read

    def read(ref: BlobRef, *args: Any, **more: Any) -> bytes:
        asked.append(str(ref))
        return real(ref, *args, **more)

    monkeypatch.setattr(house.blobs, "read", read)
    of_item(client, items["degrees"], lon=PLACE[0] + 0.01, lat=PLACE[1])
    chunks = [each for each in asked if "/c/" in each]
    assert len(chunks) == 1
    assert "/t2m/" in chunks[0]


def test_a_direction_is_dots(client: httpx.Client, items: dict[str, str]) -> None:
    text = of_item(client, items["degrees"], "wind_direction")
    assert 'class="line dots"' in text
    assert '<path class="line" ' not in text


def test_missing_values_stay_gaps(client: httpx.Client, items: dict[str, str]) -> None:
    told = numbers(of_item(client, items["cube"], lon=30, lat=0))
    assert len(told) == 30
    assert "none" in told.values()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"lon": 10.0}, "lies outside the grid"),
        ({"variable": "snow"}, "is no variable over time of this item; it has t2m"),
        ({"item": "nothing"}, "There is no item"),
    ],
)
def test_what_cannot_be_drawn_says_why(
    client: httpx.Client, items: dict[str, str], changed: dict[str, Any], why: str
) -> None:
    asked = {"collection": "weather", "item": items["degrees"], "variable": "t2m", **HERE}
    assert why in words(part(client, "item", **{**asked, **changed}))


def test_outside_of_a_patch_in_metres_is_said(client: httpx.Client, items: dict[str, str]) -> None:
    assert "No raster covers this place" in of_item(client, items["metres"], lon=10, lat=40)


@pytest.mark.parametrize("changed", [{"lon": "nan"}, {"lat": 91}, {"lon": "<b>"}, {"lat": ""}])
def test_what_is_no_place_is_refused(
    client: httpx.Client, items: dict[str, str], changed: dict[str, Any]
) -> None:
    asked = {"collection": "weather", "item": items["degrees"], "variable": "t2m", **HERE}
    answer = client.get("/series/item", params={**asked, **changed})
    assert answer.status_code == 422
    assert "<b>" not in answer.text


def test_storage_that_is_away_is_said(
    client: httpx.Client, items: dict[str, str], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object, **more: object) -> object:
        raise ServiceUnavailable("storage does not answer")

    monkeypatch.setattr(house.blobs, "info", away)
    assert "storage does not answer" in of_item(client, items["degrees"])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_items_show_as_text(house: House, client: httpx.Client, text: str) -> None:
    """R124: what an item says of its cube is whatever its sender wrote."""
    said = {"type": "data", "dimensions": ["t", text], "description": text, "unit": text}
    item: dict[str, Any] = {
        "id": "odd", "collection": "weather", "bbox": [1, 1, 2, 2], "geometry": None, "type": "Feature", "links": [],
        "properties": {"datetime": "2024-01-01T00:00:00Z", "cube:variables": {text: said, "t": text},
                       "cube:dimensions": {"t": {"type": "temporal"}, text: text}},
        "assets": {"data": {"href": text, "type": "application/vnd.zarr"}},
    }  # fmt: skip
    house.catalog.add("weather", [item])
    assert only_ours(client.get("/catalog/weather/odd").text)
    assert only_ours(of_item(client, "odd", text))
    assert only_ours(of_item(client, text, text))
    assert house.catalog.remove("weather", "odd")


def test_an_item_without_times_has_no_such_panel(house: House, client: httpx.Client) -> None:
    item = {
        "id": "still", "collection": "weather", "bbox": [1, 1, 2, 2], "geometry": None, "type": "Feature", "links": [],
        "properties": {"datetime": "2024-01-01T00:00:00Z", "cube:variables": ["t2m"]}, "assets": {},
    }  # fmt: skip
    house.catalog.add("weather", [item])
    assert "Over time" not in client.get("/catalog/weather/still").text


def test_kept_forecasts_are_drawn_too(client: httpx.Client) -> None:
    asked = {"model": "hrrr", "variable": "t2m", "lon": -105.25, "lat": 40.05}
    text = part(client, "forecast", **asked)
    assert list(numbers(text)) == [f"2026-11-25 {hour}:00" for hour in (12, 13, 14)]
    assert f"region {FRONT.name}" in text
    assert "There are no tiles of t2m" in part(client, "forecast", **{**asked, "lon": 10})
    assert client.get("/series/forecast", params={**asked, "model": "<b>"}).status_code == 422


@pytest.mark.parametrize("text", HOSTILE)
def test_the_status_page_asks_for_a_place_and_shows_what_it_was_given_as_text(
    client: httpx.Client, text: str
) -> None:
    """R124"""
    page = client.get("/status", params={"lon": text, "lat": text, "model": text, "variable": text})
    assert page.status_code == 200
    assert only_ours(page.text)
    assert "A place is a latitude" in page.text


def test_bands_are_called_by_their_times(client: httpx.Client, items: dict[str, str]) -> None:
    times = [f"2026-11-25T{hour}:00Z" for hour in range(17, 18 + HOURS)]
    address, asked = f"/api/tiles/weather/{items['degrees']}", {"asset": "t2m"}
    found = client.get(f"{address}/statistics", params=asked).json()
    assert [each["description"] for each in found.values()] == times
    there = f"{address}/point/{HERE['lon']},{HERE['lat']}"
    assert client.get(there, params=asked).json()["band_descriptions"] == times
    two = client.get(there, params={**asked, "bidx": [3, 2]}).json()
    assert two["band_descriptions"] == [times[2], times[1]]


def test_a_patch_has_a_picture(client: httpx.Client, items: dict[str, str]) -> None:
    for item in (items["degrees"], items["metres"]):
        answer = client.get(f"/api/tiles/weather/{item}/preview.png")
        assert answer.headers["content-type"] == "image/png", answer.text


# in a browser


@in_browser
def test_a_click_shows_the_line_and_a_link_shows_it_again(
    page: Page, items: dict[str, str]
) -> None:
    page.goto(f"/catalog/weather/{items['degrees']}")
    page.wait_for_selector("#viewer[data-ready]")
    page.locator("#left").click()
    expect(page.locator("#series svg")).to_have_attribute(
        "aria-label", re.compile(r"Temperature.*2026-11-25 17:00 to 2026-11-25 21:00 UTC")
    )
    expect(page.locator("#values dd")).to_have_count(HOURS + 1)
    page.locator('#series-form [name="variable"]').select_option("wind_direction")
    expect(page.locator("#series figcaption")).to_contain_text("degree")
    page.locator("#series summary").click()
    before = page.locator("#series tbody").inner_text()
    address = page.url
    assert "variable=wind_direction" in address
    page.goto("/catalog")
    page.goto(address)
    expect(page.locator("#series figcaption")).to_contain_text("degree")
    page.locator("#series summary").click()
    expect(page.locator("#series tbody")).to_have_text(before, use_inner_text=True)
    page.locator('#look-form [name="asset"]').select_option("t2m")
    expect(page.locator("#series figcaption")).to_contain_text("Temperature")


@in_browser
def test_a_variable_chosen_before_the_map_is_there_is_kept(
    page: Page, items: dict[str, str]
) -> None:
    held = holding(page, "maplibre.js")
    page.goto(f"/catalog/weather/{items['degrees']}", wait_until="commit")
    page.locator('#series-form [name="variable"]').select_option("wind_direction")
    held().continue_()
    page.wait_for_selector("#viewer[data-ready]")
    expect(page.locator('#series-form [name="variable"]')).to_have_value("wind_direction")
    assert "variable=wind_direction" in page.url


@in_browser
def test_the_keyboard_alone_shows_the_line(page: Page, items: dict[str, str]) -> None:
    page.goto(f"/catalog/weather/{items['degrees']}")
    page.wait_for_selector("#viewer[data-ready]")
    page.locator("#left canvas").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#series-said")).to_contain_text("Temperature, 2 m above ground: from")
    middle = page.locator("#point-form [name=lat]").input_value()
    page.get_by_label("Latitude").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    expect(page.locator("#series-said")).to_contain_text("lies outside the grid")
    page.get_by_label("Latitude").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(middle)
    page.keyboard.press("Enter")
    expect(page.locator("#series-said")).to_contain_text("Temperature, 2 m above ground: from")


@in_browser
def test_a_cube_without_rasters_is_read_from_its_map(page: Page, items: dict[str, str]) -> None:
    page.goto(f"/catalog/weather/{items['cube']}?at=30,0")
    expect(page.locator("#series-said")).to_contain_text("Temperature: from")
    page.wait_for_selector("#catalog-map[data-ready]")
    page.get_by_label("Latitude").fill("-10")
    page.get_by_role("button", name="Read").click()
    expect(page.locator("#series")).to_contain_text("8.000° S")
    page.locator("#catalog-map canvas").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#series")).not_to_contain_text("8.000° S")


@in_browser
def test_the_status_page_draws_a_place(page: Page) -> None:
    page.goto("/status")
    page.get_by_label("Latitude").fill("40.05")
    page.get_by_label("Longitude").fill("-105.25")
    page.get_by_label("Variable").select_option("t2m")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("figure.over-time")).to_contain_text("Temperature")
    assert "lat=40.05" in page.url


@in_browser
@pytest.mark.parametrize("look", LOOKS)
def test_lines_keep_nobody_out(
    browser: Browser, url: str, items: dict[str, str], look: str
) -> None:
    place = f"at={PLACE[0]},{PLACE[1]}"
    kept = "/status?model=hrrr&variable=t2m&lon=-105.25&lat=40.05"
    addresses = [
        f"/catalog/weather/{items['degrees']}?{place}",
        f"/catalog/weather/{items['cube']}?{place}",
        kept,
    ]
    assert barriers(browser, url, addresses, look, "figure.over-time summary, .over-time svg") == {}
