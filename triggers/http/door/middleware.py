"""Around every request: a correlation id, a limit to its body, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BodyTooLarge, CoreMachineError
from triggers.http.problems import problem

log = logging.getLogger(__name__)

CORRELATION = "X-Correlation-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ANY = re.compile(".*")
DRAINED = 8
"""How many times the usual limit is read and thrown away, so that the sender gets to read the answer."""


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


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How large the bodies of one operation may be, and what to do with larger ones."""

    method: str
    path: re.Pattern[str]
    size: int
    advice: str

    def fits(self, scope: Scope) -> bool:
        return scope["method"] == self.method and self.path.fullmatch(scope["path"]) is not None


class LimitedBody:
    """Refuses bodies over a limit: by the length they declare, else by counting what comes.

    Operations of `others` have limits of their own.
    """

    def __init__(self, app: ASGIApp, limit: int, others: Sequence[BodyLimit] = ()) -> None:
        self.app = app
        self.usual = BodyLimit("", ANY, limit, "Put large data into a blob and pass its name.")
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        limit = next((other for other in self.others if other.fits(scope)), self.usual)
        if _declared(headers) > limit.size:
            if "expect" not in headers:
                await self._drain(receive)
            too_large = BodyTooLarge(_refusal(limit))
            return await problem(too_large, scope["correlation_id"])(scope, receive, send)
        await self.app(scope, self._counting(receive, limit), send)

    def _counting(self, receive: Receive, limit: BodyLimit) -> Receive:
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit.size:
                await self._drain(receive)
                raise HTTPException(413, _refusal(limit))
            return message

        return counted

    async def _drain(self, receive: Receive) -> None:
        size, more = 0, True
        while more and size < DRAINED * self.usual.size:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)


def _refusal(limit: BodyLimit) -> str:
    return f"The body may hold {limit.size} bytes. {limit.advice}"


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")[:18]
    return int(length) if length.isdecimal() else 0
