"""Every error is one envelope, and none tells about the inside."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from core.registry import Registry
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import Explosive, Squares
from tests.http.table import Operation, operations

KEYS = {"type", "title", "status", "detail", "code", "correlation_id", "errors"}
OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
INSIDE = re.compile(r"(?i)select |insert |psycopg|postgres|traceback|/work/|\.py\b|127\.0\.0\.1")


def check_envelope(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert set(body) == KEYS
    assert body["status"] == answer.status_code
    assert body["type"] in (f"/errors/{body['code']}", OGC + body["code"].replace("_", "-"))
    assert body["title"]
    assert body["detail"]
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    assert not INSIDE.search(answer.text), answer.text
    return body


def bad_requests(operation: Operation) -> Iterator[tuple[str, str, bytes]]:
    """Ways to ask wrongly: path, query, body."""
    for bad in ("nothing", "..%2f..", "%00", "%ff", "a" * 3_000, "'; drop table app.jobs;--"):
        if operation.parameters:
            yield operation.path_with(bad), "", b""
    yield operation.path_with("nothing"), "?unheard=1", b""
    for name in operation.query:
        yield operation.path_with("nothing"), f"?{name}=%00&{name}=99999999999999999999999", b""
    if operation.method == "POST":
        yield operation.path_with("choosy"), "", b"{"


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_operation_answers_bad_requests_in_the_one_envelope(
    common_client: httpx.Client, operation: Operation
) -> None:
    """R135, R122."""
    for path, query, body in bad_requests(operation):
        answer = common_client.request(operation.method, path + query, content=body)
        assert answer.status_code < 500, (path[:80], query, answer.text)
        if answer.status_code >= 400 and operation.method != "HEAD":
            check_envelope(answer)
        assert "?unheard" not in query or answer.status_code in (404, 422)


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_method_that_is_not_there_is_told_with_those_that_are(
    common_client: httpx.Client, operation: Operation
) -> None:
    answer = common_client.request("PATCH", operation.path_with("x"))
    assert (answer.status_code, check_envelope(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/api", "/api/job", "/api/jobs/", "/api/jobs/status", "/x"])
def test_an_address_where_nothing_answers_is_a_problem_too(
    common_client: httpx.Client, path: str
) -> None:
    answer = common_client.get(path)
    assert (answer.status_code, check_envelope(answer)["status"]) == (404, 404)


def test_an_address_misspelt_is_told_with_the_nearest(common_client: httpx.Client) -> None:
    assert "Did you mean /api/job-types?" in common_client.get("/api/jobtypes").json()["detail"]
    assert "Did you mean /api/jobs?" in common_client.get("/api/jobs/").json()["detail"]


def test_unknown_query_parameters_are_named_with_those_there_are(
    common_client: httpx.Client,
) -> None:
    answer = common_client.get("/api/jobs", params={"stauts": "failed", "page": 2, "limit": 5})
    assert answer.status_code == 422
    body = check_envelope(answer)
    assert {(e["parameter"], e["place"]) for e in body["errors"]} == {
        ("stauts", "query"),
        ("page", "query"),
    }
    assert "status" in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/jobs?limit=0", "limit"),
        ("/api/jobs?limit=501", "limit"),
        ("/api/jobs?status=done", "status"),
        ("/api/jobs?created_after=yesterday", "created_after"),
        ("/api/jobs?created_after=2026-01-01T00:00:00", "created_after"),
        ("/api/jobs?hours=1e300", "hours"),
        ("/api/jobs?prefix=XYZ", "prefix"),
        ("/api/jobs?cursor=abc", "cursor"),
        ("/api/jobs?cursor=WzFlMzBd", "cursor"),
        ("/api/jobs?cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ", "cursor"),
    ],
)
def test_a_wrong_query_parameter_is_named(
    common_client: httpx.Client, path: str, name: str
) -> None:
    answer = common_client.get(path)
    assert answer.status_code == 422
    assert [e["parameter"] for e in check_envelope(answer)["errors"]] == [name]


@pytest.mark.parametrize(
    "task_id",
    ["1-0-0", "1-0--1", "99999999999999999999-0-0", "1-99999-0", "1-0-99999999999", "x", "1_0-0-0"],
)
def test_a_task_that_is_not_there_is_not_found(
    common_client: httpx.Client, common_house: House, task_id: str
) -> None:
    answer = common_client.get(f"/api/jobs/{common_house.submit(Squares(n=0))}/tasks/{task_id}")
    assert (answer.status_code, check_envelope(answer)["code"]) == (404, "task_not_found")


def test_the_callers_correlation_id_is_echoed_and_a_harmful_one_replaced(
    common_client: httpx.Client,
) -> None:
    def echoed(given: bytes) -> str:
        return common_client.get("/api/livez", headers={b"X-Correlation-Id": given}).headers[
            "x-correlation-id"
        ]

    assert echoed(b"order-66") == "order-66"
    assert re.fullmatch("[0-9a-f]{32}", echoed(b"a b<script>"))
    assert re.fullmatch("[0-9a-f]{32}", echoed(b"x" * 500))


def test_what_nobody_foresaw_is_an_envelope_without_a_word_about_the_inside(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """R122: SQL, hosts and paths stay in the log, under the correlation id."""

    registry = Registry.of(Explosive)
    with house_of(database, registry) as house, serving(house.app()) as url:
        answer = httpx.post(
            f"{url}/api/jobs/submit/explosive", headers={"X-Correlation-Id": "case-7"}, timeout=60
        )
    assert (answer.status_code, check_envelope(answer)["code"]) == (500, "internal")
    assert "case-7" in caplog.text
    assert "db.internal" in caplog.text


def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(house: House) -> None:
    """Fault 35: no partial state, and the service recovers by itself."""
    with serving(house.app()) as url, httpx.Client(base_url=url, timeout=120) as client:
        house.database.pool.close()
        answer = client.post("/api/jobs/submit/squares", json={"n": 1})
        assert (answer.status_code, check_envelope(answer)["code"]) == (503, "service_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        answer = client.get("/api/jobs")
        assert (answer.status_code, check_envelope(answer)["code"]) == (503, "service_unavailable")
