"""What may run at once: the limits of job types, and who holds which concurrency key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Limit(Answer):
    """What a job type may do at once."""

    job_type: str
    max_running: int | None = None
    """How many of its runs may run at once; None is as many as there are."""
    rate: str | None = None
    """How fast an operator lets its runs start; None is as the job type says."""
    own_rate: str | None = None
    """How fast the job type itself says."""
    set_by: str | None = None
    set_at: datetime | None = None
    running: int = 0
    waiting: int = 0


class RunInLine(Answer):
    """A run that holds a key, or waits for it."""

    job_id: str
    job_type: str
    run: int
    status: str
    priority: int = 0
    since: datetime | None = None
    """Since when it runs, or waits."""


class ConcurrencyKey(Answer):
    """A key that somebody holds or waits for."""

    key: str
    at_most: int | None = None
    """How many of its runs may run at once."""
    holders: list[RunInLine] = []
    waiting: int = 0
    next: list[RunInLine] = []
    """The first who wait, in the order in which they will be let in."""


class Limits:
    """What a client can do with limits."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def get(self, job_type: str) -> Limit:
        return self.transport.get(Limit, _path(job_type))

    def set(
        self, job_type: str, *, max_running: int | None = None, rate: str | None = None
    ) -> Limit:
        """Limit a job type from now on. What is not given is lifted; runs under way go on."""
        body = {"max_running": max_running, "rate": rate}
        return self.transport.put(Limit, _path(job_type), body)

    def lift(self, job_type: str) -> Limit:
        """Leave a job type to what its class says."""
        return self.set(job_type)

    def keys(self, *, page_size: int = 100) -> Iterator[ConcurrencyKey]:
        """The concurrency keys in use: who holds each, and who waits for it."""
        found = self.transport.pages("/api/concurrency", "keys", limit=page_size)
        return map(ConcurrencyKey.model_validate, found)


def _path(job_type: str) -> str:
    return f"/api/limits/{quote(job_type, safe='')}"
