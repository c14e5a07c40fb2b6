"""Around every request: a correlation id, a limit to its body, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BodyTooLarge, CoreMachineError
from triggers.http.problems import problem

log = logging.getLogger(__name__)

CORRELATION = "X-Correlation-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
DRAINED = 8
"""How many times the limit is read and thrown away, so that the sender gets to read the answer."""


class Correlated:
    """Names each request, echoes the name, and turns what nobody caught into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        name = _correlation_id(scope)
        scope["correlation_id"] = name
        started = False

        async def named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[CORRELATION] = name
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self.app(scope, receive, named)
        except Exception:  # the outermost frame: whatever it is, the caller gets an answer
            log.exception("%s %s failed (correlation id %s)", scope["method"], scope["path"], name)
            if started:
                raise
            await problem(CoreMachineError(), name)(scope, receive, named)


def _correlation_id(scope: Scope) -> str:
    """The caller's own name for the request, if it is harmless to log."""
    given = Headers(scope=scope).get(CORRELATION, "")
    return given if ACCEPTABLE.fullmatch(given) else uuid4().hex


class LimitedBody:
    """Refuses bodies over a limit: by the length they declare, else by counting what comes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        if _declared(headers) > self.limit:
            if "expect" not in headers:
                await self._drain(receive)
            too_large = BodyTooLarge(self._refusal)
            return await problem(too_large, scope["correlation_id"])(scope, receive, send)
        await self.app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                await self._drain(receive)
                raise HTTPException(413, self._refusal)
            return message

        return counted

    async def _drain(self, receive: Receive) -> None:
        size, more = 0, True
        while more and size < DRAINED * self.limit:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)

    @property
    def _refusal(self) -> str:
        return (
            f"The body may hold {self.limit} bytes. Put large data into a blob and pass its name."
        )


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")[:18]
    return int(length) if length.isdecimal() else 0
