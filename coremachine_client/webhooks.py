"""Webhooks: addresses that are told what happens to jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Webhook(Answer):
    """An address that is told of events."""

    id: str
    url: str
    description: str = ""
    events: list[str] = []
    """The kinds it hears, as job.completed; all, when empty."""
    job_types: list[str] = []
    state: str = ""
    reason: str | None = None
    """Why it is disabled."""
    failures: int = 0
    secret: str | None = None
    """What its messages are signed with. It is told once, when it is made."""


class Secret(Answer):
    """A new secret. It is told once."""

    secret: str


class Delivery(Answer):
    """An event on its way to a webhook."""

    id: int
    type: str
    status: str
    job_id: str | None = None
    attempts: int = 0
    happened: datetime | None = None
    next_at: datetime | None = None
    status_code: int | None = None
    """What the target answered last."""
    error: str | None = None


class Webhooks:
    """What a client can do with webhooks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Webhook]:
        return map(Webhook.model_validate, self.transport.pages("/api/webhooks", "webhooks"))

    def get(self, webhook_id: str) -> Webhook:
        return self.transport.get(Webhook, _path(webhook_id))

    def create(
        self,
        url: str,
        events: Sequence[str] = (),
        *,
        job_types: Sequence[str] = (),
        description: str = "",
    ) -> Webhook:
        """A new webhook. Its answer is the one time that the secret is told."""
        body = _body(url, events, job_types, description)
        return self.transport.post(Webhook, "/api/webhooks", body)

    def update(
        self,
        webhook_id: str,
        url: str,
        events: Sequence[str] = (),
        *,
        job_types: Sequence[str] = (),
        description: str = "",
    ) -> Webhook:
        """Replace its address and filters. It keeps its secret and its state."""
        body = _body(url, events, job_types, description)
        return self.transport.put(Webhook, _path(webhook_id), body)

    def delete(self, webhook_id: str) -> None:
        """Remove it, with its secrets and its history."""
        self.transport.send("DELETE", _path(webhook_id))

    def pause(self, webhook_id: str) -> Webhook:
        return self.transport.post(Webhook, _path(webhook_id, "pause"), repeatable=True)

    def resume(self, webhook_id: str) -> Webhook:
        """Send what has gathered. Enables it again, too."""
        return self.transport.post(Webhook, _path(webhook_id, "resume"), repeatable=True)

    def test(self, webhook_id: str) -> Delivery:
        """Send it a message now."""
        return self.transport.post(Delivery, _path(webhook_id, "test"))

    def deliveries(
        self, webhook_id: str, *, status: str | None = None, page_size: int = 100
    ) -> Iterator[Delivery]:
        """What was sent to it and what waits, newest first."""
        path = _path(webhook_id, "deliveries")
        found = self.transport.pages(path, "deliveries", status=status, limit=page_size)
        return map(Delivery.model_validate, found)

    def delivery(self, webhook_id: str, delivery: int) -> Delivery:
        """One of them."""
        return self.transport.get(Delivery, _path(webhook_id, f"deliveries/{int(delivery)}"))

    def replay(self, webhook_id: str, delivery: int) -> Delivery:
        """Send a message again."""
        path = _path(webhook_id, f"deliveries/{int(delivery)}/replay")
        return self.transport.post(Delivery, path)

    def rotate_secret(self, webhook_id: str, *, overlap_hours: float = 24.0) -> str:
        """A new secret. So long the old one still signs beside it."""
        body = {"overlap_hours": overlap_hours}
        return self.transport.post(Secret, _path(webhook_id, "secret"), body).secret


def _path(webhook_id: str, verb: str = "") -> str:
    path = f"/api/webhooks/{quote(webhook_id, safe='')}"
    return f"{path}/{verb}" if verb else path


def _body(
    url: str, events: Sequence[str], job_types: Sequence[str], description: str
) -> dict[str, Any]:
    return {
        "url": url,
        "events": list(events),
        "job_types": list(job_types),
        "description": description,
    }
