"""The page of fires: a place is picked, its forecast arrives by itself, and is looked at hour by hour."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from core.blobs import BlobRef
from core.errors import BlobNotFound
from core.job import JobBase
from services.fire import denoise, detections, sample, sightings
from tests.http.house import House
from tests.pages.axe import AXE, LOOKS, barriers, barriers_on
from tests.pages.burning import FireForecast, burning
from tests.pages.lines import holding
from tests.pages.sample_jobs import Survey
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
SMALL: dict[str, Any] = {
    "radius_m": 2_500,
    "horizons_hours": [1, 3],
    "members": 4,
    "reference_time": NOW,
}
SAME = {"Sec-Fetch-Site": "same-origin"}
in_browser = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


@pytest.fixture(scope="module")
def registered() -> tuple[type[JobBase], ...]:
    return (FireForecast, Survey)


@pytest.fixture(scope="module")
def more(house: House) -> Iterator[dict[str, object]]:
    with burning(house) as more:
        yield more


@pytest.fixture(scope="module")
def forecast(house: House, url: str) -> str:
    """One that is done."""
    job_id = house.submit(FireForecast(point=(-105.3, 40.0), **SMALL))
    eventually(lambda: house.insights.job(job_id).status.is_final, 240)
    assert house.insights.job(job_id).error is None
    return job_id


def seen(house: House, lon: float, lat: float) -> None:
    """A satellite saw it burn there, at the beginning of this hour."""
    row = sample.row(lon, lat, NOW.date(), "n", 12.5).replace(",0100,", f",{NOW:%H}00,")
    found = detections.parse(f"{sample.HEAD}\n{row}\n").detections
    sightings.store(house.blobs, denoise.denoise(found), "seen")


def token_in(client: httpx.Client) -> str:
    return re.findall('name="csrf" content="([^"]+)"', client.get("/fire").text)[0]


def begun(client: httpx.Client, **form: Any) -> httpx.Response:
    return client.post("/fire", data={"csrf": token_in(client), **form}, headers=SAME)


# without a browser


def test_a_form_becomes_a_forecast_and_equal_ones_are_one(
    client: httpx.Client, house: House
) -> None:
    """R139"""
    form = {"lon": "7.5", "lat": "46.5", "radius": "2.5", "hours": ["3", "1"], "members": "4"}
    form["begins"] = f"{NOW:%Y-%m-%dT%H:10}"
    first = begun(client, **form)
    assert first.status_code == 303
    job_id = first.headers["location"].removeprefix("/fire?job=")
    asked: Any = house.insights.job(job_id, verbose=True).parameters
    assert (asked["point"], asked["radius_m"], asked["horizons_hours"]) == (
        [7.5, 46.5],
        2_500,
        [1, 3],
    )
    assert asked["reference_time"] == f"{NOW:%Y-%m-%dT%H}:00:00Z"
    assert begun(client, **form).headers["location"] == first.headers["location"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lat": ""}, "Say where it burns"),
        ({"lat": "<b>north</b>"}, "valid number"),
        ({"lat": "nan"}, "valid number"),
        ({"lat": "95"}, "95"),
        ({"hours": "99"}, "72"),
        ({"hours": []}, "at least 1"),
        ({"members": "many"}, "valid integer"),
        ({"radius": "1000"}, "200000"),
        ({"begins": "soon"}, "valid datetime"),
        ({"model": "crystal ball"}, "gfs"),
        ({"lon": "7\0"}, "NUL"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_entered_stays(
    client: httpx.Client, wrong: dict[str, Any], why: str
) -> None:
    answer = begun(client, **{"lon": "7.5", "lat": "46.5", "hours": "6", **wrong})
    assert answer.status_code == 422
    assert why in answer.text
    assert "<b>north</b>" not in answer.text
    assert 'value="7.5"' in answer.text or "lon" in wrong


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "ü" * 1000]
)
def test_what_an_address_says_shows_as_text(client: httpx.Client, text: str) -> None:
    """R124"""
    page = client.get("/fire", params={"lon": text, "lat": text, "begins": text, "model": text})
    assert page.status_code == 200
    assert "<img src=x" not in page.text
    assert "<script>alert" not in page.text


def test_other_jobs_are_no_forecasts(client: httpx.Client, house: House) -> None:
    job_id = house.submit(Survey(area="x"))
    assert client.get("/fire", params={"job": job_id}).status_code == 404
    assert client.get(f"/fire/{job_id}/isochrones").status_code == 404
    assert client.get("/fire", params={"job": "0" * 64}).status_code == 404


def test_a_forecast_says_what_it_is_made_of(client: httpx.Client, forecast: str) -> None:
    page = client.get("/fire", params={"job": forecast}).text
    for told in (
        "Copernicus GLO-30",
        "ESA WorldCover",
        "GFS, run of",
        "displaced downwind",
        "every check",
    ):
        assert told in page
    assert f'href="/jobs/{forecast}"' in page
    assert "/api/stac/collections/fire-forecasts/items/fire-" in page
    outlines = client.get(f"/fire/{forecast}/isochrones")
    assert outlines.headers["content-type"] == "application/geo+json"
    assert {each["properties"]["hours"] for each in outlines.json()["features"]} <= {1, 2, 3}


def test_what_had_to_be_assumed_is_said_in_words(house: House, client: httpx.Client) -> None:
    """R142: a fallback is seen."""
    job_id = house.submit(FireForecast(bbox=(10.48, 45.98, 10.54, 46.02), **{**SMALL, "seed": 1}))
    eventually(lambda: house.insights.job(job_id).status.is_final, 240)
    page = client.get("/fire", params={"job": job_id}).text
    assert "no fire is known" in page
    assert "fallback: assumed" in page


def test_the_weather_of_a_place_is_told_hour_by_hour(client: httpx.Client, forecast: str) -> None:
    text = client.get(f"/fire/{forecast}/weather", params={"lon": -105.3, "lat": 40.0}).text
    titles = re.findall(r"<figcaption[^>]*><strong>([^<]+)</strong>", text)
    assert titles == [
        "Temperature", "Relative humidity", "Wind speed", "Wind from", "Rain in the hour"
    ]  # fmt: skip
    hours = re.findall(r"<tr><td>([^<]+)</td>((?:<td[^>]*>[-\d.e]+</td>){5})</tr>", text)
    assert [hour for hour, _ in hours] == [
        f"{NOW + timedelta(hours=n):%Y-%m-%d %H}:00" for n in range(3)
    ]


def test_weather_that_is_not_there_is_said(
    client: httpx.Client, house: House, forecast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, place = f"/fire/{forecast}/weather", {"lon": -105.3, "lat": 40.0}
    assert "outside of the forecast" in client.get(address, params={**place, "lat": 41}).text
    assert client.get(address, params={**place, "lat": "north"}).status_code == 422
    assert client.get(f"/fire/{'0' * 64}/weather", params=place).status_code == 404

    def gone(ref: BlobRef, *args: object, **more: object) -> bytes:
        raise BlobNotFound(f"{ref} is gone")

    monkeypatch.setattr(house.blobs, "read", gone)
    assert "no longer kept" in client.get(address, params=place).text


# in a browser


@in_browser
@pytest.mark.parametrize("look", LOOKS)
def test_a_click_on_the_map_becomes_a_forecast_that_arrives_by_itself(
    page: Page, house: House, look: str
) -> None:
    """Equal ones are one: the first look waits for it, the others find it."""
    seen(house, 20.5, 45.5)
    page.goto("/fire?view=20.5,45.5,9")
    page.wait_for_selector("#fire-map[data-ready]")
    expect(page.locator("#seen-list button")).to_have_text("45.500, 20.500")
    middle = page.locator("#fire-map").bounding_box()
    assert middle is not None
    page.mouse.click(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
    expect(page.get_by_label("Latitude")).to_have_value(re.compile(r"45\.50\d\d"))
    assert "lat=45.50" in page.url
    page.get_by_label("12 h").uncheck()
    page.get_by_label("24 h").uncheck()
    page.get_by_text("When, how far").click()
    page.get_by_label("Kilometres around it").fill("2.5")
    page.get_by_label("Fires in the ensemble").fill("4")
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="Forecast").click()
    page.wait_for_url("**/fire?job=*")
    page.evaluate("window.stays = true")
    expect(
        page.get_by_role("heading", name=re.compile("How (far it is|it was made)"))
    ).to_be_visible()
    expect(page.locator(".steps")).to_contain_text("Spreading")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=240_000)
    page.wait_for_selector("#fire-map[data-drawn]")
    assert page.evaluate("window.stays")  # nothing was loaded again
    page.locator("#fire-map").click()
    expect(page.locator("#series-said")).to_contain_text("Wind speed: from")
    assert barriers_on(page) == []


@in_browser
def test_a_forecast_is_made_with_the_keyboard_alone(page: Page, house: House) -> None:
    page.goto("/fire?radius=2.5&members=4&hours=1")
    page.wait_for_selector("#fire-map[data-ready]")
    page.get_by_label("Latitude").focus()
    page.keyboard.type("45.5")
    page.keyboard.press("Tab")
    page.keyboard.type("20.5")
    page.keyboard.press("Enter")
    page.wait_for_url("**/fire?job=*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fire at 45.500° N, 20.500° E")


@in_browser
def test_a_place_entered_before_the_map_is_there_stands_on_it(page: Page) -> None:
    held = holding(page, "maplibre.js")
    page.goto("/fire", wait_until="commit")
    page.get_by_label("Latitude").fill("40")
    page.get_by_label("Longitude").fill("-105.3")
    held().continue_()
    expect(page).to_have_url(re.compile(r"lon=-105.3&lat=40"))


@in_browser
def test_time_is_chosen_with_a_slider_and_stands_in_the_address(page: Page, forecast: str) -> None:
    page.goto(f"/fire?job={forecast}")
    page.wait_for_selector("#fire-map[data-drawn]")
    slider = page.locator("#hour")
    expect(slider).to_have_value("3")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#hour-said")).to_have_text("+2 h")
    expect(page.locator("#then")).to_contain_text("within 1 h")
    page.locator("#show").select_option("arrival")
    page.get_by_label("outlines").uncheck()
    address = page.url
    page.goto("/fire")
    page.goto(address)
    page.wait_for_selector("#fire-map[data-drawn]")
    expect(slider).to_have_value("2")
    expect(page.locator("#show")).to_have_value("arrival")
    expect(page.get_by_label("outlines")).not_to_be_checked()
    page.get_by_role("button", name="Play").click()
    expect(slider).to_have_value("3")


@in_browser
def test_the_ground_lies_under_the_fire_until_it_is_switched_off(page: Page, forecast: str) -> None:
    with page.expect_response(lambda answer: "asset=ground" in answer.url) as told:
        page.goto(f"/fire?job={forecast}")
    assert told.value.ok
    page.wait_for_selector("#fire-map[data-drawn]")
    sources = page.locator("#fire-map .maplibregl-ctrl-attrib-inner")
    expect(sources).to_contain_text("Copernicus GLO-30, ESA WorldCover")
    page.get_by_label("ground", exact=True).uncheck()
    assert "ground=no" in page.url
    page.reload()
    page.wait_for_selector("#fire-map[data-drawn]")
    expect(page.get_by_label("ground", exact=True)).not_to_be_checked()


@in_browser
def test_a_click_tells_the_weather_there_and_a_link_tells_it_again(
    page: Page, forecast: str
) -> None:
    page.goto(f"/fire?job={forecast}")
    page.wait_for_selector("#fire-map[data-drawn]")
    page.locator("#fire-map").click()
    expect(page.locator("#series-said")).to_contain_text("Relative humidity: from")
    expect(page.locator("#series svg")).to_have_count(5)
    place, address = page.get_by_label("Latitude").input_value(), page.url
    page.goto("/fire")
    page.goto(address)
    expect(page.locator("#series-said")).to_contain_text("Relative humidity: from")
    expect(page.get_by_label("Latitude")).to_have_value(place)
    page.get_by_label("Latitude").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("41")
    page.keyboard.press("Enter")
    expect(page.locator("#series-said")).to_have_text("The place lies outside of the forecast.")
    page.locator("#fire-map canvas").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#series-said")).to_contain_text("Wind speed: from")


@in_browser
@pytest.mark.parametrize("look", LOOKS)
def test_fires_keep_nobody_out(browser: Browser, url: str, forecast: str, look: str) -> None:
    addresses = ["/fire?lon=-105.3&lat=40", f"/fire?job={forecast}&at=-105.3,40"]
    assert barriers(browser, url, addresses, look, "#fire-map[data-ready]") == {}
