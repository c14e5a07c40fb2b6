"""A message as the broker keeps it: the sender's bytes, and what the broker knows about them."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.support.service_bus import amqp
from tests.support.service_bus.amqp import Symbol, Timestamp, UByte, UInt


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Lock:
    """One receiver's claim to a message, until a time in milliseconds."""

    token: uuid.UUID
    until: int


@dataclass
class Message:
    sections: list[tuple[int, bytes]]
    durable: bool | None = None
    priority: int | None = None
    ttl_ms: int | None = None
    due: int | None = None
    deliveries: int = 0
    sequence: int = 0
    enqueued: int = 0
    source: str | None = None
    annotations: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> "Message":
        message = cls(sections=[])
        for kind, value, raw in amqp.sections(data):
            if kind == amqp.HEADER:
                message.durable, message.priority, message.ttl_ms = (*value, None, None, None)[:3]
            elif kind == amqp.ANNOTATIONS:
                message.due = value.pop("x-opt-scheduled-enqueue-time", None)
                message.annotations = value
            elif kind != amqp.DELIVERY_ANNOTATIONS:
                message.sections.append((kind, raw))
        return message

    def copy(self) -> "Message":
        return Message(
            list(self.sections), self.durable, self.priority, self.ttl_ms, self.due,
            annotations=dict(self.annotations),
        )  # fmt: skip

    @property
    def expired(self) -> bool:
        return self.ttl_ms is not None and self.enqueued + self.ttl_ms <= now_ms()

    def bury(self, source: str, reason: str | None, detail: str | None) -> None:
        """Make this a dead letter: it no longer expires and says why it died."""
        self.source, self.ttl_ms, self.due = source, None, None
        why = {"DeadLetterReason": reason, "DeadLetterErrorDescription": detail}
        properties = {
            key: value
            for kind, raw in self.sections
            if kind == amqp.APPLICATION
            for key, value in amqp.decode(raw)[0].value.items()
        }
        properties |= {key: value for key, value in why.items() if value}
        section = amqp.described(amqp.APPLICATION, amqp.encode(properties))
        rest = [(kind, raw) for kind, raw in self.sections if kind != amqp.APPLICATION]
        self.sections = sorted([*rest, (amqp.APPLICATION, section)], key=lambda each: each[0])

    def wire(self, lock: Lock | None = None) -> bytes:
        """The message as a receiver gets it."""
        parts = [amqp.described(amqp.HEADER, amqp.encode(self._header()))]
        if lock:
            token = {Symbol("x-opt-lock-token"): lock.token}
            parts.append(amqp.described(amqp.DELIVERY_ANNOTATIONS, amqp.encode(token)))
        parts.append(amqp.described(amqp.ANNOTATIONS, amqp.encode(self._annotations(lock))))
        return b"".join([*parts, *(raw for _, raw in self.sections)])

    def _header(self) -> list[Any]:
        priority = None if self.priority is None else UByte(self.priority)
        ttl = None if self.ttl_ms is None else UInt(self.ttl_ms)
        return [self.durable, priority, ttl, None, UInt(self.deliveries)]

    def _annotations(self, lock: Lock | None) -> dict[Symbol, Any]:
        known = {
            "x-opt-enqueued-time": Timestamp(self.enqueued),
            "x-opt-sequence-number": self.sequence,
            "x-opt-locked-until": Timestamp(lock.until) if lock else None,
            "x-opt-scheduled-enqueue-time": Timestamp(self.due) if self.due else None,
            "x-opt-deadletter-source": self.source,
        }
        stated = {key: value for key, value in known.items() if value is not None}
        return {Symbol(key): value for key, value in (self.annotations | stated).items()}
