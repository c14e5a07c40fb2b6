"""Webhooks over HTTP: registered, checked, told, looked at, and changed, against a real target."""

from collections.abc import Iterator
from ipaddress import ip_network
from uuid import uuid4

import httpx
import pytest
import standardwebhooks

from core.audit import AuditFilter
from core.guard import UrlRules
from core.webhooks.courier import Courier
from core.webhooks.desk import LARGEST, WebhookDesk
from infrastructure.audit import PostgresAudit
from infrastructure.calling import GuardedCaller
from infrastructure.mailroom import PostgresMailroom
from tests.http.house import House, serving
from tests.http.sample_jobs import Squares
from tests.support import target as targets
from tests.support.target import Reply, Target
from triggers.http.jobs.webhooks import WebhookOrder

RULES = UrlRules(plain_http=True, networks=(ip_network("127.0.0.1/32"),))
PUBLIC = "https://93.184.216.34/in"
CHANGING = [
    ("PUT", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/test"),
    ("POST", "/secret"),
]


class Side:
    """A client of the app, and the courier that a worker would have."""

    def __init__(self, house: House, client: httpx.Client, rules: UrlRules) -> None:
        self.house = house
        self.client = client
        self.room = PostgresMailroom(house.database)
        self.courier = Courier(self.room, GuardedCaller(rules, seconds=60), "https://example.org")

    def create(self, url: str = PUBLIC, **order: object) -> dict:
        answer = self.client.post("/api/webhooks", json={"url": url, **order})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def deliver(self) -> int:
        count = 0
        while parcels := self.room.claim(10, 10, 60):
            for parcel in parcels:
                self.courier.deliver(parcel)
            count += len(parcels)
        return count

    def deliveries(self, hook: dict, **query: str) -> list[dict]:
        answer = self.client.get(hook["links"]["deliveries"], params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["deliveries"]


@pytest.fixture
def target() -> Iterator[Target]:
    with targets.serving() as target:
        yield target


@pytest.fixture
def side(house: House) -> Iterator[Side]:
    desk = WebhookDesk(PostgresMailroom(house.database), GuardedCaller(RULES), house.registry)
    with (
        serving(house.app(webhooks=desk)) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        yield Side(house, client, RULES)


def test_a_job_is_told_of_in_signed_messages(side: Side, target: Target):
    """R131."""
    hook = side.create(target.url(), events=["job.*"], description="the shop")
    job_id = side.house.finish(Squares(n=2))
    assert side.deliver() == 3
    reader = standardwebhooks.Webhook(hook["secret"])
    told = [reader.verify(asked.body, dict(asked.headers)) for asked in target.asked]
    assert {one["type"] for one in told} == {"job.submitted", "job.started", "job.completed"}
    done = next(one["data"] for one in told if one["type"] == "job.completed")
    assert (done["job_id"], done["status"]) == (job_id, "completed")
    assert done["links"]["result"] == f"https://example.org/api/jobs/{job_id}/result"
    assert {one["status"] for one in side.deliveries(hook)} == {"delivered"}


def test_a_secret_is_shown_once_and_never_again(side: Side, target: Target, caplog):
    caplog.set_level("DEBUG")
    hook = side.create(target.url())
    secret = hook["secret"]
    assert secret.startswith("whsec_")
    here = hook["links"]["self"]
    side.client.post(f"{here}/test")
    target.reply = Reply(500)
    side.deliver()
    answers = [
        side.client.get(here),
        side.client.get("/api/webhooks"),
        side.client.put(here, json={"url": target.url()}),
        side.client.post(f"{here}/pause"),
        side.client.get(hook["links"]["deliveries"]),
        side.client.get(f"{hook['links']['deliveries']}/{side.deliveries(hook)[0]['id']}"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert secret not in answer.text
    assert secret not in caplog.text
    assert secret.removeprefix("whsec_") not in caplog.text


@pytest.mark.parametrize(
    ("order", "code", "says"),
    [
        ({}, "invalid_parameters", "url"),
        ({"url": 5}, "invalid_parameters", "url"),
        ({"url": PUBLIC, "event": ["job.*"]}, "invalid_parameters", "event"),
        ({"url": PUBLIC, "prefix": "xyz"}, "invalid_parameters", "prefix"),
        ({"url": PUBLIC, "events": ["job.complete"]}, "bad_input", "job.complete"),
        ({"url": PUBLIC, "job_types": ["no_such_job"]}, "bad_input", "no_such_job"),
        ({"url": "ftp://example.org/"}, "url_refused", "https"),
        ({"url": "http://169.254.169.254/latest"}, "url_refused", "may not be called"),
        ({"url": "http://10.0.0.1/"}, "url_refused", "may not be called"),
        ({"url": "http://localhost.invalid:22@10.0.0.1/"}, "url_refused", "user name"),
    ],
)
def test_an_order_that_is_not_right_is_refused_and_says_why(
    side: Side, order: dict, code: str, says: str
):
    """R123."""
    answer = side.client.post("/api/webhooks", json=order)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert says in answer.json()["detail"]
    assert side.client.get("/api/webhooks").json()["webhooks"] == []


def test_a_change_is_checked_like_a_new_one(side: Side):
    hook = side.create()
    here = hook["links"]["self"]
    assert side.client.put(here, json={"url": "http://10.0.0.1/"}).status_code == 422
    changed = side.client.put(here, json={"url": PUBLIC, "events": ["job.failed"]}).json()
    assert (changed["events"], changed["changed_by"]) == (["job.failed"], "anonymous")


def test_webhooks_come_in_pages(side: Side):
    made = [side.create(description=str(n))["id"] for n in range(5)]
    first = side.client.get("/api/webhooks", params={"limit": 3}).json()
    rest = side.client.get(first["links"]["next"]).json()
    assert [one["id"] for one in first["webhooks"] + rest["webhooks"]] == made
    assert rest["links"]["next"] is None
    for cursor in ("x", "bm8", "WzEsMl0", "bnVsbA"):
        answer = side.client.get("/api/webhooks", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")


def test_there_may_be_so_many_and_no_more(side: Side):
    for _ in range(LARGEST):
        side.room.add(WebhookOrder(url=PUBLIC).wish(), "whsec_", "ann")
    answer = side.client.post("/api/webhooks", json={"url": PUBLIC})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_deliveries_come_in_pages_with_what_the_target_said(side: Side, target: Target):
    target.reply = Reply(503, body=b"closed for lunch" + b"." * 5000)
    hook = side.create(target.url())
    for _ in range(5):
        assert side.client.post(f"{hook['links']['self']}/test").status_code == 202
    side.deliver()
    first = side.client.get(hook["links"]["deliveries"], params={"limit": 3}).json()
    rest = side.client.get(first["links"]["next"]).json()
    every = first["deliveries"] + rest["deliveries"]
    assert len(every) == len({one["id"] for one in every}) == 5
    assert len(side.deliveries(hook, status="waiting")) == 5
    assert side.deliveries(hook, status="failed") == []
    asked = next(one for one in every if one["attempts"])
    detail = side.client.get(f"{hook['links']['deliveries']}/{asked['id']}").json()
    (attempt,) = detail["history"]
    assert attempt["status_code"] == 503
    assert attempt["answer"].startswith("closed for lunch")
    assert len(attempt["answer"]) == 1024
    answer = side.client.get(hook["links"]["deliveries"], params={"cursor": "99999999999999999999"})
    assert answer.status_code == 422


def test_a_delivery_is_replayed_under_its_name(side: Side, target: Target):
    hook = side.create(target.url())
    sent = side.client.post(f"{hook['links']['self']}/test").json()
    assert (sent["type"], sent["status"]) == ("webhook.test", "waiting")
    side.deliver()
    again = side.client.post(f"{hook['links']['deliveries']}/{sent['id']}/replay")
    assert (again.status_code, again.json()["changed"]) == (202, True)
    side.deliver()
    assert target.ids == {sent["message_id"]: 2}


def test_what_is_being_sent_is_not_sent_again(side: Side, target: Target):
    hook = side.create(target.url())
    sent = side.client.post(f"{hook['links']['self']}/test").json()
    assert side.room.claim(1, 1, 60)
    again = side.client.post(f"{hook['links']['deliveries']}/{sent['id']}/replay")
    assert (again.status_code, again.json()["changed"]) == (202, False)


def test_pause_and_resume_may_be_pressed_twice(side: Side, target: Target):
    hook = side.create(target.url())
    here = hook["links"]["self"]
    changes = [
        side.client.post(f"{here}/{verb}").json()["changed"]
        for verb in ("resume", "pause", "pause", "resume", "resume")
    ]
    assert changes == [False, True, False, True, False]
    side.client.post(f"{here}/pause")
    refused = side.client.post(f"{here}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_not_active")
    assert "resume" in refused.json()["detail"]


def test_a_secret_is_changed_without_a_gap(side: Side, target: Target):
    hook = side.create(target.url())
    here = hook["links"]["self"]
    new = side.client.post(f"{here}/secret").json()["secret"]
    side.client.post(f"{here}/test")
    side.deliver()
    (asked,) = target.asked
    for secret in (hook["secret"], new):
        standardwebhooks.Webhook(secret).verify(asked.body, dict(asked.headers))
    side.client.post(f"{here}/secret", json={"overlap_hours": 0})
    side.client.post(f"{here}/test")
    side.deliver()
    last = target.asked[-1]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new).verify(last.body, dict(last.headers))


def test_the_audit_tells_who_changed_what_and_no_secret(side: Side, target: Target):
    hook = side.create(target.url("/token/abc123"))
    here = hook["links"]["self"]
    new = side.client.post(f"{here}/secret").json()["secret"]
    sent = side.client.post(f"{here}/test").json()
    side.deliver()
    side.client.put(here, json={"url": target.url("/token/abc124")})
    for verb in ("pause", "pause", "resume"):
        side.client.post(f"{here}/{verb}")
    side.client.post(f"{hook['links']['deliveries']}/{sent['id']}/replay")
    side.client.delete(here)
    notes = PostgresAudit(side.house.database).notes(AuditFilter(), None, 50)
    assert [note.action for note in reversed(notes)] == [
        "webhook_created",
        "webhook_secret_changed",
        "webhook_tested",
        "webhook_changed",
        "webhook_paused",
        "webhook_resumed",
        "delivery_replayed",
        "webhook_removed",
    ]
    assert {note.subject for note in notes} == {hook["id"]}
    told = str(notes)
    for secret in (hook["secret"], new, "abc123", "abc124"):
        assert secret not in told


def test_a_removed_webhook_is_gone_with_all_of_it(side: Side, target: Target):
    hook = side.create(target.url())
    side.client.post(f"{hook['links']['self']}/test")
    assert side.client.delete(hook["links"]["self"]).status_code == 204
    assert side.deliver() == 0
    assert side.client.get(hook["links"]["deliveries"]).status_code == 404
    with side.house.database.pool.connection() as conn:
        for table in ("webhooks", "webhook_secrets", "deliveries"):
            assert conn.execute(f"select count(*) from app.{table}").fetchone() == (0,)


@pytest.mark.parametrize(("method", "verb"), CHANGING)
def test_a_webhook_that_is_not_there_is_a_404(side: Side, method: str, verb: str):
    body = {"url": PUBLIC} if method == "PUT" else None
    answer = side.client.request(method, f"/api/webhooks/{uuid4()}{verb}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")


def test_ids_that_are_none_are_named(side: Side):
    assert side.client.get("/api/webhooks/7").json()["code"] == "invalid_parameters"
    hook = side.create()
    for number in ("99999999999999999999", "x", "-1"):
        answer = side.client.get(f"{hook['links']['deliveries']}/{number}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    missing = side.client.get(f"{hook['links']['deliveries']}/12345")
    assert (missing.status_code, missing.json()["code"]) == (404, "delivery_not_found")
    other = side.create()
    sent = side.client.post(f"{hook['links']['self']}/test").json()
    foreign = side.client.get(f"{other['links']['deliveries']}/{sent['id']}")
    assert foreign.status_code == 404


def test_an_open_circuit_is_an_alert_that_tells_no_secret_of_the_address(
    side: Side, target: Target
):
    target.reply = Reply(500)
    hook = side.create(target.url("/token/abc123"))
    for _ in range(8):
        side.client.post(f"{hook['links']['self']}/test")
        side.deliver()
    (alert,) = side.client.get("/api/status/deep").json()["alerts"]
    assert alert["code"] == "webhook_down"
    assert hook["id"] in alert["message"]
    assert "127.0.0.1" in alert["message"]
    assert "abc123" not in alert["message"]
    side.client.post(f"{hook['links']['self']}/resume")
    assert side.client.get("/api/status/deep").json()["alerts"] == []
    target.reply = Reply(410)
    side.client.post(f"{hook['links']['self']}/test")
    side.deliver()
    (alert,) = side.client.get("/api/status/deep").json()["alerts"]
    assert "gone" in alert["message"]


def test_without_webhooks_the_app_says_so(common_house: House):
    with serving(common_house.app(webhooks=None)) as url:
        answer = httpx.get(f"{url}/api/webhooks", timeout=120)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
