"""Callers over HTTP: keys, tokens, who may do what, how often, and what is written down."""

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from core.errors import ServiceUnavailable
from core.identity import Role
from core.keys import Secret
from core.memory.keys import MemoryAudit
from infrastructure.blobs.azure import AzureBlobs
from tests.http.office import PLENTY, Office, bearer, refused, with_key
from tests.http.storage_house import storage_client
from tests.support.issuer import USER, Issuer
from tests.support.waiting import eventually
from triggers.http.door.access import address_of
from triggers.listening import Mode

# who calls


def test_a_key_may_come_in_three_ways(office: Office) -> None:
    client, key = office.client(), office.key(Role.READER)
    basic = base64.b64encode(f"qgis:{key}".encode()).decode()
    ways = [with_key(key), bearer(key), {"Authorization": f"Basic {basic}"}]
    for headers in ways:
        me = client.get("/api/whoami", headers=headers).json()
        assert (me["kind"], me["role"], me["label"]) == ("key", "reader", "the reader")
        assert me["actor"] == f"key:{me['id']} the reader"
        assert me["identity"] == "required"
    assert client.get("/api/jobs", headers=ways[0]).status_code == 200


def test_a_token_of_a_user_is_enough(office: Office, issuer: Issuer) -> None:
    client = office.client()
    me = client.get("/api/whoami", headers=bearer(issuer.token("submitter"))).json()
    assert (me["kind"], me["role"], me["label"]) == ("user", "submitter", "ada@example.org")
    app = client.get("/api/whoami", headers=bearer(issuer.app_token("reader"))).json()
    assert (app["kind"], app["role"]) == ("app", "reader")


def test_who_has_no_role_learns_who_it_is_and_nothing_else(office: Office, issuer: Issuer) -> None:
    client, token = office.client(), issuer.token()
    assert client.get("/api/whoami", headers=bearer(token)).json()["role"] is None
    detail = refused(client.get("/api/jobs", headers=bearer(token)), 403, "forbidden")
    assert "needs the role reader" in detail
    assert "has no role" in detail


BAD: dict[str, dict[str, str]] = {
    "nothing": {},
    "an unknown key": with_key("cm_0123456789ab_" + "x" * 43),
    "half a key": with_key("cm_0123456789ab"),
    "nonsense": bearer("nonsense"),
    "an empty bearer": {"Authorization": "Bearer"},
    "an empty key": with_key(""),
    "another scheme": {"Authorization": "Negotiate abc"},
    "broken basic": {"Authorization": "Basic %%%"},
    "basic without a key": {"Authorization": "Basic " + base64.b64encode(b"ada:pw").decode()},
    "two credentials": with_key("cm_0123456789ab_" + "x" * 43) | bearer("a.b.c"),
    "much": bearer("x" * 20_000),
    "a broken token": bearer("a.b.c"),
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD)
def test_who_is_not_known_is_told_how_to_be(office: Office, headers: dict[str, str]) -> None:
    answer = office.client().get("/api/jobs", headers=headers)
    refused(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "x" * 43 not in answer.text


def test_a_forged_token_is_refused_over_http(office: Office, issuer: Issuer) -> None:
    client = office.client()
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    payload = base64.urlsafe_b64encode(json.dumps(issuer.claims("operator")).encode()).decode()
    refused(client.get("/api/jobs", headers=bearer(f"{head}.{payload}.")), 401, "unauthenticated")
    expired = issuer.token("operator", exp=int(time.time()) - 100)
    assert "expired" in refused(
        client.get("/api/jobs", headers=bearer(expired)), 401, "unauthenticated"
    )


def test_what_a_load_balancer_asks_needs_no_key(office: Office) -> None:
    client = office.client()
    assert client.get("/api/livez").status_code == 200
    assert client.get("/api/readyz").status_code == 200
    assert client.get("/api/openapi.json").status_code == 200
    unknown = client.get("/api/health").json()
    known = client.get("/api/health", headers=with_key(office.key(Role.READER))).json()
    assert unknown["status"] == known["status"]
    assert {part["detail"] for part in unknown["components"].values()} == {""}
    assert all(part["detail"] for part in known["components"].values())


def test_a_route_that_is_not_there_is_not_there_for_strangers_too(office: Office) -> None:
    refused(office.client().get("/api/nothing"), 404, "not_found")
    refused(office.client().put("/api/jobs"), 405, "method_not_allowed")


# keys


def test_an_operator_makes_a_key_that_is_shown_once(office: Office) -> None:
    client, operator = office.client(), office.key()
    answer = client.post(
        "/api/keys",
        headers=with_key(operator),
        json={"name": " nightly sync ", "role": "submitter", "days": 30, "job_types": ["squares"]},
    )
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert re.fullmatch(r"cm_[0-9a-f]{12}_[\w-]{43}", made["key"])
    assert (made["name"], made["role"], made["job_types"]) == (
        "nightly sync",
        "submitter",
        ["squares"],
    )
    listed = client.get("/api/keys", headers=with_key(operator))
    assert made["key"] not in listed.text
    assert made["key"].rpartition("_")[2] not in listed.text
    first = listed.json()["keys"][0]
    assert first == {name: value for name, value in made.items() if name != "key"}
    assert client.get("/api/whoami", headers=with_key(made["key"])).json()["role"] == "submitter"


def test_a_revoked_key_is_refused_at_once(office: Office) -> None:
    client, operator, other = office.client(), office.key(), office.key(Role.READER)
    assert client.get("/api/jobs", headers=with_key(other)).status_code == 200
    other_id = other.split("_")[1]
    first = client.delete(f"/api/keys/{other_id}", headers=with_key(operator)).json()
    refused(client.get("/api/jobs", headers=with_key(other)), 401, "unauthenticated")
    again = client.delete(f"/api/keys/{other_id}", headers=with_key(operator)).json()
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["revoked_at"] == again["revoked_at"]
    missing = client.delete("/api/keys/0123456789ab", headers=with_key(operator))
    refused(missing, 404, "key_not_found")


def test_a_key_that_has_expired_is_refused(office: Office) -> None:
    key = office.key(Role.READER, days=0.5 / 86_400)
    client = office.client()
    eventually(lambda: client.get("/api/jobs", headers=with_key(key)).status_code != 200)
    refused(client.get("/api/jobs", headers=with_key(key)), 401, "unauthenticated")


WRONG = {
    "no role": {"name": "x"},
    "no name": {"role": "reader"},
    "an empty name": {"name": " ", "role": "reader"},
    "a name with a line break": {"name": "a\nb", "role": "reader"},
    "an unknown role": {"name": "x", "role": "owner"},
    "days before now": {"name": "x", "role": "reader", "days": -1},
    "days as text": {"name": "x", "role": "reader", "days": "30"},
    "a word of its own": {"name": "x", "role": "reader", "secret": "mine"},
    "no type": {"name": "x", "role": "reader", "job_types": []},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_key_that_is_not_described_well_is_not_made(office: Office, body: dict) -> None:
    client, operator = office.client(), office.key()
    refused(
        client.post("/api/keys", headers=with_key(operator), json=body), 422, "invalid_parameters"
    )
    assert len(client.get("/api/keys", headers=with_key(operator)).json()["keys"]) == 1


def test_a_key_for_a_type_that_is_not_there_is_not_made(office: Office) -> None:
    body = {"name": "x", "role": "submitter", "job_types": ["sqares"]}
    answer = office.client().post("/api/keys", headers=with_key(office.key()), json=body)
    assert "squares" in refused(answer, 404, "unknown_job_type")


def test_a_key_for_some_types_submits_no_others(office: Office) -> None:
    client, key = office.client(), office.key(Role.OPERATOR, job_types=("squares",))
    assert (
        client.post("/api/jobs/submit/squares", headers=with_key(key), json={"n": 1}).status_code
        == 202
    )
    for path in ("/api/jobs/submit/choosy", "/api/jobs/submit/nothing", "/api/keys"):
        detail = refused(client.post(path, headers=with_key(key), json={}), 403, "forbidden")
        assert "these types only: squares" in detail
    assert client.get("/api/jobs", headers=with_key(key)).status_code == 200


def test_without_the_database_a_key_is_not_called_wrong(office: Office, monkeypatch) -> None:
    client, key = office.client(), office.key(Role.READER)

    def away(key: str) -> None:
        raise ServiceUnavailable("away")

    monkeypatch.setattr(office.keys, "find", away)
    refused(client.get("/api/jobs", headers=with_key(key)), 503, "service_unavailable")
    assert client.get("/api/livez").status_code == 200


# how often


def test_a_caller_who_asks_too_often_is_told_to_wait(office: Office) -> None:
    client = office.client(rates=replace(PLENTY, caller=0.01, caller_burst=3))
    key, other = office.key(Role.READER), office.key(Role.READER)
    found = [client.get("/api/whoami", headers=with_key(key)) for _ in range(5)]
    assert [answer.status_code for answer in found] == [200, 200, 200, 429, 429]
    refused(found[-1], 429, "rate_limited")
    assert 1 <= int(found[-1].headers["retry-after"]) <= 100
    assert client.get("/api/whoami", headers=with_key(other)).status_code == 200


def test_an_address_without_a_credential_is_limited(office: Office) -> None:
    client = office.client(rates=replace(PLENTY, address=0.01, address_burst=3))
    found = [client.get(path).status_code for path in ("/api/livez", "/api/jobs") * 3]
    assert found == [200, 401, 200, 429, 429, 429]
    assert client.get("/api/whoami", headers=with_key(office.key())).status_code == 200


def test_an_address_that_guesses_is_not_listened_to(office: Office) -> None:
    """But who was known before goes on: one intruder does not lock a whole office out."""
    client = office.client(rates=replace(PLENTY, failures=3))
    known, late = office.key(Role.READER), office.key(Role.READER)
    assert client.get("/api/whoami", headers=with_key(known)).status_code == 200
    guesses = [client.get("/api/jobs", headers=with_key(str(Secret.make()))) for _ in range(5)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert guesses[-1].headers["retry-after"]
    assert client.get("/api/whoami", headers=with_key(known)).status_code == 200
    assert client.get("/api/whoami", headers=with_key(late)).status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_one_network_of_a_customer_is_one_address(one: str, other: str, same: bool) -> None:
    assert (address_of(one) == address_of(other)) is same


# what is written down


def test_a_job_remembers_who_submitted_it(office: Office) -> None:
    client, key = office.client(), office.key(Role.SUBMITTER)
    job = client.post("/api/jobs/submit/squares", headers=with_key(key), json={"n": 1}).json()
    events = client.get(f"/api/jobs/{job['job_id']}/events", headers=with_key(key)).json()["events"]
    assert events[0]["what"] == "job_submitted"
    assert events[0]["data"] == {"run": 1, "by": f"key:{key.split('_')[1]} the submitter"}


def test_changes_are_written_down_with_who_made_them(office: Office) -> None:
    client, key = office.client(), office.key()
    me = f"key:{key.split('_')[1]}"
    client.post("/api/stac/init", headers=with_key(key))
    made = client.post(
        "/api/keys", headers=with_key(key), json={"name": "x", "role": "reader"}
    ).json()
    client.delete(f"/api/keys/{made['id']}", headers=with_key(key))
    notes = client.get("/api/audit", headers=with_key(key), params={"actor": me}).json()["notes"]
    assert [note["action"] for note in notes] == ["key_revoked", "key_created", "collections_made"]
    assert {note["by"] for note in notes} == {f"{me} the operator"}
    assert made["key"] not in json.dumps(notes)
    some = client.get(
        "/api/audit", headers=with_key(key), params={"action": "key_created", "limit": 1}
    )
    assert len(some.json()["notes"]) == 1
    following = some.json()["links"]["next"]
    assert following is not None
    assert (
        client.get(following, headers=with_key(key)).json()["notes"][0]["subject"]
        == key.split("_")[1]
    )


def test_what_changes_nothing_is_not_written_down(office: Office) -> None:
    client, key = office.client(), office.key()
    for _ in range(2):
        client.post("/api/stac/init", headers=with_key(key))
    client.post("/api/stac/search", headers=with_key(key), json={})
    client.post("/api/stac/init", headers=with_key(office.key(Role.READER)))
    client.post("/api/keys", headers=with_key(key), json={})
    assert [action for _, action, _ in office.notes()] == ["collections_made"]


def test_what_happens_to_storage_is_written_down(stored: AzureBlobs, container: str) -> None:
    audit, place = MemoryAudit(), f"bronze-{container}"
    ref = {name: f"bronze/{container}/{name}.bin" for name in ("form", "pieces", "link", "none")}
    with storage_client(stored, audit=audit) as client:
        form = {"container": place, "path": "form.bin"}
        sent = client.post("/api/storage/upload", data=form, files={"file": b"abc"})
        assert sent.status_code == 201
        again = client.post("/api/storage/upload", data=form, files={"file": b"abc"})
        assert again.status_code == 409
        for name, last in (("pieces", "complete"), ("none", "")):
            begun = client.post("/api/storage/uploads", json={"ref": ref[name], "size": 3}).json()
            here = f"/api/storage/uploads/{begun['id']}"
            assert client.put(f"{here}/0", content=b"abc").status_code == 204
            ended = client.post(f"{here}/{last}") if last else client.delete(here)
            assert ended.is_success
        assert client.post("/api/storage/links", json={"ref": ref["link"]}).status_code == 201
    assert [(line.by, line.action, line.subject) for line in audit.lines] == [
        ("anonymous", "blob_uploaded", ref["form"]),
        ("anonymous", "blob_uploaded", ref["pieces"]),
        ("anonymous", "upload_forgotten", ref["none"]),
        ("anonymous", "link_given", f"write {ref['link']}"),
    ]
    assert "sig=" not in str(audit.lines)


class Torn(MemoryAudit):
    """Cannot write."""

    def note(self, by, action, subject, data=None) -> None:
        raise ServiceUnavailable("the audit is away")


def test_a_change_is_not_called_done_before_it_is_written_down(office: Office) -> None:
    client = office.client(audit=Torn())
    answer = client.post("/api/stac/init", headers=with_key(office.key()))
    refused(answer, 503, "service_unavailable")
    assert answer.headers["retry-after"]


def test_a_page_of_the_audit_needs_a_cursor_of_ours(office: Office) -> None:
    client, key = office.client(), office.key()
    wrong = [{"cursor": cursor} for cursor in ("x", "-1", "1" * 19)]
    for path, params in [
        *(("/api/audit", each) for each in wrong),
        ("/api/audit", {"actor": "a\0"}),
        ("/api/keys", {"cursor": "\0"}),
    ]:
        refused(client.get(path, headers=with_key(key), params=params), 422, "invalid_parameters")
    refused(client.delete("/api/keys/%00", headers=with_key(key)), 422, "invalid_parameters")


# what it costs


@contextmanager
def timed(times: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["key", "token"])
def test_to_be_known_costs_little(office: Office, issuer: Issuer, kind: str) -> None:
    """Beside the same request where nobody is asked, turn by turn, so that a busy machine is busy for both."""
    free, strict = office.client(Mode.LOCAL), office.client()
    credential = office.key() if kind == "key" else issuer.token("reader")
    headers = {**bearer(credential), "X-Correlation-Id": USER["oid"]}
    costs: dict[str, list[float]] = {"free": [], "strict": []}
    for _ in range(150):
        with timed(costs["free"]):
            assert free.get("/api/job-types", headers=headers).status_code == 200
        with timed(costs["strict"]):
            assert strict.get("/api/job-types", headers=headers).status_code == 200
    one, other = (sorted(costs[name])[50] for name in ("strict", "free"))
    assert one < 1.5 * other + 0.001, f"{kind}: {one * 1e3:.2f} ms beside {other * 1e3:.2f} ms"
