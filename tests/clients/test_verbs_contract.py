"""Verbs that the server of this branch does not have yet, against a double of the contract. Replace it by the real thing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from coremachine_client import Client
from tests.clients.cli import Cli, command
from tests.http.house import serving

JOB = "a" * 64
HOOK = {"id": "0b1c", "url": "https://host/hook", "events": ["job.failed"], "state": "active"}
DELIVERY = {"id": 7, "type": "job.failed", "status": "sent", "attempts": 1, "status_code": 200}
LINE = {"id": 1, "at": "2024-05-01T10:00:00Z", "level": "INFO", "message": "warping [1]"}
ANSWERS: dict[str, Any] = {
    "POST /api/jobs/submit/hello_world": {
        "job_id": JOB,
        "job_type": "hello_world",
        "status": "queued",
        "message": "The job waits.",
        "run": 1,
        "is_new": True,
        "parameters": {},
    },
    "GET /api/job-types/hello_world": {"job_type": "hello_world", "parameters": {}},
    f"GET /api/jobs/{JOB}/logs": {
        "lines": [{**LINE, "task_id": "1-0-0", "attempt": 1}],
        "links": {},
    },
    "GET /api/webhooks": {"webhooks": [HOOK], "links": {}},
    "POST /api/webhooks": {**HOOK, "secret": "whsec_x"},
    "GET /api/webhooks/0b1c": HOOK,
    "PUT /api/webhooks/0b1c": HOOK,
    "DELETE /api/webhooks/0b1c": None,
    "POST /api/webhooks/0b1c/pause": {**HOOK, "state": "paused", "changed": True},
    "POST /api/webhooks/0b1c/resume": {**HOOK, "changed": True},
    "POST /api/webhooks/0b1c/test": DELIVERY,
    "POST /api/webhooks/0b1c/secret": {"secret": "whsec_y"},
    "GET /api/webhooks/0b1c/deliveries": {"deliveries": [DELIVERY], "links": {}},
    "POST /api/webhooks/0b1c/deliveries/7/replay": {**DELIVERY, "changed": True},
}


@dataclass
class Double:
    """Answers as the contract says, and remembers what it was asked."""

    asked: list[tuple[str, dict[str, list[str]], Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE"])
        return app

    async def answer(self, request: Request) -> Response:
        what = f"{request.method} {request.url.path}"
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        body = await request.json() if await request.body() else None
        self.asked.append((what, query, body))
        told = ANSWERS[what]
        return Response(status_code=204) if told is None else JSONResponse(told)


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def server(double: Double) -> Iterator[str]:
    with serving(double.app()) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def cli(server: str, tmp_path: Path) -> Cli:
    return command(server, tmp_path)


def test_a_submission_has_a_priority_and_waits_for_others(
    server: str, double: Double, cli: Cli
) -> None:
    wanted = {"priority": ["5"], "after": [JOB, JOB], "after_success": ["true"]}
    with Client(server) as client:
        client.submit("hello_world", priority=5, after=[JOB, JOB], after_success=True)
    words = f"--priority 5 --after {JOB} --after {JOB} --after-success --no-wait".split()
    assert cli("submit", "hello_world", *words).code == 0
    asked = [query for what, query, _ in double.asked if "submit" in what]
    assert asked == [wanted, wanted]


def test_logs_are_lines(server: str, double: Double, cli: Cli) -> None:
    with Client(server) as client:
        [line] = client.logs(JOB, task_id="1-0-0", level="info")
    assert (line.level, line.message) == ("INFO", "warping [1]")
    assert cli("logs", JOB, "--task", "1-0-0", "--level", "INFO").out == (
        "10:00:00  1-0-0       INFO     warping [1]\n"
    )
    queries = [{k: v for k, v in query.items() if k != "limit"} for _, query, _ in double.asked]
    assert queries == [{"task_id": ["1-0-0"], "level": ["info"]}] * 2


def test_webhooks_live_through_the_client(server: str, double: Double) -> None:
    with Client(server) as client:
        hooks = client.webhooks
        assert hooks.create("https://host/hook", ["job.failed"]).secret == "whsec_x"
        assert [hook.id for hook in hooks] == ["0b1c"]
        assert hooks.get("0b1c").url == "https://host/hook"
        hooks.update("0b1c", "https://host/hook")
        assert hooks.pause("0b1c").state == "paused"
        hooks.resume("0b1c")
        assert hooks.test("0b1c").status == "sent"
        assert [each.id for each in hooks.deliveries("0b1c")] == [7]
        hooks.replay("0b1c", 7)
        assert hooks.rotate_secret("0b1c") == "whsec_y"
        hooks.delete("0b1c")
    whole = {"url": "https://host/hook", "job_types": [], "description": ""}
    assert [body for what, _, body in double.asked if what == "POST /api/webhooks"] == [
        {**whole, "events": ["job.failed"]}
    ]


def test_webhooks_by_the_command(cli: Cli) -> None:
    made = cli("webhooks", "create", "https://host/hook", "--event", "job.failed")
    assert "whsec_x" in made.out
    assert "https://host/hook" in cli("webhooks", "list").out
    assert cli("webhooks", "show", "0b1c", "--json").document["id"] == "0b1c"
    assert cli("webhooks", "update", "0b1c", "https://host/hook").code == 0
    for verb in ("pause", "resume", "test", "delete"):
        assert cli("webhooks", verb, "0b1c").code == 0
    assert "job.failed" in cli("webhooks", "deliveries", "0b1c").out
    assert cli("webhooks", "replay", "0b1c", 7).code == 0
    assert cli("webhooks", "secret", "0b1c").out == "whsec_y\n"
