"""What pages tell, to whom, and what nobody can make them do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx
import pytest

from core.identity import Role
from core.keys import KeyRing, NewKey, Secret
from core.memory.keys import MemoryAudit, MemoryKeys
from tests.http.house import House, serving
from tests.pages.conftest import MODULES, app_of
from tests.pages.sample_jobs import Survey
from tests.support.waiting import eventually
from triggers.http.door.access import Access, Rates
from triggers.listening import Mode

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }} ${7*7}",
    "\u202etxt.exe\u202c",
    "ü漢字🌍" * 50,
    "x" * 1000,
]
ADDRESSES = [
    "/",
    "/status",
    "/jobs",
    "/submit",
    "/submit/survey",
    "/catalog",
    "/fire",
    "/pick/blobs",
    "/storage",
    "/storage?container=bronze-anything",
    "/history",
    "/operate",
    "/operate/workers",
    "/operate/schedules",
    "/operate/webhooks",
    "/operate/database",
    "/operate/settings",
    "/operate/keys",
    "/operate/audit",
    "/sign-in",
]
PARTS = ["", "/tasks", "/events", "/logs", "/timeline"]
SAME = {"Sec-Fetch-Site": "same-origin"}


class Parts(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def only_ours(page: str) -> bool:
    """Whether no name has become an element, an attribute that runs, or something that a template has counted."""
    parts = Parts(page)
    sources = [str(given.get("src")) for tag, given in parts.elements if tag in ("script", "img")]
    runs = [n for _, given in parts.elements for n in given if n.startswith("on") or n == "style"]
    return not runs and all(s.startswith("/assets/") for s in sources) and "49 $" not in parts.text


def token_in(page: httpx.Response) -> str:
    return re.findall(r'name="csrf" content="(\w+)"', page.text)[0]


def finished(house: House, job: Survey) -> str:
    job_id = house.submit(job)
    eventually(lambda: house.insights.job(job_id).status.is_final, 60)
    return job_id


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_answers_with_a_strict_policy(client: httpx.Client, address: str) -> None:
    page = client.get(address)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, given in Parts(page.text).elements:
        assert tag != "style"
        assert tag != "script" or "src" in given
        assert not [name for name in given if name == "style" or name.startswith("on")]
        for address in (given.get("src"), given.get("href")):
            assert not re.match("(https?:)?//|javascript:", address or "")


def test_the_first_page_is_small(client: httpx.Client) -> None:
    """Under 150 KB without the map, uncompressed."""
    page = client.get("/")
    named = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text))
    modules = {page.text[page.text.index("/assets/") :].split("/")[2]}
    named |= {f"/assets/{modules.copy().pop()}/{name}.js" for name in ("live", "acts", "time")}
    parts = [client.get(each) for each in named]
    assert all(part.status_code == 200 for part in parts)
    assert all("immutable" in part.headers["cache-control"] for part in parts)
    assert len(page.content) + sum(len(part.content) for part in parts) < 150_000


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_show_as_text(house: House, client: httpx.Client, text: str) -> None:
    """R124: markup in parameters, logs and errors is text wherever it shows."""
    job_id = finished(house, Survey(area=text, tags=[text], parts=1))
    addresses = ["/", "/status", "/jobs", *(f"/jobs/{job_id}{part}" for part in PARTS)]
    for address in [*addresses, "/history", f"/submit/survey?of={job_id}"]:
        assert only_ours(client.get(address).text), address
    assert (
        client.get("/jobs", params={"search": text, "type": text, "status": text}).status_code
        == 200
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_address_shows_as_text(client: httpx.Client, text: str) -> None:
    """R124."""
    for address in (f"/jobs/{text}", f"/submit/{text}", f"/nowhere/{text}"):
        page = client.get(httpx.URL("http://any.where", path=address).raw_path.decode())
        assert page.status_code in (404, 422)
        assert page.headers["content-type"].startswith("text/html")
        assert only_ours(page.text)


def test_problems_are_pages_for_people_and_documents_for_programs(client: httpx.Client) -> None:
    address = f"/jobs/{'ab' * 32}"
    page = client.get(address)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["x-correlation-id"] in page.text
    told = client.get(address, headers={"Accept": "*/*"})
    assert told.json()["code"] == "job_not_found"


def test_a_job_is_found_by_its_id_and_by_what_it_was_given(
    house: House, client: httpx.Client
) -> None:
    job_id = finished(house, Survey(area="Lake Kivu", parts=2))
    assert job_id in client.get("/jobs", params={"search": "lake kivu"}).text
    assert job_id in client.get("/jobs", params={"search": job_id[:10]}).text
    assert client.get("/jobs", params={"search": job_id}).headers["location"] == f"/jobs/{job_id}"
    assert "No job fits" in client.get("/jobs", params={"search": "no such lake"}).text


# forms


def test_a_form_submits_a_job(house: House, client: httpx.Client) -> None:
    token = token_in(client.get("/submit/survey"))
    form = {"csrf": token, "p.area": "pond", "p.keep": "true", "p.layers": ["water", "roads"]}
    form |= {"p.bbox": ["29", "-2", "30", "-1"], "p.tags": "a\n b \n", "p.more": '{"n": 1}'}
    answer = client.post("/submit/survey", data=form, headers=SAME)
    assert answer.status_code == 303
    view = house.insights.job(answer.headers["location"].rpartition("/")[2], verbose=True)
    assert view.parameters["bbox"] == [29, -2, 30, -1]
    assert view.parameters["tags"] == ["a", "b"]
    assert view.parameters["layers"] == ["water", "roads"]
    assert view.parameters["more"] == {"n": 1}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"p.area": ""}, "required"),
        ({"p.area": "x", "p.parts": "0"}, "greater than or equal to 1"),
        ({"p.area": "x", "p.parts": "many"}, "is no number"),
        ({"p.area": "x", "p.share": "nan"}, "is no number"),
        ({"p.area": "x", "p.more": "{"}, "this is not JSON"),
        ({"p.area": "x", "p.mode": "slow"}, "fast"),
        ({"p.area": "x\0"}, "NUL"),
        ({"p.area": "x", "p.source": "nowhere"}, "zone"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_begins(
    client: httpx.Client, wrong: dict[str, str], why: str
) -> None:
    token = token_in(client.get("/submit/survey"))
    for address in ("/submit/survey/check", "/submit/survey"):
        answer = client.post(address, data={"csrf": token, **wrong}, headers=SAME)
        assert answer.status_code in (200, 422)
        assert why in answer.text


def test_the_equal_job_shows_before_anything_is_sent(house: House, client: httpx.Client) -> None:
    job_id = finished(house, Survey(area="the same", keep=True, parts=1))
    token = token_in(client.get("/submit/survey"))
    form = {"csrf": token, "p.area": "the same", "p.keep": "true", "p.parts": "1"}
    told = client.post(
        "/submit/survey/check", data={**form, "p.layers": "water"}, headers=SAME
    ).text
    assert f'href="/jobs/{job_id}"' in told
    assert "coremachine_client" in told
    assert "curl -X POST" in told


# forgery


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_of_another_site_is_refused(client: httpx.Client, site: str) -> None:
    token = token_in(client.get("/submit/survey"))
    form = {"csrf": token, "p.area": "x"}
    answer = client.post("/submit/survey", data=form, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "Nothing" not in answer.text


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_the_token_is_refused(client: httpx.Client, token: str) -> None:
    client.get("/submit/survey")
    answer = client.post("/submit/survey", data={"csrf": token, "p.area": "x"}, headers=SAME)
    assert answer.status_code == 403


def test_a_browser_that_says_nothing_must_name_its_origin(url: str, client: httpx.Client) -> None:
    token = token_in(client.get("/submit/survey"))
    form = {"csrf": token, "p.area": ""}
    assert client.post("/submit/survey/check", data=form).status_code == 403
    here = client.post("/submit/survey/check", data=form, headers={"Origin": url})
    assert here.status_code == 200


# signing in


@pytest.fixture(scope="module")
def secrets(house: House) -> dict[Role, Secret]:
    return {role: Secret.make() for role in Role}


@pytest.fixture(scope="module")
def strict(house: House, secrets: dict[Role, Secret]) -> Iterator[str]:
    """An installation that asks who calls."""
    keys = MemoryKeys()
    for role, secret in secrets.items():
        keys.add(NewKey(secret.id, secret.digest, role, role), "test")
    ring = KeyRing(keys)
    access = Access(Mode.REQUIRED, (ring,), Rates(0, 1, 0, 1, 0))
    with serving(app_of(house, access=access, keys=ring, audit=MemoryAudit())) as url:
        yield url


@contextmanager
def signed_in(url: str, secret: Secret) -> Iterator[httpx.Client]:
    headers = {"Accept": "text/html", **SAME}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        form = {"csrf": token_in(client.get("/sign-in")), "key": str(secret), "next": "/jobs"}
        answer = client.post("/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
        yield client


def test_a_stranger_is_sent_to_the_sign_in_and_back(strict: str) -> None:
    answer = httpx.get(f"{strict}/jobs?status=failed", headers={"Accept": "text/html"}, timeout=60)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/jobs%3Fstatus%3Dfailed"


def test_the_key_is_kept_where_no_script_and_no_other_site_reaches_it(
    strict: str, secrets: dict[Role, Secret]
) -> None:
    with signed_in(strict, secrets[Role.READER]) as client:
        assert client.get("/jobs").status_code == 200
        form = {"csrf": token_in(client.get("/sign-in")), "key": str(secrets[Role.READER])}
        cookie = client.post("/sign-in", data=form).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert str(secrets[Role.READER]) not in client.get("/jobs").text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil", "jobs"])
def test_signing_in_leads_to_pages_of_ours_only(strict: str, target: str) -> None:
    page = httpx.get(f"{strict}/sign-in", params={"next": target}, timeout=60)
    assert 'name="next" value="/"' in page.text


def test_a_wrong_key_is_told_and_not_kept(strict: str) -> None:
    with httpx.Client(
        base_url=strict, timeout=120, headers={"Accept": "text/html", **SAME}
    ) as client:
        form = {"csrf": token_in(client.get("/sign-in")), "key": str(Secret.make())}
        answer = client.post("/sign-in", data=form)
        assert answer.status_code == 401
        assert "cm_session" not in answer.headers.get("set-cookie", "")
        assert client.post("/sign-in", data={"key": str(Secret.make())}).status_code == 403


def test_a_cookie_alone_changes_nothing_over_the_api(
    strict: str, secrets: dict[Role, Secret], house: House
) -> None:
    job_id = finished(house, Survey(area="mine", parts=1))
    with signed_in(strict, secrets[Role.OPERATOR]) as client:
        address, token = f"/api/jobs/{job_id}/replay", token_in(client.get("/jobs"))
        body = {"stage": "add"}
        bare = client.post(address, json=body)
        assert (bare.status_code, bare.json()["code"]) == (403, "forged")
        wrong = client.post(address, json=body, headers={"X-CSRF-Token": "0" * 64})
        assert wrong.status_code == 403
        other = {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}
        assert client.post(address, json=body, headers=other).status_code == 403
        assert client.post(address, json=body, headers={"X-CSRF-Token": token}).status_code == 202


def test_a_key_in_a_header_needs_no_token(strict: str, secrets: dict[Role, Secret]) -> None:
    key = {"X-API-Key": str(secrets[Role.SUBMITTER])}
    answer = httpx.post(
        f"{strict}/submit/survey/check", data={"p.area": "x"}, headers=key, timeout=60
    )
    assert answer.status_code == 200


def test_signing_out_forgets_the_key(strict: str, secrets: dict[Role, Secret]) -> None:
    with signed_in(strict, secrets[Role.READER]) as client:
        token = token_in(client.get("/jobs"))
        assert client.post("/sign-out").status_code == 403
        assert client.post("/sign-out", data={"csrf": token}).status_code == 303
        assert client.get("/jobs").status_code == 303


def test_a_page_offers_only_what_the_role_allows(
    strict: str, secrets: dict[Role, Secret], house: House
) -> None:
    job_id = finished(house, Survey(area="offered", parts=1))
    seen = {}
    for role, secret in secrets.items():
        with signed_in(strict, secret) as client:
            seen[role] = client.get(f"/jobs/{job_id}").text
            assert ("/operate/database" in client.get("/operate/workers").text) is (
                role is Role.OPERATOR
            )
    assert "/replay" not in seen[Role.APPROVER]
    assert "/replay" in seen[Role.OPERATOR]
    assert "/resubmit" not in seen[Role.READER]
    assert "/resubmit" in seen[Role.SUBMITTER]
    assert "/cancel" not in seen[Role.OPERATOR]


def test_pages_without_their_packages_still_show(house: House, tmp_path) -> None:
    with serving(app_of(house, static_folder=tmp_path)) as url:
        page = httpx.get(url, headers={"Accept": "text/html"}, timeout=60)
        assert page.status_code == 200
        script = re.findall(r'src="(/assets/\w+/htmx.js)"', page.text)[0]
        assert httpx.get(f"{url}{script}", timeout=60).json()["code"] == "not_set_up"
    assert MODULES.name == "node_modules"
