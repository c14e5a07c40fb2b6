"""Priorities, order and limits over HTTP, and why a job waits."""

from typing import Any

import httpx
import pytest

from core import Context, JobBase, single
from core.admission.terms import Concurrency
from core.registry import Registry
from core.states import JobStatus
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import JOBS


class Writes(JobBase, concurrency=Concurrency("{table}", at_most=2), rate="100/minute"):
    """Two at a time for each table."""

    table: str = "roads"
    label: str = ""

    @single
    def write(self, ctx: Context) -> str:
        return self.label


@pytest.fixture
def house(database: str):
    with house_of(database, Registry.of(*JOBS, Writes)) as house:
        yield house


@pytest.fixture
def client(house: House):
    with serving(house.app()) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


def submit(client: httpx.Client, job_type: str, body: Any = None, **query: Any) -> dict[str, Any]:
    answer = client.post(f"/api/jobs/submit/{job_type}", json=body, params=query)
    assert answer.status_code == 202, answer.text
    return answer.json()


def refused(client: httpx.Client, job_type: str, body: Any = None, **query: Any) -> tuple[int, str]:
    answer = client.post(f"/api/jobs/submit/{job_type}", json=body, params=query)
    return answer.status_code, answer.json()["code"]


def waiting(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any] | None:
    return client.get(job["links"]["status"]).json()["waiting"]


def write(client: httpx.Client, label: str, **query: Any) -> dict[str, Any]:
    return submit(client, "writes", {"label": label}, **query)


def test_a_job_that_waits_for_its_turn_says_who_has_it(client: httpx.Client, house: House) -> None:
    jobs = [write(client, str(n)) for n in range(4)]
    assert [job["waits"] for job in jobs] == [False, False, True, True]
    assert jobs[2]["message"] == "The job waits to run for the first time."
    assert waiting(client, jobs[0]) is None
    why = waiting(client, jobs[3])
    assert why == {
        "reason": "concurrency",
        "message": "2 run(s) of 'writes:roads' may run at once, and do; 1 go first",
        "key": "writes:roads",
        "jobs": [jobs[0]["job_id"], jobs[1]["job_id"]],
    }
    lines = client.get("/api/jobs").json()["jobs"]
    assert [line["waiting"] for line in lines] == [True, True, False, False]
    house.work()
    status = client.get(jobs[3]["links"]["status"]).json()
    assert (status["status"], status["waiting"]) == ("completed", None)


def test_a_priority_is_shown_and_goes_first(client: httpx.Client, house: House) -> None:
    submit(client, "squares", {"n": 1})
    urgent = submit(client, "squares", {"n": 2}, priority=100)
    assert client.get(urgent["links"]["self"]).json()["priority"] == 100
    assert house.store.run(house.claim(1)[0].key.run).job_id == urgent["job_id"]
    for bad in (101, -101, "high"):
        assert refused(client, "squares", {"n": 3}, priority=bad) == (422, "invalid_parameters")


def test_a_job_after_others_says_for_which_it_waits(client: httpx.Client, house: House) -> None:
    one, two = (submit(client, "squares", {"n": n}) for n in (1, 2))
    ids = [one["job_id"], two["job_id"]]
    last = submit(client, "relay", after=ids, after_success=True)
    why = waiting(client, last)
    assert why is not None
    assert (why["reason"], why["jobs"]) == ("dependencies", ids)
    house.work()
    assert client.get(last["links"]["self"]).json()["status"] == "completed"


def test_a_job_whose_dependency_failed_says_so(client: httpx.Client, house: House) -> None:
    bad = submit(client, "failing")
    last = submit(client, "relay", after=bad["job_id"], after_success=True)
    house.work()
    status = client.get(last["links"]["self"]).json()
    assert (status["status"], status["error"]["code"]) == ("cancelled", "dependency_failed")
    assert bad["job_id"] in status["error"]["message"]
    assert "was cancelled" in client.get(last["links"]["result"]).json()["detail"]


def test_wrong_orders_are_refused_with_the_reason(client: httpx.Client) -> None:
    one = submit(client, "squares", {"n": 1})
    two = submit(client, "squares", {"n": 2}, after=one["job_id"])
    assert refused(client, "relay", after="nonsense") == (422, "invalid_parameters")
    assert refused(client, "relay", after="f" * 64) == (422, "unknown_dependency")
    assert refused(client, "squares", {"n": 1}, after=one["job_id"]) == (422, "bad_input")
    assert refused(client, "squares", {"n": 1}, after=two["job_id"]) == (409, "dependency_cycle")
    other = submit(client, "squares", {"n": 3})
    assert refused(client, "squares", {"n": 2}, after=other["job_id"]) == (409, "already_submitted")


def test_keys_are_listed_with_who_holds_them_and_who_waits(client: httpx.Client) -> None:
    jobs = [write(client, str(n)) for n in range(3)]
    urgent = write(client, "urgent", priority=7)
    submit(client, "writes", {"table": "rivers"})
    page = client.get("/api/concurrency", params={"limit": 1}).json()
    (rivers,) = page["keys"]
    assert (rivers["key"], rivers["waiting"], len(rivers["holders"])) == ("writes:rivers", 0, 1)
    page = client.get(page["links"]["next"]).json()
    (roads,) = page["keys"]
    assert page["links"]["next"] is None
    assert (roads["at_most"], roads["waiting"]) == (2, 2)
    assert [h["job_id"] for h in roads["holders"]] == [jobs[0]["job_id"], jobs[1]["job_id"]]
    assert [n["job_id"] for n in roads["next"]] == [urgent["job_id"], jobs[2]["job_id"]]
    assert roads["next"][0]["priority"] == 7


def test_an_operator_sets_and_lifts_limits(client: httpx.Client, house: House) -> None:
    assert client.get("/api/limits/writes").json() == {
        "job_type": "writes",
        "max_running": None,
        "rate": None,
        "own_rate": "100/minute",
        "set_by": None,
        "set_at": None,
        "running": 0,
        "waiting": 0,
    }
    answer = client.put("/api/limits/squares", json={"max_running": 1, "rate": "2/hour"})
    assert (answer.status_code, answer.json()["set_by"]) == (200, "anonymous")
    jobs = [submit(client, "squares", {"n": n}) for n in range(4)]
    why = waiting(client, jobs[1])
    assert why is not None
    assert why["reason"] == "max_running"
    assert client.get("/api/limits/squares").json()["waiting"] == 3
    house.work()
    why = waiting(client, jobs[2])
    assert why is not None
    assert why["reason"] == "rate"
    assert "2/3600 seconds" not in why["message"]
    assert why["message"].startswith("2/hour may start; the next one in ")
    assert client.put("/api/limits/squares", json={}).json()["waiting"] == 0
    house.work()
    assert {client.get(job["links"]["self"]).json()["status"] for job in jobs} == {"completed"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"max_running": -1}, "invalid_parameters"),
        ({"max_running": "3"}, "invalid_parameters"),
        ({"rate": "often"}, "bad_input"),
        ({"rate": "1/9 days"}, "bad_input"),
        ({"rate": "0/minute"}, "bad_input"),
        ({"most": 3}, "invalid_parameters"),
    ],
)
def test_a_limit_that_is_none_is_refused(client: httpx.Client, body: Any, code: str) -> None:
    answer = client.put("/api/limits/squares", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_limits_of_an_unknown_job_type_are_none(client: httpx.Client) -> None:
    assert client.get("/api/limits/sqares").json()["code"] == "unknown_job_type"
    assert client.put("/api/limits/sqares", json={}).status_code == 404


def test_a_waiting_job_streams_its_events_and_is_cancelled_like_any_other(
    client: httpx.Client, house: House
) -> None:
    jobs = [write(client, str(n)) for n in range(3)]
    events = client.get(jobs[2]["links"]["events"]).json()["events"]
    assert [event["what"] for event in events] == ["job_submitted"]
    record = house.reader.job(jobs[2]["job_id"])
    assert record is not None
    with house.store.turn(record.run.run) as turn:
        turn.finish(JobStatus.CANCELLED)
    house.machine.sweep(record.run.run)
    status = client.get(jobs[2]["links"]["self"]).json()
    assert (status["status"], status["waiting"], status["started_at"]) == ("cancelled", None, None)


def test_a_job_type_tells_its_limits(client: httpx.Client) -> None:
    told = client.get("/api/job-types/writes").json()
    assert (told["concurrency"], told["at_most"], told["rate"]) == ("{table}", 2, "100/minute")
