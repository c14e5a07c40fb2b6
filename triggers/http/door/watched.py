"""Around every request: its metrics, its trace and its line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.watching.watch import NoTracer, Watch
from core.watching.whereabouts import at_request

log = logging.getLogger("coremachine.http")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"/api/livez", "/api/readyz", "/api/health", "/api/metrics", "/metrics"})
"""Asked by machines every few seconds: not traced, and their lines are for DEBUG."""
NOWHERE = "unmatched"
_untraced = NoTracer()


class Watched:
    """Counts by the route's pattern, never by the path: nothing a caller makes up becomes a label."""

    def __init__(self, app: ASGIApp, watch: Callable[[], Watch]) -> None:
        self.app = app
        self.watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        watch, began = self.watch(), time.monotonic()
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        status, waited = 500, None

        async def noted(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.monotonic() - began
            await send(message)

        carried = Headers(scope=scope).get("traceparent")
        tracer = _untraced if scope["path"] in QUIET else watch.tracer
        watch.meter.request_began()
        with (
            at_request(scope.get("correlation_id", "")),
            tracer.request(method, carried) as span,
        ):
            try:
                await self.app(scope, receive, noted)
            finally:
                seconds = time.monotonic() - began
                route = _route(scope)
                watch.meter.request_ended(method, route, status, waited or seconds)
                span.rename(f"{method} {route}")
                span.tell(http__route=route, http__response__status_code=status)
                if status >= 500:
                    span.fail(str(status))
                _log(scope, status, seconds)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", NOWHERE)


def _log(scope: Scope, status: int, seconds: float) -> None:
    """Without the query: links to blobs carry their key there."""
    level = logging.DEBUG if scope["path"] in QUIET else logging.INFO
    if log.isEnabledFor(level):
        path = scope["path"][:300].encode("unicode_escape").decode()
        log.log(level, "%s %s %d in %.1f ms", scope["method"][:20], path, status, seconds * 1000)
