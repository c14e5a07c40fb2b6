"""Kept forecasts over HTTP: the whole matrix, the line in the deep status, and a place over time."""

from collections.abc import Iterator

import httpx
import pytest

from core.errors import ServiceUnavailable
from core.insights.questions import Insights
from core.insights.views import InventoryLine
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from jobs.scan_source import ScanSource
from services.weather.tilecache import records
from services.weather.tilecache.inventory import lines, watched
from services.weather.tilecache.region import Region
from tests.http.house import House, serving
from tests.support.idle import idle_machine
from tests.support.sources import NOW, running
from triggers.http.app import create_app
from triggers.http.services import Services

RUN = "2026-11-25T12:00:00Z"
PLACE = {"lon": -105.25, "lat": 40.05, "model": "hrrr", "variable": "t2m"}
FRONT = Region(
    name="front",
    bbox=(-105.5, 39.8, -105, 40.3),
    models=("hrrr",),
    variables=("t2m",),
    runs=1,
    hours=1,
)


@pytest.fixture(scope="module")
def blobs() -> MemoryBlobs:
    """Two hours are wanted of a run, and one of them was fetched."""
    blobs = MemoryBlobs()
    first = FRONT.model_copy(update={"hours": 0})
    with running() as sources:
        job = ScanSource(region=first, run=RUN)
        run_job(job, blobs=blobs, options=[sources.internet], expect=JobStatus.COMPLETED)
    records.follow(blobs, FRONT, NOW)
    return blobs


@pytest.fixture(scope="module")
def client(blobs: MemoryBlobs) -> Iterator[httpx.Client]:
    app = create_app(Services(idle_machine(blobs), None, blobs, MemoryCatalog(), tiles=False))
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_the_inventory_is_the_whole_matrix(client: httpx.Client) -> None:
    found = client.get("/api/weather/inventory").json()
    (row,) = found["runs"]
    assert (row["region"], row["model"], row["run"]) == ("front", "hrrr", "run_20261125_12")
    assert row["hours"] == {"0": "tiled", "1": "missing"}
    assert (row["status"], row["missing_hours"], row["source_hours"]) == ("waiting", [1], [0])
    assert found["sources"][0]["works"] is True
    (disk,) = found["disk"]
    assert disk["tiles"] == 1
    assert found["bytes"] == disk["tile_bytes"] + disk["grib_bytes"] > 0
    assert client.get("/api/weather/inventory?model=gfs").json()["runs"] == []
    assert client.get("/api/weather/inventory?region=other").json()["runs"] == []


def test_a_place_over_time(client: httpx.Client) -> None:
    one = client.get("/api/timeseries", params=PLACE).json()
    assert (one["region"], one["run"], one["units"]) == ("front", "run_20261125_12", "K")
    (value,) = one["values"]
    assert (value["time"], value["hour"]) == (RUN, 0)
    assert value["min"] <= value["mean"] <= value["max"]
    same = client.get("/api/timeseries", params={**PLACE, "run": RUN})
    assert same.json() == one
    many = client.get("/api/timeseries/multirun", params=PLACE).json()
    assert [each["values"] for each in many["runs"]] == [[value]]
    joined = client.get("/api/timeseries/stitched", params=PLACE).json()
    assert joined["values"] == [{**value, "run": "run_20261125_12"}]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"lon": 10}, 404, "no_tiles"),
        ({"region": "other"}, 404, "no_tiles"),
        ({"run": "2026-11-24T12:00:00Z"}, 404, "no_tiles"),
        ({"variable": "snow"}, 422, "invalid_parameters"),
    ],
)
def test_what_is_not_kept_is_said_so(
    client: httpx.Client, changed: dict[str, object], status: int, code: str
) -> None:
    answer = client.get("/api/timeseries", params={**PLACE, **changed})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_deep_status_has_a_line_per_run(house: House, blobs: MemoryBlobs) -> None:
    insights = Insights(
        house.reader, house.registry, blobs, inventory=lambda: lines(watched(blobs)())
    )
    (line,) = insights.deep().inventory
    assert line.model_dump() == {
        "model": "hrrr",
        "run": "run_20261125_12",
        "status": "waiting",
        "missing_hours": [1],
        "reason": "not looked for yet",
    }


def test_a_source_that_is_down_is_an_alert(house: House, blobs: MemoryBlobs) -> None:
    records.note_source(blobs, "hrrr", "no source could be read", NOW)
    insights = Insights(
        house.reader, house.registry, blobs, inventory=lambda: lines(watched(blobs)())
    )
    deep = insights.deep()
    records.note_source(blobs, "hrrr", "", NOW)
    assert deep.inventory[0].status == "source_down"
    assert [alert.code for alert in deep.alerts] == ["source_down"]


def test_storage_that_does_not_answer_hides_only_the_inventory(house: House) -> None:
    def broken() -> list[InventoryLine]:
        raise ServiceUnavailable("storage does not answer")

    deep = Insights(house.reader, house.registry, house.blobs, inventory=broken).deep()
    assert (deep.inventory, [alert.code for alert in deep.alerts]) == ([], ["no_inventory"])
    assert deep.queue.workers_online == 0
