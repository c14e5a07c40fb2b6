"""Schedules, templates and batches over HTTP."""

from typing import Any

import httpx
import pytest

from tests.http.house import House
from tests.http.sample_jobs import Choosy

NIGHTLY = {"name": "nightly", "job_type": "choosy", "cron": "0 3 * * *", "parameters": {"count": 2}}
CHOSEN = {"job_type": "choosy", "parameters": {"count": 2}}


def wrong(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["parameter"]: error["message"] for error in answer.json()["errors"]}


@pytest.fixture
def nightly(client: httpx.Client) -> dict[str, Any]:
    answer = client.post("/api/schedules", json={**NIGHTLY, "time_zone": "Europe/Berlin"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_schedule_is_made_shown_and_listed(client: httpx.Client, nightly: dict[str, Any]) -> None:
    assert nightly["links"]["self"] == "/api/schedules/nightly"
    assert (nightly["owner"], nightly["paused"], nightly["created_by"]) == (
        "person",
        False,
        "anonymous",
    )
    assert client.get(nightly["links"]["self"]).json() == nightly
    listed = client.get("/api/schedules", params={"job_type": "choosy"}).json()
    assert [each["name"] for each in listed["schedules"]] == ["nightly"]
    assert client.get("/api/schedules", params={"job_type": "relay"}).json()["schedules"] == []
    again = client.post("/api/schedules", json=NIGHTLY)
    assert (again.status_code, again.json()["code"]) == (409, "schedule_exists")


def test_next_ticks_are_told_by_the_schedules_own_clock(
    client: httpx.Client, nightly: dict[str, Any]
) -> None:
    told = client.get(nightly["links"]["next"], params={"count": 400}).json()
    assert told["code"] == "invalid_parameters"
    told = client.get(nightly["links"]["next"], params={"count": 3}).json()
    assert told["time_zone"] == "Europe/Berlin"
    assert len({tick[:10] for tick in told["ticks"]}) == 3
    assert all(tick[10:] in ("T03:00:00+01:00", "T03:00:00+02:00") for tick in told["ticks"])


def test_what_is_wrong_with_a_schedule_is_named(client: httpx.Client) -> None:
    answer = client.post(
        "/api/schedules", json={**NIGHTLY, "cron": "often", "time_zone": "Berlin", "backlog": "5"}
    )
    found = wrong(answer)
    assert set(found) == {"cron", "time_zone", "backlog"}
    assert "has 1 fields" in found["cron"]
    assert "Europe/Berlin" in found["time_zone"]
    assert "overlap" in str(
        wrong(client.post("/api/schedules", json={**NIGHTLY, "catch_up": "all"}))
    )
    assert set(
        wrong(client.post("/api/schedules", json={**NIGHTLY, "parameters": {"count": 99}}))
    ) == {"count"}
    assert set(wrong(client.post("/api/schedules", json={**NIGHTLY, "spam": 1}))) == {"spam"}
    unknown = client.post("/api/schedules", json={**NIGHTLY, "job_type": "chosy"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_job_type")
    assert (
        client.post("/api/schedules", json={**NIGHTLY, "name": "Not So"}).json()["code"]
        == "bad_input"
    )


def test_every_verb_of_a_schedule_that_is_not_there_says_so(client: httpx.Client) -> None:
    order = {key: NIGHTLY[key] for key in ("job_type", "cron", "parameters")}
    calls = [
        ("GET", "", None),
        ("PUT", "", order),
        ("DELETE", "", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/trigger", None),
        ("GET", "/history", None),
        ("GET", "/next", None),
    ]
    for method, path, body in calls:
        answer = client.request(method, f"/api/schedules/none{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "schedule_not_found"), path


def test_a_schedule_is_paused_resumed_changed_and_deleted(
    client: httpx.Client, nightly: dict[str, Any]
) -> None:
    here = nightly["links"]["self"]
    order = {key: NIGHTLY[key] for key in ("job_type", "parameters")}
    for verb, changed in (("pause", True), ("pause", False), ("resume", True), ("resume", False)):
        answer = client.post(f"{here}/{verb}").json()
        assert (answer["name"], answer["changed"]) == ("nightly", changed)
        assert answer["schedule"]["paused"] is (verb == "pause")
    assert client.post(f"{here}/resume", json={"catch_up": True}).status_code == 200
    assert set(wrong(client.post(f"{here}/resume", json={"catch_up": "yes"}))) == {"catch_up"}
    for changed in (True, False):
        answer = client.put(here, json={**order, "cron": "@hourly"}).json()
        assert (answer["changed"], answer["schedule"]["cron"]) == (changed, "@hourly")
    gone = client.delete(here).json()
    assert (gone["changed"], gone["message"]) == (True, "Schedule nightly is deleted.")
    assert client.delete(here).status_code == 404


def test_a_button_is_pressed_and_stands_in_the_history(
    client: httpx.Client, house: House, nightly: dict[str, Any]
) -> None:
    answer = client.post("/api/schedules/nightly/trigger")
    assert answer.status_code == 202
    tick = answer.json()
    assert (tick["outcome"], tick["manual"], tick["run"]) == ("submitted", True, 1)
    assert client.get(tick["links"]["job"]).json()["job_id"] == Choosy(count=2).fingerprint
    again = client.post("/api/schedules/nightly/trigger")
    assert (again.status_code, again.json()["code"]) == (409, "job_still_running")
    house.work()
    assert client.post("/api/schedules/nightly/trigger").json()["run"] == 2
    page = client.get(nightly["links"]["history"], params={"limit": 1}).json()
    assert [tick["run"] for tick in page["ticks"]] == [2]
    older = client.get(page["links"]["next"]).json()
    assert [tick["run"] for tick in older["ticks"]] == [1]
    assert older["links"]["next"] is None


def test_the_schedule_of_a_class_can_be_paused_but_not_changed(
    client: httpx.Client, house: House
) -> None:
    house.schedules.sync()
    assert client.get("/api/schedules/ticking").json()["owner"] == "class"
    assert client.post("/api/schedules/ticking/pause").json()["changed"]
    refused = client.delete("/api/schedules/ticking")
    assert (refused.status_code, refused.json()["code"]) == (409, "schedule_of_class")


# templates


def test_a_template_is_saved_and_submitted_with_overrides(client: httpx.Client) -> None:
    order = {"job_type": "choosy", "parameters": {"label": "t"}, "description": "Ours."}
    saved = client.put("/api/templates/ours", json=order)
    assert saved.status_code == 201
    assert (saved.json()["version"], saved.json()["missing"]) == (1, ["count"])
    same = client.put("/api/templates/ours", json=order)
    assert (same.status_code, same.json()["version"]) == (200, 1)
    answer = client.post("/api/templates/ours/submit", json={"overrides": {"count": 3}})
    assert answer.status_code == 202
    told = answer.json()
    assert told["parameters"]["label"] == "t"
    assert (told["template"], told["version"], told["is_new"]) == ("ours", 1, True)
    assert client.get(told["links"]["self"]).status_code == 200
    assert set(wrong(client.post("/api/templates/ours/submit"))) == {"count"}
    assert set(
        wrong(client.put("/api/templates/ours", json={**order, "parameters": {"x": 1}}))
    ) == {"x"}


def test_versions_and_submissions_of_a_template_are_listed(client: httpx.Client) -> None:
    for count in (1, 2):
        body = {"job_type": "choosy", "parameters": {"count": count}}
        client.put("/api/templates/ours", json=body)
    client.post("/api/templates/ours/submit", json={"version": 1})
    versions = client.get("/api/templates/ours/versions", params={"limit": 1}).json()
    assert [each["version"] for each in versions["templates"]] == [2]
    older = client.get(versions["links"]["next"]).json()
    assert [each["parameters"] for each in older["templates"]] == [{"count": 1}]
    assert client.get("/api/templates/ours", params={"version": 1}).json()["version"] == 1
    assert [each["name"] for each in client.get("/api/templates").json()["templates"]] == ["ours"]
    assert client.delete("/api/templates/ours").json()["changed"]
    for method, path in (("GET", ""), ("GET", "/versions"), ("DELETE", ""), ("POST", "/submit")):
        answer = client.request(method, f"/api/templates/ours{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "template_not_found"), path
    kept = client.get("/api/templates/ours/submissions").json()["submissions"]
    assert [(each["version"], each["overrides"]) for each in kept] == [(1, {})]


# batches


def test_a_batch_is_submitted_watched_and_read(client: httpx.Client, house: House) -> None:
    jobs = [{"job_type": "choosy", "parameters": {"count": n}} for n in (1, 2, 3)]
    answer = client.post("/api/batches", json={"name": "three", "jobs": jobs})
    assert answer.status_code == 202
    batch = answer.json()
    assert (batch["total"], batch["counts"], batch["done"]) == (3, {"queued": 3}, False)
    house.work()
    done = client.get(batch["links"]["self"]).json()
    assert (done["counts"], done["progress"], done["done"]) == ({"completed": 3}, 1.0, True)
    page = client.get(batch["links"]["jobs"], params={"limit": 2}).json()
    assert [job["index"] for job in page["jobs"]] == [0, 1]
    rest = client.get(page["links"]["next"]).json()
    assert [(job["index"], job["status"]) for job in rest["jobs"]] == [(2, "completed")]
    listed = client.get("/api/batches").json()["batches"]
    assert [(each["batch_id"], each["name"]) for each in listed] == [(batch["batch_id"], "three")]


def test_a_wrong_job_of_a_batch_is_named_by_its_place(client: httpx.Client) -> None:
    jobs = [CHOSEN, {"job_type": "choosy", "parameters": {"count": 99}}, {"job_type": "spam"}]
    answer = client.post("/api/batches", json={"jobs": jobs})
    assert set(wrong(answer)) == {"jobs.1.parameters.count", "jobs.2.job_type"}
    assert client.get("/api/batches").json()["batches"] == []
    kept = client.post("/api/batches", json={"jobs": jobs, "skip_invalid": True}).json()
    assert kept["counts"] == {"queued": 1, "invalid": 2}
    shown = client.get(kept["links"]["jobs"], params={"status": "invalid"}).json()["jobs"]
    assert [job["index"] for job in shown] == [1, 2]


def test_a_batch_has_its_limits(client: httpx.Client) -> None:
    assert set(wrong(client.post("/api/batches", json={"jobs": []}))) == {"jobs"}
    assert set(wrong(client.post("/api/batches", json={"jobs": [CHOSEN] * 1001}))) == {"jobs"}
    assert set(wrong(client.post("/api/batches", json={"jobs": [{**CHOSEN, "x": 1}]}))) == {
        "jobs.0.x"
    }
    large = client.post("/api/batches", content=b" " * (16 * 1024**2 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    unknown = client.get("/api/batches/987")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "batch_not_found")


def test_a_batch_may_be_larger_than_other_bodies(client: httpx.Client) -> None:
    names = ["x" * 1000] * 500
    jobs = [{"job_type": "choosy", "parameters": {"count": n, "names": names}} for n in (1, 2, 3)]
    answer = client.post("/api/batches", json={"jobs": jobs})
    assert answer.status_code == 202
    assert answer.json()["counts"] == {"queued": 3}


def test_who_changed_a_schedule_or_a_template_stands_in_the_audit(client: httpx.Client) -> None:
    """Once for each change; a verb that changes nothing leaves no note."""
    made = client.post("/api/schedules", json=NIGHTLY).json()
    here = made["links"]["self"]
    order = {key: NIGHTLY[key] for key in ("job_type", "parameters")}
    for verb in ("pause", "pause", "resume", "trigger"):
        client.post(f"{here}/{verb}")
    for _ in range(2):
        client.put(here, json={**order, "cron": "@hourly"})
    client.delete(here)
    for _ in range(2):
        client.put("/api/templates/usual", json=order)
    client.delete("/api/templates/usual")
    notes = client.get("/api/audit").json()["notes"]
    assert [(note["by"], note["action"]) for note in reversed(notes)] == [
        ("anonymous", "schedule_created"),
        ("anonymous", "schedule_paused"),
        ("anonymous", "schedule_resumed"),
        ("anonymous", "schedule_changed"),
        ("anonymous", "schedule_deleted"),
        ("anonymous", "template_put"),
        ("anonymous", "template_deleted"),
    ]
