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
    url: str = ""
    events: list[str] = []
    status: str | None = None
    secret: str | None = None
    """What its messages are signed with. It is told once, when it is made."""


class Delivery(Answer):
    """A message to a webhook, and how it went."""

    id: str
    event: str | None = None
    status: str | None = None
    attempts: int | None = None
    created_at: datetime | None = None


class Webhooks:
    """What a client can do with webhooks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Webhook]:
        return map(Webhook.model_validate, self.transport.pages("/api/webhooks", "webhooks"))

    def get(self, webhook_id: str) -> Webhook:
        return self.transport.get(Webhook, _path(webhook_id))

    def create(self, url: str, events: Sequence[str] = (), **more: Any) -> Webhook:
        """A new webhook. Its answer is the one time that the secret is told."""
        body = {"url": url, **({"events": list(events)} if events else {}), **more}
        return self.transport.post(Webhook, "/api/webhooks", body)

    def update(self, webhook_id: str, url: str, events: Sequence[str] = (), **more: Any) -> Webhook:
        body = {"url": url, **({"events": list(events)} if events else {}), **more}
        return self.transport.put(Webhook, _path(webhook_id), body)

    def delete(self, webhook_id: str) -> None:
        self.transport.send("DELETE", _path(webhook_id))

    def pause(self, webhook_id: str) -> Webhook:
        return self.transport.post(Webhook, _path(webhook_id, "pause"), repeatable=True)

    def resume(self, webhook_id: str) -> Webhook:
        return self.transport.post(Webhook, _path(webhook_id, "resume"), repeatable=True)

    def test(self, webhook_id: str) -> Answer:
        """Send it a message now."""
        return self.transport.post(Answer, _path(webhook_id, "test"))

    def deliveries(self, webhook_id: str, *, page_size: int = 100) -> Iterator[Delivery]:
        path = _path(webhook_id, "deliveries")
        found = self.transport.pages(path, "deliveries", limit=page_size)
        return map(Delivery.model_validate, found)

    def replay(self, webhook_id: str, delivery: str) -> Answer:
        """Send a message again."""
        verb = f"deliveries/{quote(delivery, safe='')}/replay"
        return self.transport.post(Answer, _path(webhook_id, verb))

    def rotate_secret(self, webhook_id: str) -> Webhook:
        """A new secret, told in the answer."""
        return self.transport.post(Webhook, _path(webhook_id, "secret"))


def _path(webhook_id: str, verb: str = "") -> str:
    path = f"/api/webhooks/{quote(webhook_id, safe='')}"
    return f"{path}/{verb}" if verb else path
