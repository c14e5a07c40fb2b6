"""The server side of AMQP connections and sessions, as far as Service Bus clients use them."""

import asyncio
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.support.service_bus import amqp, management
from tests.support.service_bus.amqp import Described, Frame, performative
from tests.support.service_bus.broker import Broker, LockLost, Queue
from tests.support.service_bus.links import (
    CREDIT,
    Disconnect,
    FromQueue,
    Incoming,
    Outgoing,
    ToManagement,
    ToQueue,
)

PREAMBLE = b"AMQP\x00\x01\x00\x00"
SASL_PREAMBLE = b"AMQP\x03\x01\x00\x00"
MECHANISMS = amqp.Symbols(["ANONYMOUS", "MSSBCBS"])
MAX_FRAME = 64 * 1024
WINDOW = 0x7FFFFFFF

LOCK_LOST = amqp.failure("com.microsoft:message-lock-lost", "The lock supplied is invalid.")


@dataclass
class Server:
    """What all connections share."""

    broker: Broker
    max_message: int
    connections: "set[Connection]" = field(default_factory=set)

    def drop_all(self) -> None:
        for connection in list(self.connections):
            connection.abort()


class Session:
    """A channel of a connection: its links, and the deliveries nobody has settled yet."""

    def __init__(self, connection: "Connection", channel: int) -> None:
        self.connection, self.channel = connection, channel
        self.server = connection.server
        self.links: dict[int, Incoming | Outgoing] = {}
        self.replies: dict[str, Outgoing] = {}
        self.unsettled: dict[int, tuple[Queue, uuid.UUID]] = {}
        self._next_delivery = 0
        self._received = 0

    def write(self, kind: int, payload: bytes = b"", **fields: Any) -> None:
        body = performative(kind, **fields)
        self.connection.write(amqp.frame(self.channel, body, payload))

    def handle(self, frame: Frame) -> None:
        match frame.kind:
            case amqp.ATTACH:
                self._attach(frame.fields)
            case amqp.FLOW if isinstance(link := self.links.get(frame.fields["handle"]), Outgoing):
                link.flow(frame.fields)
            case amqp.TRANSFER if isinstance(
                link := self.links.get(frame.fields["handle"]), Incoming
            ):
                self._received += 1
                link.transfer(frame)
            case amqp.DISPOSITION if frame.fields["role"]:
                self._settled_by_client(frame.fields)
            case amqp.DETACH:
                self._detach(frame.fields["handle"])

    # ---- links ----

    def _attach(self, fields: dict[str, Any]) -> None:
        handle, client_receives = fields["handle"], fields["role"]
        end = fields["source"] if client_receives else fields["target"]
        address = _relative(end.value[0])
        link = (
            self._outgoing(fields, address) if client_receives else self._incoming(handle, address)
        )
        self.links[handle] = link
        self._confirm(fields)
        if isinstance(link, Incoming):
            self.flow(handle, 0, CREDIT)
        elif isinstance(link, FromQueue):
            link.queue.subscribers.append(link)

    def _incoming(self, handle: int, address: str) -> Incoming:
        kind = ToManagement if management.is_management(address) else ToQueue
        return kind(self, handle, address)

    def _outgoing(self, fields: dict[str, Any], address: str) -> Outgoing:
        handle = fields["handle"]
        if management.is_management(address):
            self.replies[address] = Outgoing(self, handle)
            return self.replies[address]
        queue = self.server.broker.queue(address)
        return FromQueue(self, handle, queue=queue, keeps=fields["snd_settle_mode"] != 1)

    def _confirm(self, fields: dict[str, Any]) -> None:
        ends = {"source": amqp.SOURCE, "target": amqp.TARGET}
        self.write(
            amqp.ATTACH,
            **{name: fields[name] for name in ("name", "handle")},
            **{name: Described(kind, fields[name].value[:1]) for name, kind in ends.items()},
            role=not fields["role"],
            snd_settle_mode=fields["snd_settle_mode"],
            rcv_settle_mode=fields["rcv_settle_mode"],
            initial_delivery_count=0 if fields["role"] else None,
            max_message_size=self.server.max_message,
        )

    def _detach(self, handle: int) -> None:
        if link := self.links.pop(handle, None):
            link.closed()
            self.write(amqp.DETACH, handle=handle, closed=True)

    def closed(self) -> None:
        for link in self.links.values():
            link.closed()

    def flow(self, handle: int, count: int, credit: int, drain: bool | None = None) -> None:
        self.write(
            amqp.FLOW,
            next_incoming_id=self._received,
            incoming_window=WINDOW,
            next_outgoing_id=self._next_delivery,
            outgoing_window=WINDOW,
            handle=handle,
            delivery_count=count,
            link_credit=credit,
            drain=drain,
        )

    # ---- deliveries ----

    def transfer(self, handle: int, message: bytes, tag: bytes, settled: bool) -> int:
        """Send a message in as many frames as it takes."""
        delivery, self._next_delivery = self._next_delivery, self._next_delivery + 1
        room = self.connection.max_frame - 64
        for start in range(0, len(message), room):
            self.write(
                amqp.TRANSFER,
                message[start : start + room],
                handle=handle,
                delivery_id=delivery,
                delivery_tag=tag,
                message_format=0,
                settled=settled,
                more=start + room < len(message),
            )
        return delivery

    def settle(self, delivery: int, outcome: Described) -> None:
        """Tell a sender what became of its message."""
        self._disposition(role=True, delivery=delivery, outcome=outcome)

    def _disposition(self, role: bool, delivery: int, outcome: Described) -> None:
        self.write(
            amqp.DISPOSITION,
            role=role,
            first=delivery,
            last=delivery,
            settled=True,
            state=outcome,
        )

    def _settled_by_client(self, fields: dict[str, Any]) -> None:
        """Carry out a receiver's decision. One that did not settle by itself waits for the echo."""
        first = fields["first"]
        last = first if fields["last"] is None else fields["last"]
        for delivery in range(first, last + 1):
            outcome = self._apply(delivery, fields["state"])
            if not fields["settled"]:
                self._disposition(role=False, delivery=delivery, outcome=outcome)

    def _apply(self, delivery: int, wish: Described) -> Described:
        queue, token = self.unsettled.pop(delivery, (None, None))
        if queue is None or token is None:
            return Described(amqp.REJECTED, [LOCK_LOST])
        try:
            _settle(queue, token, wish)
        except LockLost:
            return Described(amqp.REJECTED, [LOCK_LOST])
        return Described(wish.descriptor, [])


def _settle(queue: Queue, token: uuid.UUID, wish: Described) -> None:
    match wish.descriptor:
        case amqp.ACCEPTED:
            queue.complete(token)
        case amqp.RELEASED:
            queue.release(token)
        case amqp.MODIFIED:
            queue.abandon(token)
        case amqp.REJECTED:
            info = wish.value[0].value[2] or {}
            detail = info.get("DeadLetterErrorDescription")
            queue.dead_letter(token, info.get("DeadLetterReason"), detail)


def _relative(address: str) -> str:
    """Links name `amqps://host/queue`, requests name `queue`."""
    return address.split("/", 3)[3] if "://" in address else address


class Connection(asyncio.Protocol):
    """One client's socket."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.max_frame = MAX_FRAME
        self._buffer = bytearray()
        self._greeted = False
        self._sessions: dict[int, Session] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        for session in self._sessions.values():
            session.closed()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():  # the client may have been killed
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._read()
        except Disconnect:
            self.abort()

    def _read(self) -> None:
        while frame := self._next():
            self._handle(frame)

    def _next(self) -> Frame | None:
        return amqp.read_frame(self._buffer) if self._greeted or self._greet() else None

    def _greet(self) -> bool:
        """Answer the first bytes of a client. Who wants SASL greets twice."""
        if len(self._buffer) < len(PREAMBLE):
            return False
        preamble = bytes(self._buffer[: len(PREAMBLE)])
        del self._buffer[: len(PREAMBLE)]
        if preamble not in {PREAMBLE, SASL_PREAMBLE}:
            print("not plain AMQP: is UseDevelopmentEmulator=true missing?", file=sys.stderr)
            raise Disconnect
        self._greeted = True
        self.write(preamble)
        if preamble == SASL_PREAMBLE:
            self._reply(0, amqp.SASL_MECHANISMS, sasl=True, mechanisms=MECHANISMS)
        return True

    def _handle(self, frame: Frame) -> None:
        match frame.kind:
            case amqp.SASL_INIT:
                self._greeted = False
                self._reply(0, amqp.SASL_OUTCOME, sasl=True, code=0)
            case amqp.OPEN:
                self.max_frame = min(frame.fields["max_frame_size"] or MAX_FRAME, MAX_FRAME)
                self._reply(
                    0, amqp.OPEN, container_id="emulator", max_frame_size=MAX_FRAME, channel_max=255
                )
            case amqp.BEGIN:
                self._begin(frame.channel)
            case amqp.END:
                self._end(frame.channel)
            case amqp.CLOSE:
                self._reply(0, amqp.CLOSE)
                self._transport.close()
            case _ if session := self._sessions.get(frame.channel):
                session.handle(frame)

    def _begin(self, channel: int) -> None:
        self._sessions[channel] = Session(self, channel)
        self._reply(
            channel,
            amqp.BEGIN,
            remote_channel=channel,
            next_outgoing_id=0,
            incoming_window=WINDOW,
            outgoing_window=WINDOW,
            handle_max=255,
        )

    def _end(self, channel: int) -> None:
        if session := self._sessions.pop(channel, None):
            session.closed()
        self._reply(channel, amqp.END)

    def _reply(self, channel: int, kind: int, *, sasl: bool = False, **fields: Any) -> None:
        self.write(amqp.frame(channel, performative(kind, **fields), sasl=sasl))
