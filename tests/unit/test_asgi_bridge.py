"""The bridge between the Functions host and an ASGI app, with the real azure.functions types and FastAPI."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from azure.functions.http import HttpResponseConverter
from fastapi import FastAPI, Request, Response
from fastapi.background import BackgroundTasks
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse

from triggers.asgi_bridge import AsgiBridge

BRIEFLY = timedelta(seconds=0.1)
SECRET = "postgresql://operator:hunter2@db.internal/core"


@dataclass
class Invocation:
    invocation_id: str = "invocation-7"


@dataclass
class Starts:
    """What the lifespan of the app under test went through."""

    failures: int = 0
    seen: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        self.seen.append("start")
        await asyncio.sleep(0.05)
        if self.failures:
            self.failures -= 1
            raise ConnectionError(SECRET)
        yield {"pool": "open"}


@pytest.fixture
def starts() -> Starts:
    return Starts()


@pytest.fixture
def app(starts: Starts) -> FastAPI:
    app = FastAPI(lifespan=starts.lifespan)

    @app.get("/api/ping")
    async def ping(request: Request) -> dict[str, str]:
        return {"pool": request.state.pool}

    @app.api_route("/api/echo/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def echo(request: Request, rest: str) -> Response:
        seen = {"method": request.method, "rest": rest, "query": request.query_params.multi_items()}
        seen |= {"url": str(request.url), "headers": dict(request.headers)}
        return Response(
            await request.body() or json.dumps(seen), media_type="application/octet-stream"
        )

    return app


def ask(
    bridge: AsgiBridge,
    method: str = "GET",
    path: str = "/api/ping",
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> func.HttpResponse:
    return asyncio.run(_serve(bridge, method, path, body, headers))


async def _serve(
    bridge: AsgiBridge,
    method: str = "GET",
    path: str = "/api/ping",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> func.HttpResponse:
    url = f"https://core.example.net{path}"
    request = func.HttpRequest(method, url, headers=headers or {}, body=body)
    return await bridge.serve(request, Invocation())


def content_of(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


def bridge_to(app: FastAPI, **limits: timedelta) -> AsgiBridge:
    return AsgiBridge(lambda: app, **limits)


def test_fifty_first_requests_start_the_app_once(app: FastAPI, starts: Starts) -> None:
    builds: list[str] = []

    def build() -> FastAPI:
        builds.append("built")
        return app

    async def fifty() -> list[func.HttpResponse]:
        bridge = AsgiBridge(build)
        return await asyncio.gather(*(_serve(bridge) for _ in range(50)))

    answers = asyncio.run(fifty())
    assert [content_of(answer) for answer in answers] == [{"pool": "open"}] * 50
    assert (starts.seen, builds) == (["start"], ["built"])


def test_the_app_is_not_built_before_the_first_request(app: FastAPI) -> None:
    def build() -> FastAPI:
        raise AssertionError("a queue-only instance must not build the web app")

    AsgiBridge(build)


def test_a_failed_start_answers_503_to_all_who_waited_and_is_tried_again(
    app: FastAPI, starts: Starts
) -> None:
    starts.failures = 1

    async def ten_then_one() -> tuple[list[func.HttpResponse], func.HttpResponse]:
        bridge = bridge_to(app)
        return await asyncio.gather(*(_serve(bridge) for _ in range(10))), await _serve(bridge)

    first, later = asyncio.run(ten_then_one())
    assert {answer.status_code for answer in first} == {503}
    problem = content_of(first[0])
    assert problem["code"] == "service_unavailable"
    assert problem["correlation_id"] == "invocation-7"
    assert first[0].headers["retry-after"] == "5"
    assert SECRET not in first[0].get_body().decode()
    assert (later.status_code, starts.seen) == (200, ["start", "start"])


def test_a_build_that_fails_is_tried_again(app: FastAPI) -> None:
    outcomes = [ImportError("no module named 'gone'"), None]

    def build() -> FastAPI:
        if error := outcomes.pop(0):
            raise error
        return app

    async def twice() -> list[int]:
        bridge = AsgiBridge(build)
        return [(await _serve(bridge)).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [503, 200]


def test_a_first_request_that_is_given_up_does_not_take_the_start_with_it(
    app: FastAPI, starts: Starts
) -> None:
    async def give_up_then_ask() -> func.HttpResponse:
        bridge = bridge_to(app)
        first = asyncio.create_task(_serve(bridge))
        await asyncio.sleep(0.01)
        first.cancel()
        return await _serve(bridge)

    assert asyncio.run(give_up_then_ask()).status_code == 200
    assert starts.seen == ["start"]


def test_an_app_without_lifespan_is_served() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    assert ask(AsgiBridge(lambda: bare)).status_code == 204


def fail_before(app: FastAPI) -> None:
    @app.get("/api/fail")
    async def fail() -> None:
        raise RuntimeError(SECRET)


def fail_within(app: FastAPI) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"rows": ['
        raise RuntimeError(SECRET)

    @app.get("/api/fail")
    async def fail() -> StreamingResponse:
        return StreamingResponse(half(), media_type="application/json")


def fail_in_debug(app: FastAPI) -> None:
    app.debug = True
    fail_before(app)


@pytest.mark.parametrize("fail", [fail_before, fail_within, fail_in_debug])
def test_an_exception_nobody_handled_is_a_problem_without_internals(
    app: FastAPI, fail: Callable[[FastAPI], None]
) -> None:
    """R122: an error in our code tells the caller an id to quote, and nothing of ours."""
    fail(app)
    answer = ask(bridge_to(app), path="/api/fail")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert content_of(answer)["code"] == "internal"
    assert content_of(answer)["correlation_id"] == "invocation-7"
    assert SECRET not in answer.get_body().decode()


def test_the_apps_own_structured_500_survives(app: FastAPI) -> None:
    fail_before(app)

    @app.exception_handler(Exception)
    async def structured(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"code": "ours"}, 500, media_type="application/problem+json")

    answer = ask(bridge_to(app), path="/api/fail")
    assert (answer.status_code, content_of(answer)) == (500, {"code": "ours"})


def test_a_response_sent_before_a_background_failure_stands(app: FastAPI) -> None:
    @app.get("/api/fail", status_code=202)
    async def fail(tasks: BackgroundTasks) -> dict[str, bool]:
        def late() -> None:
            raise RuntimeError(SECRET)

        tasks.add_task(late)
        return {"accepted": True}

    assert ask(bridge_to(app), path="/api/fail").status_code == 202


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_binary_body_goes_in_and_out_unchanged(app: FastAPI, method: str) -> None:
    body = bytes(range(256)) * 4096
    answer = ask(bridge_to(app), method, "/api/echo/blob", body=body)
    assert answer.get_body() == body
    assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("path", "rest", "query"),
    [
        ("/api/echo/a%20b/%C3%A9?q=1%2B1%20%26%20more", "a b/é", [["q", "1+1 & more"]]),
        ("/api/echo/x?q=a&q=b&empty=&flag", "x", [["q", "a"], ["q", "b"], ["empty", ""]]),
        ("/api/echo/naïve?stadt=Köln", "naïve", [["stadt", "Köln"]]),
        ("/api/echo/x?bbox=1,2&filter=a[0]='%25'", "x", [["bbox", "1,2"], ["filter", "a[0]='%'"]]),
        ("/api/echo/x?url=https://h/p?a=b", "x", [["url", "https://h/p?a=b"]]),
        ("/api/echo/%2e%2e/%2fetc", "..//etc", []),
    ],
)
def test_paths_and_queries_keep_their_odd_characters(
    app: FastAPI, path: str, rest: str, query: list[list[str]]
) -> None:
    seen = content_of(ask(bridge_to(app), path=path))
    assert seen["rest"] == rest
    assert [pair for pair in seen["query"] if pair[0] != "flag"] == query


def test_the_app_sees_the_public_url_and_the_hosts_correlation_id(app: FastAPI) -> None:
    seen = content_of(ask(bridge_to(app), path="/api/echo/x?a=1"))
    assert seen["url"] == "https://core.example.net/api/echo/x?a=1"
    assert seen["headers"]["x-correlation-id"] == "invocation-7"


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("192.0.2.7:51000", "192.0.2.7"),
        ("127.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]:51000", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", None),
    ],
)
def test_the_client_is_whom_the_platform_saw_last(told: str, client: str | None) -> None:
    """What stands before it the client may have written itself."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        host = scope["client"] and scope["client"][0]
        await JSONResponse(host)(scope, receive, send)

    answer = ask(bridge_to(asked), headers={"X-Forwarded-For": told})  # type: ignore[arg-type]
    assert content_of(answer) == client


def test_a_callers_headers_are_kept(app: FastAPI) -> None:
    sent = {"X-Correlation-Id": "mine", "Accept": "text/html", "X-Ort": "Köln"}
    sent["Transfer-Encoding"] = "chunked"
    headers = content_of(ask(bridge_to(app), path="/api/echo/x", headers=sent))["headers"]
    assert headers["x-correlation-id"] == "mine"
    assert headers["accept"] == "text/html"
    assert headers["x-ort"].encode("latin-1").decode() == "Köln"
    assert "transfer-encoding" not in headers


def test_repeated_headers_reach_the_host(app: FastAPI) -> None:
    @app.get("/api/cookies")
    async def cookies() -> Response:
        response = Response("ok", headers={"vary": "accept"})
        response.set_cookie("a", "1", httponly=True)
        response.set_cookie("b", "2", samesite="strict")
        response.headers.append("vary", "origin")
        return response

    answer = ask(bridge_to(app), path="/api/cookies")
    assert answer.headers["vary"] == "accept, origin"
    wire = HttpResponseConverter.encode(answer, expected_type=None).value
    assert [cookie.output(header="") for cookie in wire["cookies"]] == [
        " a=1; HttpOnly; Path=/; SameSite=lax",
        " b=2; Path=/; SameSite=strict",
    ]


def test_head_answers_the_headers_of_get_without_a_body(app: FastAPI) -> None:
    @app.api_route("/api/doc", methods=["GET", "HEAD"])
    async def doc() -> PlainTextResponse:
        return PlainTextResponse("hello")

    answer = ask(bridge_to(app), "HEAD", "/api/doc")
    assert (answer.status_code, answer.get_body()) == (200, b"")
    assert answer.headers["content-length"] == "5"


def test_redirects_and_empty_answers_pass(app: FastAPI) -> None:
    @app.get("/api/old")
    async def old() -> RedirectResponse:
        return RedirectResponse("/api/ping")

    answer = ask(bridge_to(app), path="/api/old")
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/ping")


def test_a_streamed_answer_comes_whole(app: FastAPI) -> None:
    async def rows() -> AsyncIterator[bytes]:
        for n in range(100):
            yield f"{n}\n".encode()
            await asyncio.sleep(0.002)

    @app.get("/api/rows")
    async def stream() -> StreamingResponse:
        return StreamingResponse(rows(), media_type="application/x-ndjson")

    answer = ask(bridge_to(app, stream_for=BRIEFLY), path="/api/rows")
    assert len(answer.get_body().splitlines()) == 100


def endless(app: FastAPI, ended: list[str]) -> None:
    """Events numbered from Last-Event-ID on, for ever."""

    async def events(first: int) -> AsyncIterator[str]:
        try:
            n = first
            while True:
                yield f"id: {n}\ndata: {n}\n\n"
                n += 1
                await asyncio.sleep(0.01)
        finally:
            ended.append("closed")

    @app.get("/api/events")
    async def stream(request: Request) -> StreamingResponse:
        first = int(request.headers.get("last-event-id", 0)) + 1
        return StreamingResponse(events(first), media_type="text/event-stream")


def test_an_endless_event_stream_is_returned_in_parts_that_resume(app: FastAPI) -> None:
    ended: list[str] = []
    endless(app, ended)
    bridge = bridge_to(app, stream_for=BRIEFLY)

    async def two_parts() -> tuple[list[int], list[int]]:
        first = _ids(await _serve(bridge, path="/api/events"))
        resume = {"last-event-id": str(first[-1])}
        return first, _ids(await _serve(bridge, path="/api/events", headers=resume))

    first, second = asyncio.run(two_parts())
    assert [*first, *second] == list(range(1, second[-1] + 1))
    assert ended == ["closed", "closed"]


def _ids(answer: func.HttpResponse) -> list[int]:
    assert answer.status_code == 200
    lines = answer.get_body().decode().splitlines()
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


def test_an_app_that_never_answers_is_a_503_in_time_and_is_stopped(app: FastAPI) -> None:
    stopped: list[str] = []

    @app.get("/api/hang")
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("stopped")

    began = time.monotonic()
    answer = ask(bridge_to(app, stream_for=BRIEFLY, answer_within=2 * BRIEFLY), path="/api/hang")
    assert (answer.status_code, content_of(answer)["code"]) == (503, "service_unavailable")
    assert time.monotonic() - began < 30
    assert stopped == ["stopped"]


def test_a_request_without_a_full_url_is_a_problem_too(app: FastAPI) -> None:
    request = func.HttpRequest("GET", "not a url", body=b"")
    answer = asyncio.run(bridge_to(app).serve(request, Invocation()))
    assert answer.status_code == 500
