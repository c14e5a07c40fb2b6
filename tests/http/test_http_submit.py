"""Submitting jobs over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.house import House
from tests.http.sample_jobs import Choosy, Failing, Squares
from tests.support.waiting import eventually
from triggers.local import ports

MEBIBYTE = 1024 * 1024


def submit(client: httpx.Client, job_type: str, body: Any = None, **query: Any) -> httpx.Response:
    return client.post(f"/api/jobs/submit/{job_type}", json=body, params=query)


def wrong(answer: httpx.Response) -> set[str]:
    """The parameters that a refusal names."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid_parameters"
    return {error["parameter"] for error in answer.json()["errors"]}


def test_a_submission_is_accepted_with_its_id_and_links_that_answer(
    client: httpx.Client, house: House
) -> None:
    answer = submit(client, "squares", {"n": 2})
    assert answer.status_code == 202
    job = answer.json()
    assert job["job_id"] == Squares(n=2).fingerprint
    assert (job["job_type"], job["status"], job["run"]) == ("squares", "queued", 1)
    assert (job["is_new"], job["idempotent"], job["parameters"]) == (True, False, {"n": 2})
    house.work()
    for name in ("self", "status", "tasks", "events", "stream", "result"):
        assert client.get(job["links"][name]).status_code == 200, name


def test_the_same_submission_finds_the_same_job(client: httpx.Client) -> None:
    """R40: equal parameters are one job, however they are written."""
    first = submit(client, "choosy", {"count": 2, "ratio": 0.5}).json()
    again = submit(client, "choosy", {"ratio": 0.5, "count": 2, "label": "x"}).json()
    assert again["job_id"] == first["job_id"]
    assert (again["is_new"], again["idempotent"], again["run"]) == (False, True, 1)


def test_fifty_equal_submissions_at_once_are_one_job(client: httpx.Client, house: House) -> None:
    """Fault 47, R40."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: submit(client, "squares", {"n": 3}), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert [answer.json()["is_new"] for answer in answers].count(True) == 1
    house.work()
    job_id = answers[0].json()["job_id"]
    assert len(house.reader.runs(job_id)) == 1
    assert client.get(f"/api/jobs/{job_id}").json()["task_summary"]["total"] == 3


def test_a_body_may_be_missing_when_every_parameter_has_a_default(client: httpx.Client) -> None:
    answer = client.post("/api/jobs/submit/failing")
    assert (answer.status_code, answer.json()["parameters"]) == (202, {"label": ""})


def test_unknown_parameters_are_named_and_not_ignored(client: httpx.Client) -> None:
    """R119, R163."""
    answer = submit(client, "choosy", {"count": 1, "raito": 0.1, "lable": "a"})
    assert wrong(answer) == {"raito", "lable"}
    assert client.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"count": "5"}, {"count"}),
        ({"count": True}, {"count"}),
        ({"count": 2.0, "flag": 1}, {"count", "flag"}),
        ({"count": 1, "ratio": "0.5"}, {"ratio"}),
        ({"count": 0}, {"count"}),
        ({"count": 11, "mode": "best", "label": ""}, {"count", "mode", "label"}),
        ({"count": 1, "label": "a" * 21, "names": ["a", 5]}, {"label", "names.1"}),
        ({}, {"count"}),
        ({"count": None}, {"count"}),
    ],
)
def test_types_and_limits_are_strict_and_every_wrong_parameter_is_named(
    client: httpx.Client, parameters: dict[str, Any], names: set[str]
) -> None:
    """R120."""
    assert wrong(submit(client, "choosy", parameters)) == names


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: httpx.Client, number: str) -> None:
    """R120."""
    answer = client.post("/api/jobs/submit/choosy", content=f'{{"count": 1, "ratio": {number}}}')
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("malformed_body", "invalid_parameters")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"5", b"null", b"\xff\xfe", b"[" * 100_000, b'{"n": 1}{"n": 2}',
     b'{"label": "\\ud800"}', b'{"count": ' + b"1" * 5_000 + b"}"],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_malformed(client: httpx.Client, body: bytes) -> None:
    """R135."""
    answer = client.post("/api/jobs/submit/choosy", content=body)
    expected = {"malformed_body": 400, "invalid_parameters": 422}
    assert answer.status_code == expected[answer.json()["code"]], answer.text
    if not body.startswith(b'{"'):
        assert answer.status_code == 400


def test_an_unknown_job_type_is_told_with_the_nearest_name(client: httpx.Client) -> None:
    answer = submit(client, "chosy", {"count": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job_type")
    assert "Did you mean 'choosy'?" in answer.json()["detail"]


def test_a_body_over_the_limit_is_refused_by_its_declared_length(client: httpx.Client) -> None:
    content = json.dumps({"label": "x" * 2 * MEBIBYTE})
    answer = client.post("/api/jobs/submit/choosy", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_over_the_limit_is_refused_even_where_nobody_reads_it(client: httpx.Client) -> None:
    answer = client.request("GET", "/api/livez", content=b"x" * 2 * MEBIBYTE)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_over_the_limit_is_refused_while_it_streams(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"label": "'
        for _ in range(40):
            yield b"x" * 65536
        yield b'"}'

    answer = client.post("/api/jobs/submit/choosy", content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert client.get("/api/livez").status_code == 200


def test_a_body_just_under_the_limit_is_read(client: httpx.Client) -> None:
    content = b'{"count": 1' + b" " * (MEBIBYTE - 12) + b"}"
    assert len(content) == MEBIBYTE
    assert client.post("/api/jobs/submit/choosy", content=content).status_code == 202


def test_force_runs_a_job_again_once_it_has_ended(client: httpx.Client, house: House) -> None:
    first = submit(client, "squares", {"n": 1}).json()
    early = submit(client, "squares", {"n": 1}, force=True)
    assert (early.status_code, early.json()["code"]) == (409, "job_still_running")
    house.work()
    assert submit(client, "squares", {"n": 1}).json()["run"] == 1
    again = submit(client, "squares", {"n": 1}, force=True).json()
    assert (again["job_id"], again["run"], again["is_new"]) == (first["job_id"], 2, True)


def test_a_failed_job_runs_again_without_force(client: httpx.Client, house: House) -> None:
    house.finish(Failing())
    assert submit(client, "failing").json()["run"] == 2


def test_a_dry_run_tells_what_would_happen_and_does_nothing(
    client: httpx.Client, house: House
) -> None:
    """R121."""
    answer = submit(client, "squares", {"n": 4}, dry_run=True)
    assert answer.status_code == 200
    preview = answer.json()
    assert preview["job_id"] == Squares(n=4).fingerprint
    assert (preview["exists"], preview["status"], preview["parameters"]) == (False, None, {"n": 4})
    assert [stage["name"] for stage in preview["plan"]] == ["square"]
    assert client.get("/api/jobs").json()["jobs"] == []
    house.finish(Squares(n=4))
    preview = submit(client, "squares", {"n": 4}, dry_run=True).json()
    assert (preview["exists"], preview["status"]) == (True, "completed")


def test_a_dry_run_refuses_what_a_submission_would_refuse(client: httpx.Client) -> None:
    """R121: validating invalid input is no success."""
    assert wrong(submit(client, "choosy", {"count": "5", "x": 1}, dry_run=True)) == {"count", "x"}
    assert submit(client, "nothing", {}, dry_run=True).status_code == 404


def test_parameters_that_the_database_cannot_keep_are_the_callers_mistake(
    client: httpx.Client,
) -> None:
    answer = submit(client, "choosy", {"count": 1, "label": "a\0b"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")


def test_equal_jobs_over_http_and_in_python_have_the_same_id(client: httpx.Client) -> None:
    job = Choosy(count=3, names=["ä", "b"], label="ü")
    answer = submit(client, "choosy", {"count": 3, "names": ["ä", "b"], "label": "ü"})
    assert answer.json()["job_id"] == job.fingerprint


def test_a_reply_that_was_lost_is_made_good_by_asking_again(database: str) -> None:
    """Fault 10: the server dies between its commit and its reply."""
    with process_on(database, "submit.after_commit:1") as url, pytest.raises(httpx.HTTPError):
        httpx.post(f"{url}/api/jobs/submit/squares", json={"n": 2}, timeout=120)
    with process_on(database) as url:
        answer = httpx.post(f"{url}/api/jobs/submit/squares", json={"n": 2}, timeout=60).json()
        jobs = httpx.get(f"{url}/api/jobs", timeout=60).json()["jobs"]
    assert (answer["job_id"], answer["is_new"], answer["run"]) == (
        Squares(n=2).fingerprint,
        False,
        1,
    )
    assert [job["job_id"] for job in jobs] == [answer["job_id"]]


@contextmanager
def process_on(dsn: str, *crash: str) -> Iterator[str]:
    """The web app in a process of its own."""
    port = ports.free()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.http.serve", dsn, str(port), *crash]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            eventually(lambda: is_alive(url))
            yield url
        finally:
            process.kill()


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/livez", timeout=60).status_code == 200
    except httpx.TransportError:
        return False
