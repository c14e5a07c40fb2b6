"""What people see at a glance, over HTTP: gates, what ended, when tasks ran, jobs by text, and the stream of it all."""

import json
from collections.abc import Iterator

import httpx
import pytest

from core.registry import Registry
from tests.http.house import House, house_of
from tests.http.sample_jobs import JOBS, Failing, Relay, Squares
from tests.pages.sample_jobs import Reviewed


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with house_of(database, Registry.of(*JOBS, Reviewed)) as house:
        yield house


def test_a_gate_is_listed_while_it_waits(house: House, client: httpx.Client) -> None:
    assert client.get("/api/gates").json() == {"gates": []}
    job_id = house.finish(Reviewed(name="Ada"))
    (gate,) = client.get("/api/gates").json()["gates"]
    assert (gate["job_id"], gate["job_type"]) == (job_id, "reviewed")
    assert client.post(f"/api/jobs/{job_id}/gates/{gate['stage']}/approve").status_code == 200
    assert client.get("/api/gates").json() == {"gates": []}


def test_gates_of_a_run_that_was_cancelled_wait_for_nobody(
    house: House, client: httpx.Client
) -> None:
    job_id = house.finish(Reviewed(name="Bob"))
    client.post(f"/api/jobs/{job_id}/cancel")
    assert client.get("/api/gates").json() == {"gates": []}


def test_throughput_tells_what_ended_minute_by_minute(house: House, client: httpx.Client) -> None:
    house.finish(Squares(n=2))
    house.finish(Squares(n=3))
    house.finish(Failing())
    told = client.get("/api/status/throughput").json()
    assert (told["ended"], told["failed"]) == (3, 1)
    assert told["failure_rate"] == pytest.approx(1 / 3, abs=0.001)
    assert [minute["ago"] for minute in told["minutes"]] == list(range(59, -1, -1))
    assert sum(minute["completed"] for minute in told["minutes"]) == 2


def test_throughput_forgets_what_ended_before_the_last_hour(
    house: House, client: httpx.Client
) -> None:
    house.finish(Squares(n=2))
    with house.database.transaction() as conn:
        conn.execute("update app.runs set finished_at = finished_at - interval '61 minutes'")
    assert client.get("/api/status/throughput").json()["ended"] == 0


def test_the_stream_tells_how_it_is_and_then_what_changes(
    house: House, client: httpx.Client
) -> None:
    with client.stream("GET", "/api/status/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        before = pulse(lines)
        assert before["processing"] == 0
        house.submit(Squares(n=2))
        after = next(told for told in iter(lambda: pulse(lines), None) if told["waiting"])
    assert after["latest"] != before["latest"]


def pulse(lines: Iterator[str]) -> dict[str, object]:
    return json.loads(next(line for line in lines if line.startswith("data: "))[6:])


def test_the_timeline_shows_each_task_of_a_short_job(house: House, client: httpx.Client) -> None:
    job_id = house.finish(Relay(n=3))
    told = client.get(f"/api/jobs/{job_id}/timeline").json()
    assert [stage["stage"] for stage in told["stages"]] == ["double", "increase", "total"]
    assert [stage["tasks"] for stage in told["stages"]] == [3, 3, 1]
    assert all(len(stage["busy"]) == 120 for stage in told["stages"])
    assert [len(stage["bars"]) for stage in told["stages"]] == [3, 3, 1]


def test_the_timeline_of_another_time_is_empty(house: House, client: httpx.Client) -> None:
    job_id = house.finish(Relay(n=3))
    then = {"begin": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}
    assert client.get(f"/api/jobs/{job_id}/timeline", params=then).json()["stages"] == []
    wrong = client.get(f"/api/jobs/{job_id}/timeline", params={"begin": "yesterday"})
    assert wrong.status_code == 422
    assert client.get(f"/api/jobs/{'0' * 64}/timeline").status_code == 404


def test_many_tasks_are_told_by_how_many_ran_at_once(house: House, client: httpx.Client) -> None:
    job_id = house.finish(Squares(n=300))
    (stage,) = client.get(f"/api/jobs/{job_id}/timeline").json()["stages"]
    assert (stage["tasks"], stage["bars"]) == (300, None)
    assert max(stage["busy"]) > 0


def test_jobs_are_found_by_text_in_parameters_type_and_error(
    house: House, client: httpx.Client
) -> None:
    failing, squares = house.finish(Failing()), house.finish(Squares(n=77))

    def found(text: str, **more: str) -> list[str]:
        jobs = client.get("/api/jobs", params={"text": text, **more}).json()["jobs"]
        return [job["job_id"] for job in jobs]

    assert found('"N": 77') == [squares]
    assert found("failing") == [failing]
    error = client.get(f"/api/jobs/{failing}").json()["error"]["message"]
    assert found(error.upper()) == [failing]
    assert found("failing", status="completed") == []
    assert found("no such text") == []
    assert found("%") == found("_%_") == []


def test_a_search_by_text_goes_on_where_the_page_before_ended(
    house: House, client: httpx.Client
) -> None:
    wanted = [house.finish(Squares(n=n)) for n in range(1, 6)]
    house.finish(Failing())
    seen: list[str] = []
    asked = {"text": "squares", "limit": "2"}
    while True:
        page = client.get("/api/jobs", params=asked).json()
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert seen == wanted[::-1]


def test_a_run_that_another_has_replaced_is_not_found(house: House, client: httpx.Client) -> None:
    job_id = house.finish(Squares(n=5))
    house.submit(Squares(n=5), force=True)
    house.work()
    jobs = client.get("/api/jobs", params={"text": "squares"}).json()["jobs"]
    assert [(job["job_id"], job["run"]) for job in jobs] == [(job_id, 2)]
