"""What is kept of the weather, on the status page: what is there, what is missing, and why."""

import html
import re

import httpx
import pytest
from playwright.sync_api import Browser

from core.errors import ServiceUnavailable
from core.memory.blobs import MemoryBlobs
from services.weather.tilecache.inventory import inventory
from tests.http.house import House, serving
from tests.pages import shelves
from tests.pages.axe import AXE, LOOKS, barriers
from tests.pages.conftest import app_of
from triggers.pages import stock


@pytest.fixture(scope="module")
def house(house: House) -> House:
    shelves.fill(house.blobs)
    return house


def test_every_missing_hour_is_named_with_its_reason(client: httpx.Client) -> None:
    page = client.get("/status").text
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    for told in (
        "0/19",
        "f000 to f002",
        "GRIB is here, no tile yet",
        "f003, f005 to f008",
        "at the source, waiting for their turn",
        "f009 to f018",
        "not at the source yet",
        "3 GRIB files without a tile",
        "does not answer: 503 from every mirror",
        f"failed: t2m: {shelves.HOSTILE}",
    ):
        assert told in text
    assert "<img src=x" not in page  # R124


def test_a_matrix_has_models_down_and_runs_across(house: House) -> None:
    (matrix,) = stock.matrices(inventory(house.blobs, shelves.NOW))
    assert (matrix.region, list(matrix.models), len(matrix.runs)) == ("front", ["gfs", "hrrr"], 2)
    newest, older = matrix.models["gfs"]
    assert newest is not None
    assert older is not None
    assert newest.row.init_time > older.row.init_time
    assert sum(each.width for each in newest.strip) == pytest.approx(stock.STRIP, abs=0.2)
    assert matrix.models["hrrr"][1] is None


def test_hours_follow_each_other_in_the_steps_of_their_model() -> None:
    assert stock.ranges([0, 3, 6, 12, 18], [0, 3, 6, 9, 12, 18]) == "f000 to f006, f012 to f018"
    assert stock.ranges([5], [4, 5, 6]) == "f005"
    assert stock.ranges([], [1]) == ""


def test_a_place_without_forecasts_says_what_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "blobs", MemoryBlobs())
    with serving(app_of(house)) as url:
        assert "No forecast is kept" in httpx.get(f"{url}/status", timeout=60).text


def test_storage_that_is_away_hides_the_forecasts_and_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object) -> object:
        raise ServiceUnavailable("storage does not answer")

    monkeypatch.setattr(house, "blobs", MemoryBlobs())
    monkeypatch.setattr(house.blobs, "list", away)
    with serving(app_of(house)) as url:
        page = httpx.get(f"{url}/status", timeout=60)
    assert page.status_code == 200
    assert "Storage does not answer" in page.text
    assert "Newest jobs" in page.text


@pytest.mark.skipif(not AXE.exists(), reason="run make setup to install the pages' packages")
@pytest.mark.parametrize("look", LOOKS)
def test_the_matrix_keeps_nobody_out(browser: Browser, url: str, look: str) -> None:
    assert barriers(browser, url, ["/status"], look) == {}
