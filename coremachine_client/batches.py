"""Batches: many jobs submitted in one call, with one handle to watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Batch(Answer):
    """Jobs that were submitted together."""

    id: str
    name: str | None = None
    status: str | None = None
    jobs: Any = None


class Batches:
    """What a client can do with batches."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Batch]:
        return map(Batch.model_validate, self.transport.pages("/api/batches", "batches"))

    def create(self, jobs: Sequence[Mapping[str, Any]], name: str | None = None) -> Batch:
        """Submit many jobs: each is `{"job_type": …, "parameters": {…}}`."""
        body: dict[str, Any] = {"jobs": list(jobs)}
        if name is not None:
            body["name"] = name
        return self.transport.post(Batch, "/api/batches", body)

    def get(self, batch_id: str) -> Batch:
        return self.transport.get(Batch, _path(batch_id))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel every job of it that has not ended."""
        return self.transport.post(Batch, f"{_path(batch_id)}/cancel", repeatable=True)


def _path(batch_id: str) -> str:
    return f"/api/batches/{quote(batch_id, safe='')}"
