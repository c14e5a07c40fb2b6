"""Control over HTTP: what verbs answer, and what they are told when a state forbids them."""

from typing import Any

import httpx
import pytest

from core.registry import Registry
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import Choosy, Failing, Relay, Squares
from tests.store.sample_jobs import Gated

NOBODY = "ab" * 32


def post(client: httpx.Client, path: str, body: Any = None, expected: int = 200) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == expected, answer.text
    return answer.json()


def test_a_job_is_cancelled_once_and_the_second_operator_is_told(
    client: httpx.Client, house: House
) -> None:
    """R37: with the reason, which the history and every list keep."""
    job_id = house.submit(Squares(n=3))
    first = post(client, f"/api/jobs/{job_id}/cancel", {"reason": "the wrong year"})
    assert (first["status"], first["run"], first["changed"]) == ("cancelled", 1, True)
    again = post(client, f"/api/jobs/{job_id}/cancel")
    assert (again["status"], again["changed"]) == ("cancelled", False)
    job = client.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["error"]["message"]) == (
        "cancelled",
        "cancelled by anonymous: the wrong year",
    )
    told = client.get(f"/api/jobs/{job_id}/events").json()["events"][-1]
    assert told["data"] == {"run": 1, "by": "anonymous", "reason": "the wrong year"}
    answer = client.get(f"/api/jobs/{job_id}/result")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "The job was cancelled by anonymous: the wrong year.",
    )


def test_a_job_is_paused_and_resumed(client: httpx.Client, house: House) -> None:
    job_id = house.submit(Squares(n=3))
    house.work(turns=1)
    assert post(client, f"/api/jobs/{job_id}/pause")["status"] == "paused"
    assert house.claim() == []
    tasks = client.get(f"/api/jobs/{job_id}/tasks?status=waiting").json()["tasks"]
    assert [(t["needs_decision"], t["due_at"]) for t in tasks] == [(False, None)] * 3
    assert post(client, f"/api/jobs/{job_id}/resume")["status"] == "processing"
    house.work()
    assert client.get(f"/api/jobs/{job_id}").json()["status"] == "completed"


def test_a_job_that_failed_is_resubmitted_and_a_running_one_is_not(
    client: httpx.Client, house: House
) -> None:
    """R36."""
    job_id = house.finish(Failing())
    again = post(client, f"/api/jobs/{job_id}/resubmit", expected=202)
    assert (again["run"], again["status"], again["changed"]) == (2, "queued", True)
    problem = post(client, f"/api/jobs/{job_id}/resubmit", {"force": True}, expected=409)
    assert problem["code"] == "job_still_running"
    assert "cancel it first" in problem["detail"]


def test_a_job_that_completed_needs_force(client: httpx.Client, house: House) -> None:
    """R34."""
    job_id = house.finish(Choosy(count=2))
    assert post(client, f"/api/jobs/{job_id}/resubmit", expected=409)["code"] == "needs_force"
    assert post(client, f"/api/jobs/{job_id}/resubmit", {"force": True}, expected=202)["run"] == 2


def test_a_replayed_job_shows_the_tasks_that_it_took_over(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Relay(n=4, bad=1))
    before = client.get(f"/api/jobs/{job_id}/tasks").json()["tasks"]
    again = post(client, f"/api/jobs/{job_id}/replay", {"stage": "total"}, expected=202)
    assert "double, increase: taken over" in again["message"]
    house.work()
    job = client.get(f"/api/jobs/{job_id}").json()
    assert (job["run"], job["status"], job["progress"]) == (2, "completed_with_errors", 1.0)
    assert job["stages"][0]["counts"]["completed"] == 3
    found, path = [], f"/api/jobs/{job_id}/tasks?limit=2"
    while path:
        page = client.get(path).json()
        found += page["tasks"]
        path = page["links"]["next"]
    assert [t["task_id"] for t in found[:-1]] == [t["task_id"] for t in before[:-1]]
    assert found[-1]["task_id"] != before[-1]["task_id"]
    failed = client.get(f"/api/jobs/{job_id}/tasks?status=failed").json()["tasks"]
    assert [t["index"] for t in failed] == [1]
    assert client.get(f"/api/jobs/{job_id}/tasks?stage=total").json()["tasks"] == [found[-1]]


def test_one_failed_task_is_retried(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Relay(n=4, bad=1))
    (failed,) = client.get(f"/api/jobs/{job_id}/tasks?status=failed").json()["tasks"]
    path = f"/api/jobs/{job_id}/tasks/{failed['task_id']}/retry"
    assert post(client, path, expected=202)["run"] == 2
    house.work()
    assert post(client, path, expected=404)["code"] == "task_not_found"
    (done, *_) = client.get(f"/api/jobs/{job_id}/tasks?stage=double&status=completed").json()[
        "tasks"
    ]
    path = f"/api/jobs/{job_id}/tasks/{done['task_id']}/retry"
    assert "is completed" in post(client, path, expected=409)["detail"]


def test_a_job_is_deleted_after_a_look_at_what_would_go(client: httpx.Client, house: House) -> None:
    job_id = house.submit(Squares(n=2))
    assert client.delete(f"/api/jobs/{job_id}?dry_run=true").status_code == 409
    house.work()
    told = client.delete(f"/api/jobs/{job_id}?dry_run=true").json()
    assert (told["runs"], told["tasks"], told["gone"], told["dry_run"]) == (1, 3, False, True)
    gone = client.delete(f"/api/jobs/{job_id}").json()
    assert (gone["tasks"], gone["events"], gone["gone"]) == (3, told["events"], True)
    assert client.get(f"/api/jobs/{job_id}").status_code == 404
    assert client.delete(f"/api/jobs/{job_id}").status_code == 404
    notes = client.get("/api/audit").json()["notes"]
    assert [(note["by"], note["action"], note["subject"]) for note in notes] == [
        ("anonymous", "job_deleted", job_id)
    ]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("cancel", {"raeson": "x"}, "invalid_parameters"),
        ("cancel", {"reason": 5}, "invalid_parameters"),
        ("cancel", {"reason": "x\0"}, "invalid_parameters"),
        ("resubmit", {"force": "yes"}, "invalid_parameters"),
        ("replay", {}, "invalid_parameters"),
        ("replay", {"stage": "nowhere"}, "stage_not_found"),
        ("gates/nowhere/approve", {}, "job_ended"),
    ],
)
def test_a_verb_that_is_told_nonsense_says_so(
    common_client: httpx.Client, common_house: House, path: str, body: Any, code: str
) -> None:
    job_id = common_house.finish(Choosy(count=1))
    answer = common_client.post(f"/api/jobs/{job_id}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (
        409 if code == "job_ended" else 422,
        code,
    )


@pytest.mark.parametrize(
    "path",
    ["cancel", "pause", "resume", "resubmit", "tasks/1-0-0/retry", "gates/review/reject"],
)
@pytest.mark.parametrize("job_id", [NOBODY, "none", "%00", NOBODY.upper()])
def test_no_verb_finds_a_job_that_is_not_there(
    common_client: httpx.Client, path: str, job_id: str
) -> None:
    answer = common_client.post(f"/api/jobs/{job_id}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("task", ["x", "1-0", "1-99-0", "99999999999999999999-0-0", "1-0--5"])
def test_a_task_that_is_not_there_is_not_retried(
    common_client: httpx.Client, common_house: House, task: str
) -> None:
    job_id = common_house.finish(Failing(label="no such task"))
    answer = common_client.post(f"/api/jobs/{job_id}/tasks/{task}/retry")
    assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")


def test_a_gate_is_settled_once(database: str) -> None:
    """R85: the second person is told."""
    with (
        house_of(database, Registry.of(Gated)) as house,
        serving(house.app()) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        job_id = house.submit(Gated())
        early = post(client, f"/api/jobs/{job_id}/gates/review/approve", expected=409)
        assert "is not waiting for a decision" in early["detail"]
        house.work()
        done = post(client, f"/api/jobs/{job_id}/gates/review/approve", {"note": "lovely"})
        assert (done["status"], done["message"]) == (
            "processing",
            "review is approved by anonymous.",
        )
        late = post(client, f"/api/jobs/{job_id}/gates/review/reject", expected=409)
        assert "settled already" in late["detail"]
        house.work()
        assert client.get(f"/api/jobs/{job_id}").json()["result"] == "anonymous"
