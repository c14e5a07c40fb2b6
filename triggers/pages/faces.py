"""Shows problems to people: where a browser asks for a page, a page tells what went wrong and what to do."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triggers.http.problems import MEDIA_TYPE
from triggers.pages.page import Page

MACHINES = ("/api/", "/metrics", "/assets/")
KEPT = ("x-correlation-id", "x-content-type-options", "retry-after")
HINTS = {
    403: "Ask an operator for a key with the role that this needs, and sign in with it.",
    404: "It may have been deleted, or the address was cut off when it was copied.",
    429: "Wait a moment and load the page again.",
    503: "Wait a moment and load the page again. If it stays so, the operator's status page tells more.",
}


class Faces:
    """Outside of everything else, so that it sees every problem, whoever tells of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_for_people(scope):
            return await self.app(scope, receive, send)
        held = _Held(scope, send)
        await self.app(scope, receive, held.send)
        if held.start is not None:
            await _answer(scope, held)(scope, receive, send)


class _Held:
    """Passes everything on but problems."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self.start: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if kind.startswith(MEDIA_TYPE):
                self.start = message
                return
        if self.start is None:
            return await self._send(message)
        self.body += message.get("body", b"")


def _is_for_people(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    wants = "text/html" in headers.get("accept", "") or "hx-request" in headers
    return wants and not scope["path"].startswith(MACHINES)


def _answer(scope: Scope, held: _Held) -> Response:
    told: dict[str, Any] = json.loads(held.body)
    given = Headers(raw=held.start["headers"]) if held.start else Headers()
    request = Request(scope)
    page = Page(request)
    if told["status"] == 401 and scope["method"] == "GET":
        return _to_sign_in(request)
    answer = page.show(
        "problem.html", told["status"], problem=told, hint=HINTS.get(told["status"], "")
    )
    for name in KEPT:
        if name in given:
            answer.headers[name] = given[name]
    return answer


def _to_sign_in(request: Request) -> Response:
    """And back to where they wanted to go."""
    where = f"/sign-in?next={quote(_relative(request))}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)


def _relative(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
