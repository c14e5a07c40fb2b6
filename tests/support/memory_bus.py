"""A Service Bus in memory for the queue pump: locks, counts and redelivers as the real one does."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from uuid import uuid4


@dataclass(frozen=True)
class Delivery:
    queue: str
    body: bytes
    message_id: str
    count: int
    token: str = ""


class MemoryBus:
    """Messages by queue. Abandoned ones come again, until they have come `max_delivery` times."""

    def __init__(self, max_delivery: int = 5) -> None:
        self._changed = threading.Condition()
        self._ready: dict[str, deque[Delivery]] = {}
        self._ids = count(1)
        self._max_delivery = max_delivery
        self.locked: dict[str, Delivery] = {}
        self.completed: list[Delivery] = []
        self.renewed: list[str] = []
        self.dead: list[Delivery] = []
        self.limits: list[int] = []
        self.closed = False

    def send(self, queue: str, body: bytes) -> None:
        self._put(Delivery(queue, body, f"m{next(self._ids)}", 1))

    def _put(self, delivery: Delivery) -> None:
        with self._changed:
            self._ready.setdefault(delivery.queue, deque()).append(delivery)
            self._changed.notify_all()

    def receive(self, queue: str, limit: int, wait: float) -> list[Delivery]:
        with self._changed:
            self.limits.append(limit)
            ready = self._ready.setdefault(queue, deque())
            self._changed.wait_for(lambda: ready, wait)
            taken = [
                replace(ready.popleft(), token=str(uuid4())) for _ in range(min(limit, len(ready)))
            ]
            self.locked |= {delivery.token: delivery for delivery in taken}
            return taken

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        self.completed += [self.locked.pop(delivery.token) for delivery in deliveries]

    def renew(self, deliveries: Sequence[Delivery]) -> None:
        self.renewed += [delivery.message_id for delivery in deliveries]

    def abandon(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._again(delivery)

    def _again(self, delivery: Delivery) -> None:
        again = replace(self.locked.pop(delivery.token), count=delivery.count + 1)
        if again.count > self._max_delivery:
            self.dead.append(again)
        else:
            self._put(again)

    def close(self) -> None:
        self.closed = True


BUS = MemoryBus()


def open_bus() -> MemoryBus:
    """The bus of this process, for `--bus tests.support.memory_bus:open_bus`."""
    return BUS
