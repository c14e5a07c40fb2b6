"""Listens to the whole installation for one page: a word whenever something has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from core.errors import ServiceUnavailable
from core.insights.overview import Pulse
from core.insights.questions import Insights
from triggers.http.jobs.events import KEEP_ALIVE, RETRY_MS


@dataclass
class Listener:
    """It holds no connection and no thread while it waits."""

    insights: Insights
    every: float

    async def listen(self) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=RETRY_MS)
        told: Pulse | None = None
        spoke = time.monotonic()
        while True:
            pulse = await self._feel()
            if pulse is not None and pulse != told:
                told, spoke = pulse, time.monotonic()
                yield format_sse_event(event="changed", data_str=pulse.model_dump_json())
            elif time.monotonic() - spoke > KEEP_ALIVE:
                spoke = time.monotonic()
                yield format_sse_event(comment="still here")
            await asyncio.sleep(self.every)

    async def _feel(self) -> Pulse | None:
        """None while the database is away, for the listener can wait as well as we."""
        try:
            return await run_in_threadpool(self.insights.pulse)
        except ServiceUnavailable:
            return None
