"""What keeping rasters costs, by the installation's own prices."""

import httpx
import pytest

from services.raster.models import Tier
from services.raster.options import RasterOptions
from tests.http.house import House, serving
from tests.support.stac import collection, item


def filled(house: House) -> None:
    sizes = [
        {"analysis": 2_000_000_000, "archive": 10_000_000_000},
        {"analysis": 1_000_000_000, "elsewhere": 5},
    ]
    items = [item(f"i-{n}", **{"coremachine:bytes": each}) for n, each in enumerate(sizes)]
    house.catalog.add(collection(), items)


def test_costs_are_told_by_tier_the_most_costly_first(house: House) -> None:
    prices = {Tier.ANALYSIS: 0.02, Tier.ARCHIVE: 0.002}
    house.machine.options = {RasterOptions: RasterOptions(prices=prices, currency="EUR")}
    filled(house)
    with serving(house.app()) as url:
        told = httpx.get(f"{url}/api/storage/costs", timeout=60).json()
        page = httpx.get(f"{url}/history", headers={"Accept": "text/html"}, timeout=60).text
    assert [(each["tier"], each["items"], each["bytes"]) for each in told["tiers"]] == [
        ("analysis", 2, 3_000_000_000),
        ("archive", 1, 10_000_000_000),
    ]
    assert [each["monthly_cost"] for each in told["tiers"]] == pytest.approx([0.06, 0.02])
    assert told["monthly_cost"] == pytest.approx(0.08)
    assert (told["currency"], told["bytes"]) == ("EUR", 13_000_000_000)
    assert "0.08 EUR a month" in page


def test_a_catalog_that_holds_no_rasters_costs_nothing(house: House, client: httpx.Client) -> None:
    assert client.get("/api/storage/costs").json() == {
        "currency": "USD",
        "tiers": [],
        "bytes": 0,
        "monthly_cost": 0.0,
    }
    assert "holds no rasters yet" in client.get("/history", headers={"Accept": "text/html"}).text
