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
        return JSONResponse(ANSWERS[what])


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
