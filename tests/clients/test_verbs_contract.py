"""Every route of the table of roles has a method of the client and a command, or a reason why not.

What an operator can do over HTTP, an operator can do from a shell and from Python.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from core.identity import Role
from coremachine_client import Client, ClientError
from tests.clients.cli import Cli, command
from tests.http.house import serving
from triggers.http.door.roles import RULES

JOB = "a" * 64
UPLOAD = {
    "id": "u1",
    "ref": "bronze/a/b.tif",
    "size": 1,
    "piece_size": 1,
    "count": 1,
    "there": [],
}
ANSWERS: dict[str, Any] = {
    "GET /api/job-types/hello_world": {"job_type": "hello_world", "parameters": {}},
    "POST /api/storage/uploads": UPLOAD,
    "PUT /api/storage/uploads/u1/0": {},
    "GET /api/livez": {},
    "GET /api/openapi.json": {"info": {"version": "1"}},
    "GET /api/health": {"status": "healthy"},
}
"""What a way needs on its way; everything else is not there."""

Call = Callable[[Client], object]
WAYS: dict[str, tuple[Call, str]] = {
    # the installation
    "GET /api/health": (lambda c: c.health(), "health"),
    "GET /api/status/deep": (lambda c: c.deep_status(), "doctor --remote"),
    "GET /api/status/throughput": (lambda c: c.throughput(), "throughput"),
    "GET /api/history": (lambda c: c.history(), "history"),
    "GET /api/gates": (lambda c: c.gates(), "gates"),
    "GET /api/whoami": (lambda c: c.whoami(), "whoami"),
    "GET /api/keys": (lambda c: list(c.keys), "keys list"),
    "POST /api/keys": (lambda c: c.keys.create("a", "reader"), "keys create a"),
    "DELETE /api/keys/{key_id}": (lambda c: c.keys.revoke("k"), "keys revoke k"),
    "GET /api/audit": (lambda c: list(c.audit()), "audit"),
    # jobs
    "POST /api/jobs/submit/{job_type}": (
        lambda c: c.submit("hello_world"),
        "submit hello_world --no-wait",
    ),
    "GET /api/jobs/status/{job_id}": (lambda c: c.status(JOB), f"show {JOB}"),
    "GET /api/jobs": (lambda c: list(c.jobs()), "list"),
    "GET /api/jobs/{job_id}/tasks": (lambda c: list(c.tasks(JOB)), f"tasks {JOB}"),
    "GET /api/jobs/{job_id}/tasks/{task_id}": (lambda c: c.task(JOB, "1"), f"tasks {JOB} 1"),
    "GET /api/jobs/{job_id}/result": (lambda c: c.result(JOB), f"result {JOB}"),
    "GET /api/jobs/{job_id}/events": (lambda c: list(c.events(JOB)), f"events {JOB}"),
    "GET /api/jobs/{job_id}/events/stream": (
        lambda c: list(c.stream(JOB)),
        f"watch {JOB} --after 0",
    ),
    "GET /api/jobs/{job_id}/logs": (lambda c: list(c.logs(JOB)), f"logs {JOB}"),
    "GET /api/jobs/{job_id}/timeline": (lambda c: c.timeline(JOB), f"timeline {JOB}"),
    "GET /api/job-types": (lambda c: c.job_types(), "types"),
    "GET /api/job-types/{job_type}": (lambda c: c.job_type("a"), "types a"),
    "GET /api/concurrency": (lambda c: list(c.limits.keys()), "limits keys"),
    "GET /api/limits/{job_type}": (lambda c: c.limits.get("a"), "limits show a"),
    "PUT /api/limits/{job_type}": (lambda c: c.limits.lift("a"), "limits lift a"),
    # control
    "POST /api/jobs/{job_id}/cancel": (lambda c: c.cancel(JOB), f"cancel {JOB}"),
    "POST /api/jobs/{job_id}/pause": (lambda c: c.pause(JOB), f"pause {JOB}"),
    "POST /api/jobs/{job_id}/resume": (lambda c: c.resume(JOB), f"resume {JOB}"),
    "POST /api/jobs/{job_id}/resubmit": (lambda c: c.resubmit(JOB), f"resubmit {JOB}"),
    "POST /api/jobs/{job_id}/replay": (lambda c: c.replay(JOB, "s"), f"replay {JOB} s"),
    "POST /api/jobs/{job_id}/tasks/{task_id}/retry": (
        lambda c: c.retry(JOB, "1"),
        f"retry {JOB} 1",
    ),
    "DELETE /api/jobs/{job_id}": (lambda c: c.delete(JOB), f"delete {JOB} --yes"),
    "POST /api/jobs/{job_id}/gates/{stage}/approve": (
        lambda c: c.approve(JOB, "s"),
        f"approve {JOB} s",
    ),
    "POST /api/jobs/{job_id}/gates/{stage}/reject": (
        lambda c: c.reject(JOB, "s"),
        f"reject {JOB} s",
    ),
    # schedules, templates, batches
    "GET /api/schedules": (lambda c: list(c.schedules), "schedules list"),
    "POST /api/schedules": (
        lambda c: c.schedules.create("a", "b", "@daily"),
        "schedules create a b @daily",
    ),
    "GET /api/schedules/{name}": (lambda c: c.schedules.get("a"), "schedules show a"),
    "PUT /api/schedules/{name}": (
        lambda c: c.schedules.update("a", "b", "@daily"),
        "schedules update a b @daily",
    ),
    "DELETE /api/schedules/{name}": (lambda c: c.schedules.delete("a"), "schedules delete a"),
    "POST /api/schedules/{name}/pause": (lambda c: c.schedules.pause("a"), "schedules pause a"),
    "POST /api/schedules/{name}/resume": (lambda c: c.schedules.resume("a"), "schedules resume a"),
    "POST /api/schedules/{name}/trigger": (
        lambda c: c.schedules.trigger("a"),
        "schedules trigger a",
    ),
    "GET /api/schedules/{name}/history": (
        lambda c: list(c.schedules.history("a")),
        "schedules history a",
    ),
    "GET /api/schedules/{name}/next": (lambda c: c.schedules.next("a"), "schedules next a"),
    "GET /api/templates": (lambda c: list(c.templates), "templates list"),
    "PUT /api/templates/{name}": (lambda c: c.templates.put("a", "b"), "templates put a b"),
    "GET /api/templates/{name}": (lambda c: c.templates.get("a"), "templates show a"),
    "DELETE /api/templates/{name}": (lambda c: c.templates.delete("a"), "templates delete a"),
    "GET /api/templates/{name}/versions": (
        lambda c: list(c.templates.versions("a")),
        "templates versions a",
    ),
    "POST /api/templates/{name}/submit": (
        lambda c: c.templates.submit("a"),
        "templates submit a --no-wait",
    ),
    "GET /api/templates/{name}/submissions": (
        lambda c: list(c.templates.submissions("a")),
        "templates submissions a",
    ),
    "POST /api/batches": (lambda c: c.batches.create([{}]), "batches create --from jobs.json"),
    "GET /api/batches": (lambda c: list(c.batches), "batches list"),
    "GET /api/batches/{batch_id}": (lambda c: c.batches.get(1), "batches show 1"),
    "GET /api/batches/{batch_id}/jobs": (lambda c: list(c.batches.jobs(1)), "batches jobs 1"),
    "POST /api/batches/{batch_id}/cancel": (lambda c: c.batches.cancel(1), "batches cancel 1"),
    # webhooks
    "GET /api/webhooks": (lambda c: list(c.webhooks), "webhooks list"),
    "POST /api/webhooks": (lambda c: c.webhooks.create("u"), "webhooks create u"),
    "GET /api/webhooks/{webhook_id}": (lambda c: c.webhooks.get("w"), "webhooks show w"),
    "PUT /api/webhooks/{webhook_id}": (
        lambda c: c.webhooks.update("w", "u"),
        "webhooks update w u",
    ),
    "DELETE /api/webhooks/{webhook_id}": (lambda c: c.webhooks.delete("w"), "webhooks delete w"),
    "POST /api/webhooks/{webhook_id}/pause": (lambda c: c.webhooks.pause("w"), "webhooks pause w"),
    "POST /api/webhooks/{webhook_id}/resume": (
        lambda c: c.webhooks.resume("w"),
        "webhooks resume w",
    ),
    "POST /api/webhooks/{webhook_id}/test": (lambda c: c.webhooks.test("w"), "webhooks test w"),
    "POST /api/webhooks/{webhook_id}/secret": (
        lambda c: c.webhooks.rotate_secret("w"),
        "webhooks secret w",
    ),
    "GET /api/webhooks/{webhook_id}/deliveries": (
        lambda c: list(c.webhooks.deliveries("w")),
        "webhooks deliveries w",
    ),
    "GET /api/webhooks/{webhook_id}/deliveries/{delivery}": (
        lambda c: c.webhooks.delivery("w", 1),
        "webhooks deliveries w 1",
    ),
    "POST /api/webhooks/{webhook_id}/deliveries/{delivery}/replay": (
        lambda c: c.webhooks.replay("w", 1),
        "webhooks replay w 1",
    ),
    # dead letters and the database
    "GET /api/dead-letters": (lambda c: list(c.letters), "letters list"),
    "GET /api/dead-letters/{number}": (lambda c: c.letters.get(1), "letters show 1"),
    "POST /api/dead-letters/{number}/replay": (lambda c: c.letters.replay(1), "letters replay 1"),
    "DELETE /api/dead-letters/{number}": (lambda c: c.letters.discard(1), "letters discard 1"),
    "GET /api/dbadmin/activity": (lambda c: c.house.activity(), "house activity"),
    "GET /api/dbadmin/tables": (lambda c: c.house.tables(), "house tables"),
    "GET /api/dbadmin/migrations": (lambda c: c.house.migrations(), "house migrations"),
    "POST /api/dbadmin/maintenance": (lambda c: c.house.ensure(), "house ensure"),
    # storage and the catalog
    "POST /api/storage/uploads": (
        lambda c: c.blobs.put(BytesIO(b"x"), "bronze/a/b.tif"),
        "blobs put b.tif bronze/a/",
    ),
    "GET /api/storage/uploads/{upload_id}": (
        lambda c: c.blobs.put(BytesIO(b"x"), "bronze/a/b.tif", resume="u1"),
        "blobs put b.tif bronze/a/; blobs put b.tif bronze/a/",
    ),
    "PUT /api/storage/uploads/{upload_id}/{number}": (
        lambda c: c.blobs.put(b"x", "bronze/a/b.tif"),
        "blobs put b.tif bronze/a/",
    ),
    "POST /api/storage/uploads/{upload_id}/complete": (
        lambda c: c.blobs.put(b"x", "bronze/a/b.tif"),
        "blobs put b.tif bronze/a/",
    ),
    "GET /api/storage/blob/{zone}/{container}/{path}": (
        lambda c: c.blobs.read("bronze/a/b.tif"),
        "blobs link bronze/a/b.tif",
    ),
    "GET /api/storage/costs": (lambda c: c.blobs.costs(), "blobs costs"),
    "POST /api/storage/links": (
        lambda c: c.blobs.link("bronze/a/b.tif", write=True),
        "blobs link bronze/a/b.tif --write",
    ),
    "GET /api/storage/containers": (lambda c: c.blobs.containers(), "blobs ls"),
    "GET /api/storage/{zone}/{container}/blobs": (
        lambda c: list(c.blobs.ls("bronze/a")),
        "blobs ls bronze/a",
    ),
    "GET /api/storage/{zone}/{container}/blob": (
        lambda c: c.blobs.info("bronze/a/b.tif"),
        "blobs show bronze/a/b.tif",
    ),
    "GET /api/stac/setup": (lambda c: c.catalog.setup(), "catalog show"),
    "POST /api/stac/init": (lambda c: c.catalog.init(), "catalog init"),
    "POST /api/stac/extract": (
        lambda c: c.catalog.extract("bronze-a", "b.tif", "c"),
        "catalog extract bronze-a b.tif c",
    ),
}
"""For each route a call of the client and a command that ask it."""

ELSEWHERE = {
    "GET /api/status/stream": "it tells that something has changed, for whoever shows much at once",
    "GET /api/livez": "balancers ask whether a process is alive; the doctor asks it too",
    "GET /api/readyz": "balancers ask whether a process may get requests",
    "GET /metrics": "Prometheus scrapes it",
    "GET /api/metrics": "Prometheus scrapes it",
    "GET /api/openapi.json": "the description of what is asked, not a question",
    "GET /api/interface/": "pages that show the description",
    "GET /api/jobs/{job_id}": "the same as /api/jobs/status/{job_id}",
    "GET /api/db/": "entrances of earlier systems: lists that clients have by their newer names",
    "GET /api/analysis/": "an entrance of an earlier system: the job's result",
    "GET /api/ogc": "OGC API - Processes has clients of its own, such as QGIS and OWSLib",
    "POST /api/ogc/": "OGC API - Processes has clients of its own, such as QGIS and OWSLib",
    "DELETE /api/ogc/": "OGC API - Processes has clients of its own, such as QGIS and OWSLib",
    "POST /api/storage/upload": "a form, for browsers; programs send pieces that can be resumed",
    "DELETE /api/storage/uploads/{upload_id}": "an upload that nobody goes on with is forgotten by itself",
    "HEAD /api/storage/blob/": "the same redirect as GET",
    "GET /api/storage/zones": "they are four, and the documentation names them",
    "GET /api/storage/{container}/": "the same with zone and container in one word",
    "GET /api/stac": "STAC has clients of its own, such as pystac-client and QGIS",
    "POST /api/stac/search": "STAC has clients of its own, such as pystac-client and QGIS",
    "POST /api/forecast": "entrances of an earlier system: clients submit fire_forecast",
    "GET /api/forecast": "entrances of an earlier system: clients submit fire_forecast",
    "GET /api/fires/": "detections are for maps",
    "GET /api/weather/": "the matrix of kept forecasts is for dashboards",
    "GET /api/timeseries": "series are for charts",
    "GET /api/xarray/": "cubes are for maps and notebooks",
    "GET /api/mosaics/": "tiles are for maps",
    "POST /api/mosaics/": "tiles are for maps",
    "GET /api/tiles/": "tiles are for maps",
    "POST /api/tiles/": "tiles are for maps",
}
"""Routes, or how they begin, that no client of ours asks, and why."""


def routes() -> set[str]:
    """Those of the API: pages are for people, and their buttons call these."""
    return {f"{method} {path}" for (method, path), rule in RULES.items() if not rule.is_page}


def is_elsewhere(route: str) -> bool:
    """Names that end with a slash, or have routes below them, stand for all of those."""
    return route not in WAYS and any(
        route == begin or route.startswith(begin if begin.endswith("/") else f"{begin}/")
        for begin in ELSEWHERE
    )


def test_every_route_has_a_method_and_a_command_or_a_reason_why_not() -> None:
    assert {route for route in routes() if route not in WAYS and not is_elsewhere(route)} == set()
    assert set(WAYS) <= routes()


def test_nothing_that_an_operator_may_is_left_to_http_alone() -> None:
    operators = {
        f"{r.method} {r.path}" for r in RULES.values() if r.needs is Role.OPERATOR and not r.is_page
    }
    assert operators <= set(WAYS)


def test_every_reason_is_still_about_something() -> None:
    for begin in ELSEWHERE:
        assert any(route.startswith(begin) and is_elsewhere(route) for route in routes()), begin


# that they ask what the table says


@dataclass
class Double:
    """Remembers what it was asked."""

    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE"])
        return app

    async def answer(self, request: Request) -> Response:
        what = f"{request.method} {request.url.path}"
        self.asked.append(what)
        await request.body()
        return JSONResponse(ANSWERS.get(what), 200 if what in ANSWERS else 404)

    def was_asked(self, route: str) -> bool:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route))
        return any(re.fullmatch(pattern, what) for what in self.asked)


@pytest.fixture(scope="module")
def double() -> Double:
    return Double()


@pytest.fixture(scope="module")
def server(double: Double) -> Iterator[str]:
    with serving(double.app()) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def cli(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    (tmp_path / "b.tif").write_bytes(b"x")
    (tmp_path / "jobs.json").write_text("[{}]")
    monkeypatch.chdir(tmp_path)
    return command(server, tmp_path)


@pytest.mark.parametrize("route", WAYS)
def test_the_method_and_the_command_ask_that_route(
    route: str, double: Double, server: str, cli: Cli
) -> None:
    call, words = WAYS[route]
    double.asked.clear()
    with Client(server) as client, suppress(ClientError):
        call(client)
    assert double.was_asked(route), double.asked
    double.asked.clear()
    for each in words.split("; "):
        cli(*each.split())
    assert double.was_asked(route), double.asked
