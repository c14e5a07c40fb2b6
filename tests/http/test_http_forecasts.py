"""Forecasts under the addresses that today's users know: begun without waiting, followed in their words, one for equal orders."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.blobs import BlobRef
from core.registry import Registry
from jobs.fire_forecast import FireForecast
from jobs.hello_world import HelloWorld
from jobs.ingest_fire_detections import IngestFireDetections
from services.fire import sample
from tests.http.house import House, house_of, serving
from tests.http.test_http_problems import check_envelope
from triggers.http.geo.forecasts import JitAnswer

BOX = [-105.35, 39.97, -105.25, 40.03]


@pytest.fixture
def house(database: str) -> Iterator[House]:
    registry = Registry.of(FireForecast, IngestFireDetections, HelloWorld)
    with house_of(database, registry) as house:
        yield house


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    with serving(house.app()) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_a_forecast_is_begun_and_followed(house: House, client: httpx.Client) -> None:
    """R138: one schema for every state, with the words and keys that users know."""
    begun = client.post("/api/forecast/jit", json={"bbox": BOX})
    assert begun.status_code == 202
    address = begun.json()["status_url"]
    assert begun.json()["status"] == "pending"
    house.work(turns=1)
    answer = client.get(address).json()
    assert set(answer) == set(JitAnswer.model_fields)
    assert answer["status"] == "ingesting_terrain"
    house.work()  # there is no internet here
    answer = client.get(address).json()
    assert answer["status"] == "failed"
    assert "no internet" in answer["error"]


def test_equal_orders_are_one_forecast_also_without_api(client: httpx.Client) -> None:
    """R139"""
    order = {"bbox": BOX, "forecast_reference_time": "2026-11-25T12:10:00Z"}
    later = {
        **order,
        "forecast_reference_time": "2026-11-25T12:50:00Z",
        "region_name": "front range",
    }
    one = client.post("/api/forecast/jit", json=order).json()["job_id"]
    two = client.post("/forecast/generate", json=later).json()
    assert two["job_id"] == two["task_id"] == one
    assert client.get(f"/forecast/jit/{one}").json()["job_id"] == one


def test_an_order_that_failed_begins_again(house: House, client: httpx.Client) -> None:
    """R151"""
    order = {"bbox": BOX, "forecast_reference_time": "2026-11-25T12:10:00Z"}
    first = client.post("/api/forecast/jit", json=order).json()["job_id"]
    house.work()
    assert client.get(f"/api/forecast/jit/{first}").json()["status"] == "failed"
    again = client.post("/api/forecast/jit", json=order).json()
    assert (again["job_id"], again["status"]) == (first, "pending")


def test_orders_that_make_no_sense_are_refused(client: httpx.Client) -> None:
    for order in ({}, {"bbox": BOX, "horizons_hours": [99]}, {"bbox": BOX, "radius": 3}):
        refused = client.post("/api/forecast/jit", json=order)
        assert refused.status_code == 422
        check_envelope(refused)


def test_other_jobs_and_boxes_without_a_forecast_are_not_found(
    house: House, client: httpx.Client
) -> None:
    other = client.get(f"/api/forecast/jit/{house.submit(HelloWorld())}")
    assert (other.status_code, check_envelope(other)["code"]) == (404, "job_not_found")
    none = client.get("/api/forecast", params={"bbox": ",".join(map(str, BOX))})
    assert (none.status_code, check_envelope(none)["code"]) == (404, "item_not_found")


def test_detections_are_listed_by_box_and_time(house: House, client: httpx.Client) -> None:
    hour = datetime.now(UTC) - timedelta(hours=2)
    row = sample.row(-105.3, 40.0, hour.date(), "n", 60.0).replace(",0100,", f",{hour:%H%M},")
    ref = BlobRef("bronze/uploads/fires.csv")
    house.blobs.write(ref, f"{sample.HEAD}\n{row}\n".encode())
    house.finish(IngestFireDetections(source=ref))
    found = client.get("/fires/detections", params={"bbox": ",".join(map(str, BOX))}).json()
    assert [each["geometry"]["coordinates"] for each in found["features"]] == [[-105.3, 40.0]]
    assert not found["features"][0]["properties"]["is_noise"]
    refused = client.get("/api/fires/detections", params={"start": "2020-01-01T00:00:00Z"})
    assert refused.status_code == 422
