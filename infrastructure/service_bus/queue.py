"""The queue over Azure Service Bus: messages wake workers, and PostgreSQL decides whose a task is."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from core.crashpoints import crashpoint
from core.errors import BadMessage, ServiceUnavailable
from core.ports import Outbox, Store
from core.queues import QueueName
from core.tasks import Claim, Wakeup
from infrastructure.service_bus.bus import Delivery, Message, ServiceBus

log = logging.getLogger(__name__)

BATCH = 500
LARGEST_BODY = 1024
GLANCE = 0.1
"""Seconds to look for dead letters: a round of repair must not wait. What comes later is found by the next."""


class ServiceBusQueue:
    """core.ports.Queue over a broker that may lose, repeat, delay and reorder.

    A message is settled as soon as its claim is committed: from then on the row owns the work, so no
    message lock has to outlive a task. Whatever is lost before that, the reconciler sends again.
    """

    def __init__(
        self, store: Store, outbox: Outbox, bus: ServiceBus, names: Mapping[QueueName, str]
    ) -> None:
        self.store = store
        self.outbox = outbox
        self.bus = bus
        self.names = names
        self._left = threading.local()
        self._settling = ThreadPoolExecutor(8, "settle")

    def claim(self, queue: QueueName, session: UUID, limit: int, wait: float) -> list[Claim]:
        if suspect := self._suspect(queue, session):
            return suspect
        self._wait_until_settled()
        deliveries = self.bus.receive(self.names[queue], limit, wait)
        if not deliveries:
            return []
        wakeups = self.read(
            queue, [(delivery.message_id, delivery.body) for delivery in deliveries]
        )
        claims = self.store.claim_named(wakeups, session) if wakeups else []
        crashpoint("settle.before")
        self._left.settling = self._settling.submit(self._settle, deliveries)
        if len(wakeups) > 1:
            taken = {claim.key for claim in claims}
            self._waiting(queue).extend(wakeup for wakeup in wakeups if wakeup.key not in taken)
        return claims

    def _settle(self, deliveries: Sequence[Delivery]) -> None:
        """One round trip per message: meanwhile the claimed tasks run, or the store would miss them here."""
        try:
            self.bus.complete(deliveries)
        except ServiceUnavailable as error:
            log.info("messages not settled, so they will come again: %s", error)

    def _wait_until_settled(self) -> None:
        settling: Future[None] | None = self._left.__dict__.pop("settling", None)
        if settling is not None:
            settling.result()

    def _suspect(self, queue: QueueName, session: UUID) -> list[Claim]:
        """A task that was lost in company is claimed alone: it may be one of those that a batch left over."""
        waiting = self._waiting(queue)
        while waiting:
            if claims := self.store.claim_named([waiting.popleft()], session):
                return claims
        return []

    def _waiting(self, queue: QueueName) -> deque[Wakeup]:
        kept: dict[QueueName, deque[Wakeup]] = self._left.__dict__.setdefault("kept", {})
        return kept.setdefault(queue, deque())

    def read(self, queue: QueueName, messages: Sequence[tuple[str, bytes]]) -> list[Wakeup]:
        """What the messages say. One that says nothing is put into quarantine, and harms no other."""
        wakeups: dict[Wakeup, None] = {}
        for message_id, body in messages:
            try:
                if len(body) > LARGEST_BODY:
                    raise BadMessage(f"{len(body)} bytes; ours have less than a hundred")
                wakeups[Wakeup.decode(body)] = None
            except BadMessage as error:
                log.warning("poison message %s in %s: %s", message_id, queue, error)
                self.store.quarantine(queue, message_id, body[:LARGEST_BODY], str(error))
        return list(wakeups)

    def relay(self) -> int:
        """Send what was promised, oldest first. A crash in between only repeats messages."""
        sent = 0
        while count := self._relay_some():
            sent += count
        return sent

    def _relay_some(self) -> int:
        with self.outbox.take(BATCH) as promised:
            if promised:
                crashpoint("outbox.before_send")
                self.bus.send(
                    [
                        Message(self.names[queue], wakeup.encode(), wakeup.message_id)
                        for queue, wakeup in promised
                    ]
                )
                crashpoint("outbox.after_send")
        return len(promised)

    def collect_dead(self) -> int:
        """A dead letter fails no task: the row decides. Its message is read away; what is due is sent again later."""
        count = 0
        for queue, name in self.names.items():
            for letter in self.bus.take_dead_letters(name, BATCH, wait=0.05):
                count += 1
                reason = f"dead letter: {letter.reason or 'no reason given'}"
                self.store.quarantine(queue, letter.message_id, letter.body[:LARGEST_BODY], reason)
        return count

    def wake(self) -> None:
        """Receivers wait for at most a second; there is nothing to ring."""

    def close(self) -> None:
        self._settling.shutdown()
        self.bus.close()
