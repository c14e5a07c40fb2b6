"""As many requests at once as this process can take: a few at work, some in line, and word to the others to come back."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import CoreMachineError
from triggers.http.problems import problem

ALWAYS = frozenset({"/api/livez", "/api/readyz", "/api/health", "/api/metrics", "/metrics"})
"""Whoever watches over this process must hear from it when it is busiest."""
STREAMS = re.compile(r"/api/(jobs/[^/]+/events|status)/stream")
SELF_LIMITED = re.compile(r"/api/storage/uploads?(/.*)?")
"""Slow by nature, and limited where they are received."""


class TooBusy(CoreMachineError):
    """This service has as many requests as it can take. Try again in a moment."""

    code, status, retryable = "too_busy", 429, True


@dataclass(frozen=True, slots=True)
class CrowdLimits:
    """How many requests a process takes at once. Those at work are fewer than its threads, so some stay free."""

    working: int = 32
    in_line: int = 256
    patience: float = 5.0
    """Seconds in line after which a request is told to come back."""
    streams: int = 200
    """Open event streams, which hold no thread while they wait."""


class Crowd:
    """Lets requests in, in the order in which they come."""

    def __init__(self, app: ASGIApp, limits: CrowdLimits) -> None:
        self.app = app
        self.limits = limits
        self._places = asyncio.Semaphore(limits.working)
        self._in_line = 0
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_free(scope["path"]):
            return await self.app(scope, receive, send)
        try:
            if STREAMS.fullmatch(scope["path"]):
                return await self._stream(scope, receive, send)
            await self._enter()
        except TooBusy as busy:
            return await problem(busy, scope["correlation_id"])(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        finally:
            self._places.release()

    async def _enter(self) -> None:
        """Take a place, or wait in line for one."""
        if self._places.locked() and self._in_line >= self.limits.in_line:
            raise TooBusy(
                f"{self.limits.working} requests are at work and {self._in_line} in line."
            )
        self._in_line += 1
        try:
            async with asyncio.timeout(self.limits.patience):
                await self._places.acquire()
        except TimeoutError:
            raise TooBusy(f"No place became free in {self.limits.patience:g} seconds.") from None
        finally:
            self._in_line -= 1

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams >= self.limits.streams:
            raise TooBusy(f"{self._streams} event streams are open, and no more may be.")
        self._streams += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._streams -= 1


def _is_free(path: str) -> bool:
    return path in ALWAYS or SELF_LIMITED.fullmatch(path) is not None
