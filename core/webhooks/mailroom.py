"""The mailroom: where webhooks are registered, and deliveries are written down, claimed and settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from core.errors import CoreMachineError
from core.insights.views import Moment, View
from core.webhooks.rules import (
    OPENS_AFTER,
    Attempt,
    Consequence,
    DeliveryStatus,
    Parcel,
    State,
    Wish,
)


class WebhookNotFound(CoreMachineError):
    """No webhook has that id."""

    code, status = "webhook_not_found", 404


class DeliveryNotFound(CoreMachineError):
    """The webhook has no such delivery; old ones are forgotten."""

    code, status = "delivery_not_found", 404


class WebhookView(View):
    """A webhook, without its secret."""

    id: UUID
    url: str
    description: str
    events: list[str]
    """The kinds it hears; all, when empty."""
    job_types: list[str]
    prefix: str
    """How the ids of the jobs begin that it hears of."""
    state: State
    reason: str | None
    """Why it is disabled."""
    failures: int
    """Attempts in a row that failed."""
    rests_until: Moment | None
    """The target is left alone until then."""
    created_at: Moment
    created_by: str
    changed_at: Moment
    changed_by: str

    @property
    def circuit_open(self) -> bool:
        return self.failures >= OPENS_AFTER


class DeliveryView(View):
    """An event on its way to a webhook."""

    id: int
    message_id: str
    """What the target sees as webhook-id, the same at every attempt and replay."""
    type: str
    status: DeliveryStatus
    job_id: str | None
    event: int | None
    """The number of the event in its job's history."""
    attempts: int
    happened: Moment
    next_at: Moment | None
    """When the next attempt is due."""
    ended_at: Moment | None
    status_code: int | None
    """What the target answered last."""
    error: str | None


class AttemptView(View):
    """One attempt. A number that is missing belongs to a process that died."""

    attempt: int
    at: Moment
    status_code: int | None
    milliseconds: int
    error: str
    answer: str
    """How the answer begins, up to 1 KiB."""


class Mailroom(Protocol):
    """Implemented by PostgreSQL and by memory. Each method is one transaction.

    What people change is noted in the audit. Deliveries are not asked for: they are written down with their events, in the same statement.
    """

    # registering

    def add(self, wish: Wish, secret: str, by: str) -> WebhookView: ...
    def get(self, webhook: UUID) -> WebhookView | None: ...
    def list(self, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[WebhookView]:
        """In the order in which they were made."""
        ...

    def count(self) -> int: ...
    def change(self, webhook: UUID, wish: Wish, by: str) -> WebhookView | None: ...
    def set_state(self, webhook: UUID, state: State, by: str) -> WebhookView | None:
        """None when it is so already. To make it active also closes its circuit."""
        ...

    def remove(self, webhook: UUID, by: str) -> bool: ...
    def drop(self, webhook: UUID, limit: int) -> int:
        """Forget deliveries of a webhook that is gone."""
        ...

    def rotate(self, webhook: UUID, secret: str, overlap: timedelta, by: str) -> bool:
        """Sign with a new secret; the one before stays valid for a while, older ones do not."""
        ...

    # looking

    def deliveries(
        self, webhook: UUID, before: int | None, status: DeliveryStatus | None, limit: int
    ) -> Sequence[DeliveryView]:
        """Newest first."""
        ...

    def delivery(self, webhook: UUID, delivery: int) -> DeliveryView | None: ...
    def attempts(self, delivery: int) -> Sequence[AttemptView]: ...

    # sending

    def ping(self, webhook: UUID, by: str) -> int | None:
        """Write down a test for it, due now; None unless it is active. A resting target is tried at once."""
        ...

    def replay(self, webhook: UUID, delivery: int, by: str) -> bool:
        """Make it due now, with all its tries; False while it is being sent."""
        ...

    def claim(self, limit: int, doubtful: int, lease: float) -> Sequence[Parcel]:
        """Deliveries that are now this caller's to send, for `lease` seconds; no more than `doubtful` of them
        for targets that fail, are slow, or are not proven yet."""
        ...

    def settle(self, parcel: Parcel, attempt: Attempt, then: Consequence) -> bool:
        """Write down what came of it, and what it says about the target. False when it was not ours any more."""
        ...

    def prune(self, days: int, limit: int) -> int: ...
