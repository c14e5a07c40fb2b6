"""A job's live stream of events, which goes on where it broke off."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError
from pydantic import ValidationError

from coremachine_client.errors import TooManyRequests, Unavailable, UnexpectedAnswer
from coremachine_client.models import Event, Progress
from coremachine_client.transport import Transport

SILENCE = 45.0
"""Seconds without a word after which the line is dead: the server says something every fifteen."""


class Stream:
    """Follows one job. Iterating gives its events and, between them, how far it is."""

    def __init__(self, transport: Transport, job_id: str, after: int = 0) -> None:
        self.transport = transport
        self.job_id = job_id
        self.known = after
        """The number of the last event that came."""
        self._over = False
        self._losses = 0

    def __iter__(self) -> Iterator[Event | Progress]:
        while not self._over:
            try:
                yield from self._listened()
            except httpx.TransportError as error:
                self._lost(self.transport.unreachable(error))
            except (Unavailable, TooManyRequests) as error:
                self._lost(error)
            else:
                if not self._over:
                    self._lost(UnexpectedAnswer("The event stream ends before the job does"))

    def _listened(self) -> Iterator[Event | Progress]:
        path = f"/api/jobs/{self.job_id}/events/stream"
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.known)}
        with self.transport.streaming(path, headers=headers, silence=SILENCE) as answer:
            try:
                for message in EventSource(answer).iter_sse():
                    yield from self._told(message)
                    if self._over:
                        return
            except (SSEError, ValidationError) as error:
                raise UnexpectedAnswer(f"{answer.request.url} sends no events: {error}") from None

    def _told(self, message: ServerSentEvent) -> Iterator[Event | Progress]:
        match message.event:
            case "end":
                self._over = True
            case "progress":
                yield Progress.model_validate_json(message.data)
            case "message" if message.data:
                event = Event.model_validate_json(message.data)
                self.known, self._losses = event.number, 0
                yield event
            case _:
                pass  # the pause it asks for, or a kind of message that is newer than this client

    def _lost(self, error: Exception) -> None:
        """Wait before the next try; give up after several in a row that brought nothing new."""
        self._losses += 1
        if self._losses > self.transport.retries + 1:
            raise error
        time.sleep(self.transport.pause(self._losses))
