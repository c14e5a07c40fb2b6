"""Looking at jobs and their tasks over HTTP."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.http.house import House
from tests.http.sample_jobs import Choosy, Failing, Long, Relay, Squares


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(client: httpx.Client, path: str, **query: Any) -> list[Any]:
    """Every page of a list, by following links.next."""
    found = [get(client, path, **query)]
    while link := found[-1]["links"]["next"]:
        found.append(get(client, link))
    return found


def test_a_new_job_shows_its_whole_plan(client: httpx.Client, house: House) -> None:
    job = get(client, f"/api/jobs/status/{house.submit(Relay(n=4))}")
    assert (job["status"], job["progress"], job["result"], job["error"]) == (
        "queued",
        0,
        None,
        None,
    )
    assert [(s["name"], s["status"]) for s in job["stages"]] == [
        ("double", "expanding"),
        ("increase", "not_opened"),
        ("total", "not_opened"),
    ]
    assert job["stages"][2]["reads"] == ["increase"]
    assert job["created_at"].endswith("Z")
    assert (job["started_at"], job["finished_at"]) == (None, None)


def test_progress_grows_with_every_task_that_ends(client: httpx.Client, house: House) -> None:
    job_id = house.submit(Relay(n=4))
    house.work(turns=1)
    house.runner.run(house.claim(limit=1))
    job = get(client, f"/api/jobs/status/{job_id}")
    double = job["stages"][0]
    assert (double["status"], double["total"], double["progress"]) == ("open", 4, 0.25)
    assert (double["counts"]["completed"], double["counts"]["queued"]) == (1, 3)
    assert job["progress"] == pytest.approx(0.25 / 3, abs=1e-4)
    assert job["task_summary"]["by_status"]["queued"] == 3


def test_a_task_that_reports_its_progress_moves_its_stage(
    client: httpx.Client, house: House
) -> None:
    job_id = house.submit(Choosy(count=1))
    (claim,) = house.claim()
    house.store.renew(claim, house.worker.session, 0.4, "warping")
    stage = get(client, f"/api/jobs/status/{job_id}")["stages"][0]
    assert (stage["progress"], stage["counts"]["processing"]) == (0.4, 1)
    (task,) = get(client, f"/api/jobs/{job_id}/tasks")["tasks"]
    assert (task["progress"], task["note"]) == (pytest.approx(0.4), "warping")
    assert task["worker"] == str(house.worker.session)


def test_a_completed_job_tells_its_result_and_its_counts(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Relay(n=4))
    job = get(client, f"/api/jobs/{job_id}")
    assert job == get(client, f"/api/jobs/status/{job_id}")
    assert (job["status"], job["progress"], job["result"]) == ("completed", 1.0, 2 * 6 + 4)
    assert [stage["counts"]["completed"] for stage in job["stages"]] == [4, 4, 1]
    assert job["task_summary"]["total"] == 9
    assert job["started_at"] < job["finished_at"]
    assert job["runs"] is None
    assert get(client, f"/api/jobs/{job_id}/result") == 16


def test_a_job_that_goes_on_without_some_tasks_says_so(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Relay(n=4, bad=2))
    job = get(client, f"/api/jobs/{job_id}")
    assert (job["status"], job["result"]) == ("completed_with_errors", 0 + 2 + 6 + 3)
    assert (job["stages"][0]["verdict"], job["stages"][0]["counts"]["failed"]) == ("errors", 1)


def test_a_failed_job_tells_its_first_failure_and_owes_no_result(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Failing())
    job = get(client, f"/api/jobs/{job_id}")
    assert (job["status"], job["error"]["stage"]) == ("failed", "fail")
    assert job["error"]["message"] == "there is no coordinate system; pass source_crs"
    assert "trace" not in job["error"]
    assert get(client, f"/api/jobs/{job_id}/tasks/{job['error']['task']}")["status"] == "failed"
    answer = client.get(f"/api/jobs/{job_id}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_result")
    assert "no coordinate system" in answer.json()["detail"]


def test_a_running_job_has_no_result_yet(client: httpx.Client, house: House) -> None:
    answer = client.get(f"/api/jobs/{house.submit(Squares(n=1))}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "result_not_ready")


def test_earlier_runs_are_shown_when_asked_for(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Squares(n=1))
    house.submit(Squares(n=1), force=True)
    job = get(client, f"/api/jobs/{job_id}", verbose="true")
    assert [(run["run"], run["status"]) for run in job["runs"]] == [(2, "queued"), (1, "completed")]
    assert (job["run"], job["status"]) == (2, "queued")


def test_a_long_result_is_streamed_from_its_blob(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Long(size=3_000_000))
    job = get(client, f"/api/jobs/{job_id}")
    assert (job["result"], job["result_streamed"]) == (None, True)
    assert get(client, f"/api/jobs/{job_id}/result") == "x" * 3_000_000


def test_a_result_whose_blob_is_gone_is_an_error_and_no_broken_stream(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Long())
    record = house.reader.job(job_id)
    assert record is not None
    house.blobs.delete(record.result.ref)
    answer = client.get(f"/api/jobs/{job_id}/result")
    assert (answer.status_code, answer.json()["code"]) == (404, "blob_not_found")


@pytest.mark.parametrize("n", [0, 1, 450])
def test_a_last_stage_of_many_tasks_gives_a_list_in_task_order(
    client: httpx.Client, house: House, n: int
) -> None:
    job_id = house.finish(Squares(n=n))
    assert get(client, f"/api/jobs/{job_id}")["result_streamed"] is True
    assert get(client, f"/api/jobs/{job_id}/result") == [
        {"n": i, "square": i * i} for i in range(n)
    ]


def test_a_list_of_twenty_thousand_results_passes_through_without_staying(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Squares(n=1))
    add_results(house, 20_000, 1_000)
    path, size = f"/api/jobs/{job_id}/result", 0
    client.get("/api/livez")
    tracemalloc.start()
    try:
        with client.stream("GET", path) as answer:
            for piece in answer.iter_raw():
                size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 4_000_000


def add_results(house: House, count: int, size: int) -> None:
    """More completed tasks of the only run, as if it had had them."""
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute(
            "insert into app.tasks (run_id, stage, idx, queue, status, result) "
            "select run_id, 0, n, 'tasks-light', 'completed', to_jsonb(repeat('x', %s)) "
            "from app.runs, generate_series(1, %s) n",
            [size, count - 1],
        )


# lists of jobs


def test_pages_hold_every_job_once_while_jobs_arrive(client: httpx.Client, house: House) -> None:
    ids = [house.submit(Squares(n=n)) for n in range(7)]
    page = get(client, "/api/jobs", limit=3)
    seen = [job["job_id"] for job in page["jobs"]]
    while page["next"]:
        house.submit(Squares(n=100 + len(seen)))
        page = get(client, "/api/jobs", limit=3, cursor=page["next"])
        seen += [job["job_id"] for job in page["jobs"]]
    assert seen == ids[::-1]


def test_links_lead_through_the_pages_with_their_filters(
    client: httpx.Client, house: House
) -> None:
    for n in range(4):
        house.submit(Squares(n=n))
        house.submit(Choosy(count=n + 1))
    found = pages(client, "/api/jobs", job_type="choosy", limit=2)
    assert [len(page["jobs"]) for page in found] == [2, 2]
    assert {job["job_type"] for page in found for job in page["jobs"]} == {"choosy"}
    assert found[-1]["next"] is None


def test_jobs_are_found_by_status_type_time_and_beginning_of_their_id(
    client: httpx.Client, house: House
) -> None:
    failed, waiting = house.finish(Failing()), house.submit(Squares(n=1))
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    def ids(**query: Any) -> list[str]:
        return [job["job_id"] for job in get(client, "/api/jobs", **query)["jobs"]]

    assert ids(status="failed") == [failed]
    assert ids(job_type="squares") == [waiting]
    assert ids(prefix=failed[:5]) == [failed]
    assert ids(hours=1) == ids(created_after=hour_ago) == [waiting, failed]
    assert ids(created_before=hour_ago) == ids(status="paused") == []
    assert ids(status="failed", job_type="squares") == []


def test_a_job_that_ran_twice_is_listed_once(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Squares(n=1))
    house.finish(Squares(n=2))
    house.submit(Squares(n=1), force=True)
    jobs = get(client, "/api/jobs")["jobs"]
    assert (jobs[0]["job_id"], jobs[0]["run"], len(jobs)) == (job_id, 2, 2)


def test_the_addresses_of_todays_users_answer(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Relay(n=2))
    house.submit(Squares(n=1))
    found = get(client, "/api/db/jobs", limit=1, status="completed", hours=24)
    assert (found["count"], found["jobs"][0]["job_id"]) == (1, job_id)
    tasks = get(client, f"/api/db/tasks/{job_id}")
    assert tasks["count"] == len(tasks["tasks"]) == 7  # five tasks, and two that planned


# tasks


def test_tasks_come_stage_by_stage_in_pages(client: httpx.Client, house: House) -> None:
    job_id = house.finish(Relay(n=5))
    found = pages(client, f"/api/jobs/{job_id}/tasks", limit=4)
    tasks = [(t["stage"], t["index"]) for page in found for t in page["tasks"]]
    assert tasks == [
        *[("double", n) for n in (None, 0, 1, 2, 3, 4)],
        *[("increase", n) for n in (None, 0, 1, 2, 3, 4)],
        ("total", 0),
    ]


@pytest.mark.parametrize("status", ["queued", "completed", "failed", "processing"])
def test_tasks_are_found_by_stage_and_status(
    client: httpx.Client, house: House, status: str
) -> None:
    """Each status is found by the statement that suits it; all of them page alike."""
    job_id = house.submit(Squares(n=300))
    house.work(turns=1)
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("update app.tasks set status = %s where idx %% 3 <> 2 and idx >= 0", [status])
        conn.execute("update app.tasks set status = 'skipped' where idx % 3 = 2")
    found = pages(client, f"/api/jobs/{job_id}/tasks", stage="square", status=status, limit=51)
    indexes = [
        task["index"] for page in found for task in page["tasks"] if task["index"] is not None
    ]
    assert indexes == [n for n in range(300) if n % 3 != 2]
    assert len(found) == 4


def test_a_stage_that_is_not_there_is_told_with_the_nearest_name(
    client: httpx.Client, house: House
) -> None:
    job_id = house.submit(Relay())
    answer = client.get(f"/api/jobs/{job_id}/tasks", params={"stage": "duoble"})
    assert answer.status_code == 422
    assert "Did you mean 'double'?" in answer.json()["detail"]


def test_a_task_tells_what_it_was_given_what_it_gave_and_where_it_came_from(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Relay(n=3))
    tasks = get(client, f"/api/jobs/{job_id}/tasks", stage="increase")["tasks"]
    task = get(client, f"/api/jobs/{job_id}/tasks/{tasks[-1]['task_id']}")
    assert (task["arguments"], task["result"], task["attempt"]) == (4, 5, 1)
    origin = get(client, f"/api/jobs/{job_id}/tasks/{task['origin']}")
    assert (origin["stage"], origin["index"], origin["result"]) == ("double", 2, 4)
    assert origin["origin"] is None


def test_a_failed_task_shows_its_trace_only_when_asked(client: httpx.Client, house: House) -> None:
    """R122: paths of this machine are not handed out unasked."""
    job_id = house.finish(Relay(n=3, bad=1))
    (task,) = get(client, f"/api/jobs/{job_id}/tasks", status="failed")["tasks"]
    assert task["error"]["type"] == "ValueError"
    path = f"/api/jobs/{job_id}/tasks/{task['task_id']}"
    assert get(client, path)["trace"] is None
    assert "Traceback" in get(client, path, verbose="true")["trace"]


def test_a_task_is_found_only_through_its_own_job(client: httpx.Client, house: House) -> None:
    job_id, other = house.finish(Squares(n=1)), house.finish(Squares(n=2))
    task_id = get(client, f"/api/jobs/{job_id}/tasks")["tasks"][-1]["task_id"]
    answer = client.get(f"/api/jobs/{other}/tasks/{task_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")


# job types


def test_job_types_tell_their_parameters_and_stages(client: httpx.Client) -> None:
    types = get(client, "/api/job-types")["job_types"]
    assert [one["job_type"] for one in types] == [
        "choosy",
        "copying",
        "failing",
        "long",
        "relay",
        "squares",
        "ticking",
    ]
    relay = get(client, "/api/job-types/relay")
    assert relay["parameters"]["properties"]["bad"]["description"] == (
        "The number that cannot be doubled."
    )
    assert [(s["name"], s["shape"], s["reads"]) for s in relay["stages"]] == [
        ("double", "fan_out", []),
        ("increase", "fan_out", ["double"]),
        ("total", "fan_in", ["increase"]),
    ]
    answer = client.get("/api/job-types/relai")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job_type")
