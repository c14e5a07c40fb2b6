"""The ends of AMQP links: senders that fill queues, receivers that empty them, requests and replies."""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.service_bus import amqp, management
from tests.support.service_bus.amqp import Described, Frame
from tests.support.service_bus.broker import Queue
from tests.support.service_bus.message import Lock, Message

if TYPE_CHECKING:
    from tests.support.service_bus.protocol import Session

BATCH = 0x80013700
CREDIT = 5000

REFUSALS = {
    "busy": amqp.failure("com.microsoft:server-busy", "The request was throttled."),
    "quota": amqp.failure("amqp:resource-limit-exceeded", "The queue is full."),
}
TOO_LARGE = amqp.failure("amqp:link:message-size-exceeded", "The message is too large.")
ACCEPTED = Described(amqp.ACCEPTED, [])


class Disconnect(Exception):
    """Drop this connection without a word."""


@dataclass
class Incoming:
    """A client's sender. Collects the parts of a message and hands the whole to `take`."""

    session: "Session"
    handle: int
    address: str
    credit: int = CREDIT
    received: int = 0
    _parts: bytearray = field(default_factory=bytearray)
    _first: dict[str, Any] = field(default_factory=dict)

    def transfer(self, frame: Frame) -> None:
        if not self._parts:
            self._first = frame.fields
        self._parts += frame.payload
        if frame.fields["more"]:
            return
        message = bytes(self._parts)
        self._parts.clear()
        self._spend_credit()
        self._answer(self._first, message)

    def _spend_credit(self) -> None:
        self.received += 1
        self.credit -= 1
        if self.credit < CREDIT // 10:
            self.credit = CREDIT
            self.session.flow(self.handle, self.received, self.credit)

    def _answer(self, first: dict[str, Any], message: bytes) -> None:
        outcome = self.take(message, first["message_format"])
        if not first["settled"]:
            self.session.settle(first["delivery_id"], outcome)

    def take(self, message: bytes, message_format: int | None) -> Described:
        raise NotImplementedError

    def closed(self) -> None:
        return


@dataclass
class ToQueue(Incoming):
    """Puts what it receives into a queue."""

    def take(self, message: bytes, message_format: int | None) -> Described:
        server = self.session.server
        if len(message) > server.max_message:
            return Described(amqp.REJECTED, [TOO_LARGE])
        queue = server.broker.queue(self.address)
        match queue.faults.refuse:
            case "disconnect":
                raise Disconnect
            case str() as refusal:
                return Described(amqp.REJECTED, [REFUSALS[refusal]])
        for part in _unpacked(message) if message_format == BATCH else [message]:
            queue.accept(Message.parse(part))
        if queue.dice.hits(queue.faults.cut):
            raise Disconnect
        return ACCEPTED


def _unpacked(batch: bytes) -> list[bytes]:
    return [value for kind, value, _ in amqp.sections(batch) if kind == amqp.DATA]


@dataclass
class ToManagement(Incoming):
    """Answers requests on the link that the same client listens on."""

    def take(self, message: bytes, message_format: int | None) -> Described:
        request = management.Request.parse(message)
        broker = self.session.server.broker
        self.session.replies[self.address].send(management.answer(broker, self.address, request))
        return ACCEPTED


@dataclass
class Outgoing:
    """A client's receiver, which gets as many messages as it gives credit for."""

    session: "Session"
    handle: int
    credit: int = 0
    sent: int = 0

    def flow(self, fields: dict[str, Any]) -> None:
        if fields["link_credit"] is not None:
            self.credit = fields["link_credit"] - (self.sent - (fields["delivery_count"] or 0))
        self.wanted()
        if fields["drain"]:
            self.sent += max(self.credit, 0)
            self.credit = 0
            self.session.flow(self.handle, self.sent, 0, drain=True)

    def wanted(self) -> None:
        return

    def send(self, message: bytes, tag: bytes | None = None, settled: bool = True) -> int:
        self.credit -= 1
        self.sent += 1
        return self.session.transfer(self.handle, message, tag or uuid.uuid4().bytes, settled)

    def closed(self) -> None:
        return


@dataclass
class FromQueue(Outgoing):
    """A subscriber of a queue."""

    queue: Queue = field(kw_only=True)
    keeps: bool = field(kw_only=True)

    def wanted(self) -> None:
        self.queue.pump()

    def deliver(self, message: Message, lock: Lock | None) -> None:
        if lock is None:
            self.send(message.wire())
            return
        delivery = self.send(message.wire(lock), lock.token.bytes_le, settled=False)
        self.session.unsettled[delivery] = (self.queue, lock.token)

    def closed(self) -> None:
        """A lost receiver keeps its locks until they expire, as in the real service."""
        if self in self.queue.subscribers:
            self.queue.subscribers.remove(self)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other
