"""A job's events over HTTP: pages of them, and a live stream that resumes where it broke off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from core.errors import ServiceUnavailable
from core.insights.questions import Insights
from core.insights.views import EventPage, JobView, Update
from triggers.http.jobs.jobs import JobId
from triggers.http.requests import Limit, page_links
from triggers.http.services import TheInsights, TheServices

router = APIRouter(prefix="/api/jobs", tags=["events"])

NEWEST = 2**53
After = Annotated[int, Query(ge=0, le=NEWEST, description="The number of the last event you know.")]
EVENT_STREAM = "text/event-stream"
KEEP_ALIVE = 15.0
RETRY_MS = 1_000
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventList(EventPage):
    """A page of events."""

    links: dict[str, str | None]


@router.get("/{job_id}/events")
def events(
    request: Request, job_id: JobId, insights: TheInsights, after: After = 0, limit: Limit = 100
) -> EventList:
    """What happened to a job, oldest first. Events are numbered without gaps."""
    page = insights.events(job_id, after, limit)
    return EventList(**dict(page), links=page_links(request, page.next, "after"))


@router.get(
    "/{job_id}/events/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENT_STREAM: {}}, "description": "Server-Sent Events."}},
)
def stream(
    job_id: JobId,
    services: TheServices,
    after: After = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=NEWEST)] = None,
) -> StreamingResponse:
    """The job's events as they happen (Server-Sent Events), until it has ended.

    A job's events are plain messages. An event's id is its number, so a client that comes back with Last-Event-ID misses nothing.
    Between them come `progress` (without an id) whenever counts change, and at last `end`.
    """
    known = after if last_event_id is None else last_event_id
    first = services.insights.watch(job_id, known)
    follower = Follower(services.insights, job_id, known, services.poll_every)
    return StreamingResponse(follower.follow(first), headers=HEADERS, media_type=EVENT_STREAM)


@dataclass
class Follower:
    """Follows one job for one listener. It holds no connection and no thread while it waits."""

    insights: Insights
    job_id: str
    known: int
    every: float
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    spoke: float = field(default_factory=time.monotonic)

    async def follow(self, update: Update | None) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=RETRY_MS)
        while True:
            for message in self._messages(update):
                self.spoke = time.monotonic()
                yield message
            if update is not None and update.is_last:
                return
            if update is None or not update.events:
                await asyncio.sleep(self.every)
            update = await self._look()

    async def _look(self) -> Update | None:
        """What is new; None while the database is away, for the listener can wait as well as we."""
        try:
            return await run_in_threadpool(self.insights.watch, self.job_id, self.known)
        except ServiceUnavailable:
            return None

    def _messages(self, update: Update | None) -> list[bytes]:
        messages = [] if update is None else [*self._events(update), *self._changes(update)]
        if not messages and time.monotonic() - self.spoke > KEEP_ALIVE:
            return [format_sse_event(comment="still here")]
        return messages

    def _events(self, update: Update) -> list[bytes]:
        if update.events:
            self.known = update.events[-1].number
        return [
            format_sse_event(id=str(e.number), data_str=e.model_dump_json()) for e in update.events
        ]

    def _changes(self, update: Update) -> list[bytes]:
        now = progress_of(update.job)
        messages = [] if now == self.shown else [_message("progress", now)]
        self.shown = now
        if update.is_last:
            messages.append(_message("end", {"job_id": self.job_id, "status": update.job.status}))
        return messages


def progress_of(job: JobView) -> dict[str, Any]:
    """How far a job is, in the few numbers that change."""
    return {
        "status": job.status,
        "progress": job.progress,
        "waiting": None if job.waiting is None else job.waiting.model_dump(mode="json"),
        "stages": [
            stage.model_dump(mode="json", include={"name", "status", "total", "counts", "progress"})
            for stage in job.stages
        ],
    }


def _message(event: str, data: dict[str, Any]) -> bytes:
    return format_sse_event(event=event, data_str=json.dumps(data))
