"""The table of roles is complete in both directions, and it is what really happens."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts

from core.identity import Role
from core.keys import KeyRing, NewKey, Secret
from core.memory.keys import MemoryAudit, MemoryKeys
from tests.http.house import House
from tests.http.table import operations, pages
from tests.http.test_http_routes import SAMPLES
from triggers.http.app import WebApp, create_app
from triggers.http.door import roles
from triggers.http.door.access import Access, Rates
from triggers.http.door.roles import NOTHING, RULES, Open, rule_of
from triggers.http.services import Services
from triggers.listening import Mode

READING = {"GET", "HEAD"}
NEEDED = list(RULES.values())


def real_routes() -> set[tuple[str, str]]:
    """Every method and path that the app answers, whether its document tells of it or not."""
    app = create_app(Services(None, None, None, None))  # type: ignore[arg-type]
    return {
        (method, context.path_format or context.path or "")
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ("ANY",)
    }


def test_every_route_has_a_role_and_every_role_a_route() -> None:
    real = real_routes()
    assert {route for route in real if rule_of(*route) is None} == set()
    assert set(RULES) - real == set()


def test_every_operation_of_the_document_has_a_role() -> None:
    told = {(o.method, o.path) for o in operations() + pages()}
    assert {route for route in told if rule_of(*route) is None} == set()


def test_every_change_says_how_it_is_written_down() -> None:
    lines = [line.split() for line in roles.TABLE.splitlines()]
    for line in lines:
        if line and line[0] != "#":
            assert len(line) == (3 if line[0] in READING else 4), line


def test_what_a_reader_may_use_changes_nothing() -> None:
    for rule in RULES.values():
        if rule.method not in READING and rule.needs is Role.READER:
            assert rule.audit == NOTHING, rule
        if rule.method in READING:
            assert rule.audit == NOTHING, rule


def test_only_these_are_open_to_everybody() -> None:
    assert {f"{r.method} {r.path}" for r in RULES.values() if isinstance(r.needs, Open)} == {
        "GET /api/livez",
        "GET /api/readyz",
        "GET /api/health",
        "GET /api/openapi.json",
        "GET /api/interface/swagger",
        "GET /api/interface/redoc",
        "GET /api/interface/assets/{name}",
        "GET /api/whoami",
        "GET /assets/{version}/{name}",
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
    }


# what happens

keys = MemoryKeys()
SECRETS = {role: Secret.make() for role in Role}
for role, secret in SECRETS.items():
    keys.add(NewKey(secret.id, secret.digest, role, role), "test")
RING = KeyRing(keys)


@pytest.fixture(scope="module")
def strict(common_house: House) -> WebApp:
    """Who is not known is refused. Nobody is ever refused for asking too often."""
    return common_house.app(access=strict_access(), keys=RING, audit=MemoryAudit())


def strict_access() -> Access:
    return Access(Mode.REQUIRED, (RING,), Rates(0, 1, 0, 1, 0))


def path_of(rule: roles.Rule) -> str:
    return re.sub(r"{(\w+)}", lambda name: SAMPLES[name[1]], rule.path)


def asked(app: WebApp, rule: roles.Rule, secret: Secret | None) -> httpx.Response:
    """Without a body that would do anything."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://any.where") as client:
            headers = {} if secret is None else {"x-api-key": str(secret)}
            return await client.request(rule.method, path_of(rule), headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "rule",
    [rule for rule in NEEDED if isinstance(rule.needs, Role)],
    ids=lambda rule: f"{rule.method} {rule.path}",
)
def test_a_route_needs_just_its_role(strict: WebApp, rule: roles.Rule) -> None:
    unknown = asked(strict, rule, None)
    assert unknown.status_code == 401
    assert unknown.headers["www-authenticate"].startswith("Bearer")
    below = [role for role in Role if not role.covers(rule.needs)]
    if below:
        refused = asked(strict, rule, SECRETS[below[-1]])
        assert refused.status_code == 403
        if rule.method != "HEAD":
            assert f"needs the role {rule.needs}" in refused.json()["detail"]
    if "stream" not in rule.path:
        assert asked(strict, rule, SECRETS[rule.needs]).status_code not in (401, 403)


@pytest.fixture
def extended(common_house: House) -> WebApp:
    """An app with a route that nobody has given a role, and with one that is mounted."""
    app = common_house.app(access=strict_access())
    router = APIRouter()

    @router.get("/api/forgotten/{name}")
    def forgotten(name: str) -> str:
        return "secret"

    async def mounted(scope, receive, send) -> None:
        raise AssertionError("reached")

    app.include_router(router)
    app.mount("/api/mounted", mounted)
    return app


@pytest.mark.parametrize("path", ["/api/forgotten/x", "/api/mounted/", "/api/mounted/deep/er"])
def test_a_route_without_a_role_is_refused_to_everybody(extended: WebApp, path: str) -> None:
    rule = roles.Rule("GET", path, Role.OPERATOR)
    assert asked(extended, rule, SECRETS[Role.OPERATOR]).status_code == 403
    assert asked(extended, rule, None).status_code == 403


def test_a_web_socket_is_refused(strict: WebApp) -> None:
    async def ask() -> list[dict]:
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "websocket.connect"}

        async def send(message) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/api/jobs", "headers": [], "query_string": b""}
        await strict({**scope, "subprotocols": []}, receive, send)
        return sent

    assert [message["type"] for message in asyncio.run(ask())] == ["websocket.close"]


def test_the_route_that_answers_must_be_the_one_that_was_let_in(
    strict: WebApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lock: a gate that takes a request for another one opens nothing."""
    rule = RULES["GET", "/api/livez"]
    monkeypatch.setattr("triggers.http.door.gate.Gate._rule", lambda gate, scope: (rule, {}))
    refused = asked(strict, RULES["GET", "/api/jobs"], None)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "path",
    [
        "/api//jobs",
        "/api/jobs/",
        "/api/jobs%2F",
        "/api/./jobs",
        "/API/jobs",
        "/api/livez/../jobs",
        "/api/jobs;x",
        "/api/jobs%0a",
    ],
)
def test_no_way_of_writing_a_path_goes_around_the_gate(strict: WebApp, path: str) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(strict)
        async with httpx.AsyncClient(transport=transport, base_url="http://any.where") as client:
            return await client.get(path)

    answer = asyncio.run(ask())
    assert answer.status_code in (401, 404), answer.text
    assert "jobs" not in answer.json()


def test_the_document_tells_what_each_operation_needs(common_client: httpx.Client) -> None:
    document = common_client.get("/api/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rule = rule_of(method.upper(), path)
            assert rule is not None
            assert operation["x-role"] == rule.needs
            assert (operation["security"] == []) is (rule.needs is Open.PUBLIC)


def test_the_table_is_in_one_place() -> None:
    """Nobody else decides by role."""
    folder = Path(roles.__file__).parent
    deciding = {f.name for f in folder.rglob("*.py") if "covers(" in f.read_text()}
    assert deciding == {"access.py"}
