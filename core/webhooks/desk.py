"""The webhook desk: what people do with webhooks, checked before it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.errors import BadInput, Conflict, UnknownJobType
from core.guard import Caller
from core.registry import Registry
from core.webhooks.mailroom import (
    AttemptView,
    DeliveryNotFound,
    DeliveryView,
    Mailroom,
    WebhookNotFound,
    WebhookView,
)
from core.webhooks.rules import OVERLAP, DeliveryStatus, State, Wish, new_secret, unknown_kinds

LARGEST = 100
"""How many webhooks there may be: each is compared with every event."""
CHUNK = 1_000


class TooManyWebhooks(Conflict):
    """There are as many webhooks as there may be."""

    code = "too_many_webhooks"


class WebhookNotActive(Conflict):
    """The webhook is paused or disabled."""

    code = "webhook_not_active"


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """Acts on the mailroom. Secrets are given out once, by what makes them."""

    mailroom: Mailroom
    caller: Caller
    registry: Registry

    def create(self, wish: Wish, by: str) -> tuple[WebhookView, str]:
        self._check(wish)
        if self.mailroom.count() >= LARGEST:
            raise TooManyWebhooks(f"There are {LARGEST} webhooks; remove one that nobody needs.")
        secret = new_secret()
        return self.mailroom.add(wish, secret, by), secret

    def change(self, webhook: UUID, wish: Wish, by: str) -> WebhookView:
        self._check(wish)
        return self.mailroom.change(webhook, wish, by) or self._missing(webhook)

    def get(self, webhook: UUID) -> WebhookView:
        return self.mailroom.get(webhook) or self._missing(webhook)

    def list(self, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[WebhookView]:
        return self.mailroom.list(after, limit)

    def pause(self, webhook: UUID, by: str) -> tuple[WebhookView, bool]:
        """Also whether that changed anything."""
        return self._set(webhook, State.PAUSED, by)

    def resume(self, webhook: UUID, by: str) -> tuple[WebhookView, bool]:
        """Send what has gathered, and close the circuit."""
        return self._set(webhook, State.ACTIVE, by)

    def remove(self, webhook: UUID, by: str) -> None:
        """With its secrets at once; a crash leaves deliveries that are pruned when they are old."""
        if not self.mailroom.remove(webhook, by):
            self._missing(webhook)
        while self.mailroom.drop(webhook, CHUNK) == CHUNK:
            pass

    def rotate(self, webhook: UUID, by: str, overlap: timedelta = OVERLAP) -> str:
        secret = new_secret()
        if not self.mailroom.rotate(webhook, secret, overlap, by):
            self._missing(webhook)
        return secret

    def test(self, webhook: UUID, by: str) -> DeliveryView:
        number = self.mailroom.ping(webhook, by)
        if number is None:
            state = self.get(webhook).state
            raise WebhookNotActive(f"The webhook is {state}; resume it before you test it.")
        return self.delivery(webhook, number)

    def deliveries(
        self, webhook: UUID, before: int | None, status: DeliveryStatus | None, limit: int
    ) -> Sequence[DeliveryView]:
        self.get(webhook)
        return self.mailroom.deliveries(webhook, before, status, limit)

    def delivery(self, webhook: UUID, number: int) -> DeliveryView:
        found = self.mailroom.delivery(webhook, number)
        if found is None:
            self.get(webhook)
            raise DeliveryNotFound(f"The webhook has no delivery {number}; old ones are forgotten.")
        return found

    def attempts(self, number: int) -> Sequence[AttemptView]:
        return self.mailroom.attempts(number)

    def replay(self, webhook: UUID, number: int, by: str) -> tuple[DeliveryView, bool]:
        """Also whether that changed anything: what is being sent right now is not sent again."""
        self.delivery(webhook, number)
        changed = self.mailroom.replay(webhook, number, by)
        return self.delivery(webhook, number), changed

    def _check(self, wish: Wish) -> None:
        self.caller.check(wish.url)
        if unknown := unknown_kinds(wish.events):
            raise BadInput(
                f"there is no event {unknown[0]!r}; docs/reference/events.md lists them, as job.completed or job.*"
            )
        for job_type in wish.job_types:
            try:
                self.registry[job_type]
            except UnknownJobType as error:
                raise BadInput(str(error)) from None

    def _set(self, webhook: UUID, state: State, by: str) -> tuple[WebhookView, bool]:
        changed = self.mailroom.set_state(webhook, state, by)
        return changed or self.get(webhook), changed is not None

    def _missing(self, webhook: UUID) -> WebhookView:
        raise WebhookNotFound(f"There is no webhook {webhook}. GET /api/webhooks lists them.")
