"""An installation without identity: whom it answers, and which pages it lets change anything."""

from dataclasses import replace

import pytest

from tests.http.office import PLENTY, Office, refused, with_key
from triggers.listening import Mode


def test_a_program_of_this_machine_needs_no_key(office: Office) -> None:
    client = office.client(Mode.LOCAL)
    me = client.get("/api/whoami").json()
    assert (me["actor"], me["kind"], me["role"]) == ("anonymous", "nobody", "operator")
    assert client.post("/api/jobs/submit/squares", json={"n": 1}).status_code == 202


FOREIGN = {
    "a name given by rebinding": {"Host": "evil.example.org"},
    "a name that only looks like ours": {"Host": "localhost.evil.example.org"},
    "an address that is not loopback": {"Host": "192.0.2.1"},
    "no name": {"Host": ""},
    "a proxy": {"X-Forwarded-For": "192.0.2.1"},
    "another proxy": {"Forwarded": "for=192.0.2.1"},
    "a third": {"Via": "1.1 front"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_an_open_installation_answers_its_own_machine_only(office: Office, headers: dict) -> None:
    client = office.client(Mode.LOCAL)
    for path in ("/api/jobs", "/api/livez", "/api/nothing"):
        refused(client.get(path, headers=headers), 403, "foreign_request")


@pytest.mark.parametrize(
    "host", ["localhost:7071", "127.0.0.1", "[::1]:80", "LOCALHOST", "127.8.8.8"]
)
def test_every_name_of_this_machine_is_good(office: Office, host: str) -> None:
    assert office.client(Mode.LOCAL).get("/api/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("mode", [Mode.LOCAL, Mode.OPEN])
@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:1", ""])
def test_pages_of_other_sites_change_nothing(office: Office, mode: Mode, origin: str) -> None:
    client = office.client(mode)
    answer = client.post("/api/jobs/submit/squares", json={"n": 1}, headers={"Origin": origin})
    refused(answer, 403, "foreign_request")
    assert client.get("/api/jobs").json()["jobs"] == []
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/api/jobs/submit/squares", json={"n": 1}, headers=own).status_code == 202


def test_no_page_of_another_site_reads_an_answer(office: Office) -> None:
    """CORS stays closed."""
    for client in (office.client(Mode.LOCAL), office.client()):
        asked = {"Origin": "https://evil.example.org", "Access-Control-Request-Method": "GET"}
        for answer in (
            client.options("/api/jobs", headers=asked),
            client.get("/api/livez", headers=asked),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_installation_of_which_nobody_has_said_who_may_call_answers_nobody(
    office: Office,
) -> None:
    client = office.client(Mode.UNDECIDED)
    assert client.get("/api/livez").status_code == 200
    for headers in ({}, with_key(office.key())):
        answer = client.get("/api/jobs", headers=headers)
        refused(answer, 503, "identity_not_configured")
        assert "CM_IDENTITY" in answer.json()["detail"]


def test_an_installation_that_is_open_to_everybody_says_so(office: Office) -> None:
    client = office.client(Mode.OPEN, replace(PLENTY, caller=0.01, caller_burst=3))
    found = [client.get("/api/whoami", headers={"Host": "any.where"}) for _ in range(4)]
    assert found[0].json()["identity"] == "open"
    assert [answer.status_code for answer in found] == [200, 200, 200, 429]
