"""Several operators press the same button at the same moment: one acts, and the others are told."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import psycopg
import pytest

from core.registry import Registry
from core.tasks import TaskKey, Wakeup
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import JOBS, Failing, Relay, Squares
from tests.store.sample_jobs import Gated

OPERATORS = 5


@pytest.fixture
def house(database: str):
    with house_of(database, Registry.of(*JOBS, Gated)) as house:
        yield house


@pytest.fixture
def client(house: House):
    with (
        serving(house.app()) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def at_once(press: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """All operators press as simultaneously as threads can."""
    ready = Barrier(OPERATORS)

    def wait_and_press(number: int) -> httpx.Response:
        ready.wait(120)
        return press(number)

    with ThreadPoolExecutor(OPERATORS) as pool:
        return list(pool.map(wait_and_press, range(OPERATORS)))


def told(answers: list[httpx.Response]) -> Counter:
    """How often each answer was given: its status, and whether it changed something, or the code of the problem."""
    return Counter((a.status_code, a.json().get("code", a.json().get("changed"))) for a in answers)


def noted(house: House, action: str) -> int:
    with psycopg.connect(house.database.dsn) as conn:
        return conn.execute(
            "select count(*) from app.audit where action = %s", [action]
        ).fetchone()[0]


def whats(client: httpx.Client, job_id: str) -> Counter:
    events = client.get(f"/api/jobs/{job_id}/events?limit=500").json()["events"]
    return Counter(event["what"] for event in events)


def test_a_job_is_paused_resumed_and_cancelled_once(client: httpx.Client, house: House) -> None:
    """R37: every operator is told where the job stands now."""
    job_id = house.submit(Squares(n=3))
    for verb in ("pause", "resume", "cancel"):
        answers = at_once(lambda _, verb=verb: client.post(f"/api/jobs/{job_id}/{verb}"))
        assert told(answers) == {(200, True): 1, (200, False): OPERATORS - 1}, verb
    found = whats(client, job_id)
    assert (found["job_paused"], found["job_resumed"], found["job_cancelled"]) == (1, 1, 1)


def test_a_job_is_resubmitted_once(client: httpx.Client, house: House) -> None:
    """R36."""
    job_id = house.finish(Failing())
    answers = at_once(lambda _: client.post(f"/api/jobs/{job_id}/resubmit"))
    assert told(answers) == {(202, True): 1, (409, "job_still_running"): OPERATORS - 1}
    assert client.get(f"/api/jobs/{job_id}").json()["run"] == 2


def test_a_failed_task_is_retried_once(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Relay(n=4, bad=1))
    (failed,) = client.get(f"/api/jobs/{job_id}/tasks?status=failed").json()["tasks"]
    path = f"/api/jobs/{job_id}/tasks/{failed['task_id']}/retry"
    answers = at_once(lambda _: client.post(path))
    found = told(answers)
    assert found.pop((202, True)) == 1
    assert {status for status, _ in found} <= {404, 409}, found
    assert client.get(f"/api/jobs/{job_id}").json()["run"] == 2


def test_a_gate_is_settled_by_one(client: httpx.Client, house: House) -> None:
    """R85: also when some approve and some reject."""
    job_id = house.submit(Gated())
    house.work()
    verbs = ("approve", "reject")
    answers = at_once(lambda n: client.post(f"/api/jobs/{job_id}/gates/review/{verbs[n % 2]}"))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: OPERATORS - 1}


def test_a_job_is_deleted_once(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Squares(n=2))
    answers = at_once(lambda _: client.delete(f"/api/jobs/{job_id}"))
    assert {answer.status_code for answer in answers} <= {200, 202, 404}
    assert client.get(f"/api/jobs/{job_id}").status_code == 404
    assert noted(house, "job_deleted") == 1


def test_limits_set_at_once_are_one_of_those_asked_for_and_all_are_noted(
    client: httpx.Client, house: House
) -> None:
    path = "/api/limits/squares"
    answers = at_once(
        lambda n: client.put(path, json={"max_running": n, "rate": f"{n + 1}/minute"})
    )
    assert {answer.status_code for answer in answers} == {200}
    assert noted(house, "limit_changed") == OPERATORS
    limit = client.get(path).json()
    assert limit["rate"] == f"{limit['max_running'] + 1}/minute"
    last = client.get("/api/audit?action=limit_changed&limit=1").json()["notes"][0]
    assert last["data"]["max_running"] == limit["max_running"]


def test_a_delivery_is_replayed_once(client: httpx.Client, house: House) -> None:
    """R131: the receiver is not called twice because two people asked."""
    hook = client.post("/api/webhooks", json={"url": "https://93.184.215.14/hook"}).json()
    sent = client.post(f"{hook['links']['self']}/test").json()
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("update app.deliveries set status = 'failed', tries = 9, ended_at = now()")
    path = f"{hook['links']['deliveries']}/{sent['id']}/replay"
    assert told(at_once(lambda _: client.post(path))) == {
        (202, True): 1,
        (202, False): OPERATORS - 1,
    }
    assert noted(house, "delivery_replayed") == 1


def test_a_message_that_was_set_aside_is_replayed_once(client: httpx.Client, house: House) -> None:
    run = house.machine.submit(Squares(n=1)).run
    house.store.quarantine("jobs", "m", Wakeup(TaskKey(run.run, 0, 0), 0).encode(), "dead letter")
    (letter,) = client.get("/api/dead-letters").json()["letters"]
    answers = at_once(lambda _: client.post(f"/api/dead-letters/{letter['id']}/replay"))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 404: OPERATORS - 1}
    assert noted(house, "letter_replayed") == 1
