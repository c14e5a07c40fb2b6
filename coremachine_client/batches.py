"""Batches: many jobs submitted in one call, with one handle to watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class BatchLine(Answer):
    """A batch as a list tells it."""

    batch_id: int
    name: str | None = None
    total: int
    created_at: datetime
    created_by: str = ""


class Batch(BatchLine):
    """Where a batch stands."""

    counts: dict[str, int] = {}
    """Jobs by status; besides those of jobs there are due, refused, invalid and deleted."""
    progress: float = 0.0
    """The share of its jobs that have ended."""
    done: bool = False


class Member(Answer):
    """One job of a batch."""

    index: int
    """Its place in the call."""
    job_type: str
    job_id: str | None = None
    status: str
    reason: str | None = None
    """Why it was refused or is invalid."""


class BatchCancelled(Answer):
    """What came of cancelling a batch."""

    cancelled: int
    left: int
    """Jobs that had ended, or that the batch had only found."""


class Batches:
    """What a client can do with batches."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[BatchLine]:
        return map(BatchLine.model_validate, self.transport.pages("/api/batches", "batches"))

    def create(
        self,
        jobs: Sequence[Mapping[str, Any]],
        name: str | None = None,
        *,
        skip_invalid: bool = False,
    ) -> Batch:
        """Submit many jobs: each is `{"job_type": …, "parameters": {…}}`.

        One that is not right keeps all out, unless `skip_invalid`.
        """
        body = {"jobs": list(jobs), "name": name, "skip_invalid": skip_invalid}
        return self.transport.post(Batch, "/api/batches", body)

    def get(self, batch_id: int) -> Batch:
        return self.transport.get(Batch, _path(batch_id))

    def jobs(self, batch_id: int, *, status: str | None = None) -> Iterator[Member]:
        """Its jobs in the order of the call, each as it stands now."""
        found = self.transport.pages(f"{_path(batch_id)}/jobs", "jobs", status=status, limit=500)
        return map(Member.model_validate, found)

    def cancel(self, batch_id: int, reason: str = "") -> BatchCancelled:
        """Cancel every job that the batch has begun."""
        path, body = f"{_path(batch_id)}/cancel", {"reason": reason}
        return self.transport.post(BatchCancelled, path, body, repeatable=True)


def _path(batch_id: int) -> str:
    return f"/api/batches/{int(batch_id)}"
