"""OGC API - Processes: an independent client finds, runs and follows jobs; the documents are those of the standard."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from jsonschema import Draft4Validator
from openapi_spec_validator.schemas import schema_v30
from owslib.ogcapi.processes import Processes

import jobs
from core.insights.portrait import job_type_view
from core.registry import discover
from tests.http.house import House
from tests.http.sample_jobs import Choosy, Failing, Relay, Squares
from triggers.http.ogc.describing import process
from triggers.http.ogc.inputs import parameters_of
from triggers.http.ogc.models import Execute

BASE = "/api/ogc"
OPENAPI_3_0 = {key: value for key, value in schema_v30.items() if key in {"$schema", "definitions"}}
"""The published schema of OpenAPI 3.0, whose Schema Objects the standard describes inputs with."""
EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


@contextmanager
def at_work(house: House) -> Iterator[None]:
    """Somebody runs what is due, as workers do."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            house.work()
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def working(house: House) -> Iterator[None]:
    with at_work(house):
        yield


@pytest.fixture
def outside(client: httpx.Client) -> Processes:
    """A client that was written against the standard, not against us."""
    return Processes(f"{client.base_url}{BASE}")


def run(client: httpx.Client, process: str, prefer: str = "", **order: Any) -> httpx.Response:
    headers = {"Prefer": prefer} if prefer else {}
    path = f"{BASE}/processes/{process}/execution"
    return client.post(path, json=order, headers=headers)


def test_an_independent_client_finds_and_runs_a_process(outside: Processes, working: None) -> None:
    assert "choosy" in [each["id"] for each in outside.processes()]
    told = outside.process("choosy")
    assert told["inputs"]["count"]["minOccurs"] == 1
    assert told["inputs"]["ratio"]["minOccurs"] == 0
    assert told["inputs"]["count"]["schema"]["maximum"] == 10
    assert outside.execute("choosy", {"count": 3, "label": "ab"}) == {"result": "ababab"}


def test_an_independent_client_is_sent_to_the_job_it_began(
    outside: Processes, client: httpx.Client, house: House
) -> None:
    answer = outside.execute("choosy", {"count": 2, "label": "z"}, async_=True)
    info = client.get(f"{BASE}/jobs").json()["jobs"][0]
    assert info["jobID"] in str(answer)
    assert (info["processID"], info["status"]) == ("choosy", "accepted")


def test_the_entrance_leads_to_everything(client: httpx.Client) -> None:
    links = {link["rel"]: link["href"] for link in client.get(BASE).json()["links"]}
    for rel in ("service-desc", "service-doc", "self"):
        assert client.get(links[rel]).status_code == 200
    kept = client.get(links["http://www.opengis.net/def/rel/ogc/1.0/conformance"]).json()
    assert "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core" in kept["conformsTo"]
    found = client.get(links["http://www.opengis.net/def/rel/ogc/1.0/processes"]).json()
    assert {"choosy", "squares"} <= {each["id"] for each in found["processes"]}
    assert client.get(links["http://www.opengis.net/def/rel/ogc/1.0/job-list"]).json()["jobs"] == []


def test_processes_come_in_pages(client: httpx.Client) -> None:
    page = client.get(f"{BASE}/processes", params={"limit": 2, "f": "json"}).json()
    following = [link["href"] for link in page["links"] if link["rel"] == "next"]
    more = client.get(following[0]).json()
    names = [each["id"] for each in [*page["processes"], *more["processes"]]]
    assert names[:3] == ["choosy", "copying", "failing"]


def test_who_does_not_wait_is_told_where_to_look(client: httpx.Client, house: House) -> None:
    answer = run(client, "relay", "respond-async", inputs={"n": 3})
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "respond-async"
    where = answer.headers["Location"]
    assert client.get(where).json()["status"] == "accepted"
    early = client.get(f"{where}/results")
    assert (early.status_code, early.json()["type"]) == (404, f"{EXCEPTIONS}/result-not-ready")
    house.work()
    done = client.get(where).json()
    assert (done["status"], done["progress"]) == ("successful", 100)
    results = [link["href"] for link in done["links"] if link["rel"].endswith("/results")]
    assert client.get(results[0]).json() == {"result": 9}


def test_who_waits_gets_the_bare_result(client: httpx.Client, working: None) -> None:
    answer = run(client, "squares", inputs={"n": {"value": 3}})
    assert answer.status_code == 200
    assert [each["square"] for each in answer.json()] == [0, 1, 4]


def test_a_result_may_be_asked_for_as_a_link(client: httpx.Client, working: None) -> None:
    linked = {"result": {"transmissionMode": "reference"}}
    told = run(client, "choosy", inputs={"count": 1}, outputs=linked, response="document")
    assert client.get(told.json()["result"]["href"]).json() == "x"
    bare = run(client, "choosy", inputs={"count": 1}, outputs=linked)
    assert (bare.status_code, "/result>" in bare.headers["Link"]) == (204, True)


def test_a_job_that_takes_longer_than_its_client_waits_goes_on(client: httpx.Client) -> None:
    """Nobody works here."""
    answer = run(client, "squares", "wait=0", inputs={"n": 5})
    assert answer.status_code == 201
    assert answer.json()["status"] == "accepted"


def test_a_failed_job_says_why(client: httpx.Client, working: None) -> None:
    answer = run(client, "failing")
    assert answer.status_code == 409
    assert "no coordinate system" in answer.json()["detail"]
    info = client.get(f"{BASE}/jobs", params={"status": "failed"}).json()["jobs"][0]
    assert info["status"] == "failed"
    assert "no coordinate system" in info["message"]


def test_a_dismissed_job_begins_nothing_more(client: httpx.Client, house: House) -> None:
    job_id = house.submit(Relay(n=3))
    answer = client.delete(f"{BASE}/jobs/{job_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    assert house.claim() == []
    assert client.delete(f"{BASE}/jobs/{job_id}").json()["status"] == "dismissed"


def test_jobs_are_chosen_by_process_status_time_and_length(
    client: httpx.Client, house: House
) -> None:
    house.finish(Choosy(count=1))
    house.finish(Failing())
    house.submit(Squares(n=1))

    def chosen(**query: Any) -> list[str]:
        page = client.get(f"{BASE}/jobs", params=query)
        assert page.status_code == 200, page.text
        return [each["processID"] for each in page.json()["jobs"]]

    assert chosen() == ["squares", "failing", "choosy"]
    assert chosen(processID="choosy", type="process") == ["choosy"]
    assert chosen(status="successful") == ["choosy"]
    assert chosen(status="accepted") == ["squares"]
    assert chosen(datetime="2020-01-01T00:00:00Z/..") == ["squares", "failing", "choosy"]
    assert chosen(datetime="../2020-01-01T00:00:00Z") == []
    assert chosen(maxDuration=3600) == ["failing", "choosy"]
    assert chosen(minDuration=3600) == []


@pytest.mark.parametrize(
    ("method", "path", "order", "status", "kind"),
    [
        ("GET", "/processes/chosy", None, 404, f"{EXCEPTIONS}/no-such-process"),
        ("POST", "/processes/chosy/execution", {}, 404, f"{EXCEPTIONS}/no-such-process"),
        ("GET", "/jobs/nothing", None, 404, f"{EXCEPTIONS}/no-such-job"),
        ("DELETE", "/jobs/nothing", None, 404, f"{EXCEPTIONS}/no-such-job"),
        ("GET", "/jobs/nothing/results", None, 404, f"{EXCEPTIONS}/no-such-job"),
        ("POST", "/processes/choosy/execution", {"inputs": {}}, 422, "/errors/invalid_parameters"),
        ("POST", "/processes/choosy/execution", {"outputs": {"map": {}}}, 400, "/errors/bad_execution"),
        ("POST", "/processes/choosy/execution", {"inputs": {"label": {"href": "http://169.254.169.254/"}}}, 400, "/errors/bad_execution"),
        ("POST", "/processes/choosy/execution", {"subscriber": {"successUri": "http://x"}}, 400, "/errors/bad_execution"),
        ("GET", "/jobs?datetime=soon", None, 400, "/errors/bad_execution"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_words_of_the_standard(
    client: httpx.Client, method: str, path: str, order: Any, status: int, kind: str
) -> None:
    answer = client.request(method, f"{BASE}{path}", json=order)
    assert (answer.status_code, answer.json()["type"]) == (status, kind), answer.text


def test_inputs_come_bare_qualified_boxed_or_by_reference() -> None:
    given = {
        "bare": 5,
        "qualified": {"value": {"a": 1}, "mediaType": "application/json"},
        "bbox": {"bbox": [1, 2, 3, 4], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
        "source": {"href": "bronze/a/b.tif", "type": "image/tiff"},
        "many": [{"value": 1}, 2],
        "own": {"value": 1, "weight": 2},
    }
    assert parameters_of(Execute(inputs=given)) == {
        "bare": 5,
        "qualified": {"a": 1},
        "bbox": [1, 2, 3, 4],
        "source": "bronze/a/b.tif",
        "many": [1, 2],
        "own": {"value": 1, "weight": 2},
    }


def test_every_input_has_a_schema_of_openapi_3_0(client: httpx.Client) -> None:
    """Of every job of the product: as the standard asks, complete in itself."""
    views = [job_type_view(job) for job in discover(jobs).jobs.values()]
    schemas = [each.schema_ for view in views for each in process(view, "").inputs.values()]
    assert len(schemas) > 50
    for schema in schemas:
        assert "$ref" not in str(schema)
        Draft4Validator({**OPENAPI_3_0, "$ref": "#/definitions/Schema"}).validate(schema)
