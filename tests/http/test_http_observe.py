"""Metrics, task logs and request logs over HTTP."""

import logging
import re
import threading
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from core.registry import Registry
from infrastructure.database import Database
from infrastructure.gauges import LoadCollector
from infrastructure.load import PostgresScales
from tests.http.house import House, house_of
from tests.http.sample_jobs import JOBS, Failing, Squares, Talker
from tests.support.metrics import Fixed
from tests.support.waiting import eventually


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with house_of(database, Registry.of(*JOBS, Talker)) as house:
        yield house


def samples(client: httpx.Client, path: str = "/metrics") -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels in the order of their names."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


# metrics


def test_metrics_tell_what_this_process_did_and_what_there_is_to_do(
    client: httpx.Client, house: House
) -> None:
    client.post("/api/jobs/submit/squares", json={"n": 4})
    house.work()
    house.finish(Failing())
    house.submit(Squares(n=3))
    eventually(lambda: samples(client)["coremachine_database_up",])  # it is asked only so long
    found = samples(client)
    assert found["coremachine_jobs_submitted_total", "squares"] == 2
    assert found["coremachine_jobs_ended_total", "squares", "completed"] == 1
    assert found["coremachine_jobs_ended_total", "failing", "failed"] == 1
    assert found["coremachine_task_attempts_total", "squares", "completed", "square"] == 4
    assert found["coremachine_task_attempts_total", "squares", "planned", "square"] == 1
    assert found["coremachine_task_attempts_total", "failing", "failed", "fail"] == 1
    assert found["coremachine_task_duration_seconds_count", "squares", "square"] == 5
    assert found["coremachine_stage_close_latency_seconds_count", "squares"] == 1
    assert found["coremachine_queue_tasks", "squares", "jobs", "due"] == 1
    assert found["coremachine_jobs", "queued"] == 1
    assert found["coremachine_database_up",] == 1
    route = "/api/jobs/submit/{job_type}"
    assert found["coremachine_http_requests_total", "POST", route, "202"] == 1
    assert found["coremachine_pool_max_connections", "jobs"] >= 2


def test_both_addresses_tell_the_same_in_the_format_that_is_asked_for(client: httpx.Client) -> None:
    assert samples(client).keys() <= samples(client, "/api/metrics").keys()
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = client.get("/api/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert list(open_families(answer.text))


def test_what_callers_make_up_becomes_no_label(client: httpx.Client) -> None:
    """Paths, methods and ids are without number; series must not be."""
    for n in range(5):
        client.get(f"/api/nothing/{n}")
        client.get(f"/api/jobs/{n:064x}")
        client.request("PROPFIND", "/api/jobs")
    labels = {key[1:3] for key in samples(client) if key[0] == "coremachine_http_requests_total"}
    assert labels == {("GET", "unmatched"), ("GET", "/api/jobs/{job_id}"), ("OTHER", "/api/jobs")}


def test_without_a_database_the_process_still_tells_of_itself(house: House) -> None:
    collector = LoadCollector(PostgresScales(Database("host=127.0.0.1 port=1")))
    assert [metric.name for metric in collector.collect()] == ["coremachine_database_up"]


def test_a_database_that_hangs_delays_a_scrape_only_so_long() -> None:
    """And is not asked again before it has answered."""
    go, asked = threading.Event(), []

    class Hanging(Fixed):
        def load(self):
            asked.append(1)
            go.wait(300)
            return super().load()

    collector = LoadCollector(Hanging(), deadline=0.05)
    for _ in range(3):
        (up,) = collector.collect()
        assert up.samples[0].value == 0
    eventually(lambda: asked)
    assert len(asked) == 1
    go.set()


# what tasks logged


def messages(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [line["message"] for line in answer.json()["lines"]]


def test_the_log_of_a_job_comes_in_pages(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Talker(n=4))
    url, found = f"/api/jobs/{job_id}/logs?limit=4", []
    while url:
        answer = client.get(url)
        found += messages(answer)
        url = answer.json()["links"]["next"]
    told = ["number 0", "number 1", "odd: 1", "number 2", "number 3", "odd: 3"]
    assert sorted(found) == sorted(told)
    line = client.get(f"/api/jobs/{job_id}/logs?limit=1").json()["lines"][0]
    assert (line["stage"], line["level"], line["attempt"]) == ("talk", "INFO", 1)
    assert client.get(f"/api/jobs/{job_id}").json()["links"]["logs"] == f"/api/jobs/{job_id}/logs"


def test_a_log_is_narrowed_to_a_task_and_to_what_matters(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Talker(n=4))
    tasks = client.get(f"/api/jobs/{job_id}/tasks").json()["tasks"]
    third = next(t["task_id"] for t in tasks if t["task_id"].endswith("-3"))
    answer = client.get(f"/api/jobs/{job_id}/logs", params={"task_id": third})
    assert messages(answer) == ["number 3", "odd: 3"]
    assert answer.json()["dropped"] == 0
    answer = client.get(f"/api/jobs/{job_id}/logs?level=warning")
    assert sorted(messages(answer)) == ["odd: 1", "odd: 3"]
    assert answer.json()["dropped"] is None


def test_a_log_is_followed_from_the_last_line_that_is_known(
    client: httpx.Client, house: House
) -> None:
    job_id = house.submit(Talker(n=3))
    assert messages(client.get(f"/api/jobs/{job_id}/logs")) == []
    house.work()
    lines = client.get(f"/api/jobs/{job_id}/logs").json()["lines"]
    after = lines[1]["id"]
    answer = client.get(f"/api/jobs/{job_id}/logs?after={after}")
    assert messages(answer) == [line["message"] for line in lines[2:]]
    assert answer.json()["next"] is None


def test_a_log_of_what_does_not_exist_is_a_problem(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Talker(n=1))
    other = house.finish(Talker(n=2))
    theirs = client.get(f"/api/jobs/{other}/tasks").json()["tasks"][0]["task_id"]
    for path, status, code in [
        (f"/api/jobs/{'0' * 64}/logs", 404, "job_not_found"),
        (f"/api/jobs/{job_id}/logs?task_id=7", 404, "task_not_found"),
        (f"/api/jobs/{job_id}/logs?task_id={theirs}", 404, "task_not_found"),
        (f"/api/jobs/{job_id}/logs?level=loud", 422, "invalid_parameters"),
        (f"/api/jobs/{job_id}/logs?after=-1", 422, "invalid_parameters"),
    ]:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_a_new_run_has_a_log_of_its_own_and_the_old_one_stays(
    client: httpx.Client, house: House
) -> None:
    job = Talker(n=1)
    house.finish(job)
    first = client.get(f"/api/jobs/{job.fingerprint}/tasks").json()["tasks"][-1]["task_id"]
    house.submit(job, force=True)
    assert messages(client.get(f"/api/jobs/{job.fingerprint}/logs")) == []
    answer = client.get(f"/api/jobs/{job.fingerprint}/logs", params={"task_id": first})
    assert messages(answer) == ["number 0"]


def test_lines_of_a_job_that_is_deleted_meanwhile_stop_nobody(house: House) -> None:
    """A log has no master: what is left of it goes with its age."""
    house.submit(Talker(n=1))
    house.work(turns=1)
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("truncate app.task_logs")
    house.work()


# what the web app logs


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str] | None:
    """The web app's own lines; the last one is written after its answer was sent."""
    lines = [r.getMessage() for r in caplog.records if r.name == "coremachine.http"]
    return lines if any("404" in line for line in lines) else None


def test_a_request_is_logged_with_its_correlation_id_and_without_its_query(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Links carry their keys in the query."""
    with caplog.at_level(logging.INFO, "coremachine.http"):
        client.get("/api/job-types?sig=hunter2", headers={"X-Correlation-Id": "mine"})
        client.get("/api/livez")
        client.get("/api/a%0Ab")
        lines = eventually(lambda: lines_of(caplog))
    assert len(lines) == 2
    assert re.fullmatch(r"GET /api/job-types 422 in [\d.]+ ms", lines[0])
    assert lines[1].startswith(r"GET /api/a\nb 404")
