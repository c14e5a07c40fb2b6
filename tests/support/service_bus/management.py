"""The two request-and-reply nodes: `$cbs`, which believes every token, and `<queue>/$management`."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.support.service_bus import amqp
from tests.support.service_bus.amqp import Int, Symbol, Timestamp
from tests.support.service_bus.broker import Broker, LockLost, Queue
from tests.support.service_bus.message import Message

TOKENS = "$cbs"
SUFFIX = "/$management"
PREFIX = "com.microsoft:"


def is_management(address: str) -> bool:
    return address == TOKENS or address.endswith(SUFFIX)


@dataclass(frozen=True)
class Request:
    id: Any
    operation: str
    body: Any

    @classmethod
    def parse(cls, message: bytes) -> "Request":
        parts = {kind: value for kind, value, _ in amqp.sections(message)}
        operation = parts[amqp.APPLICATION]["operation"]
        return cls(parts[amqp.PROPERTIES][0], operation.removeprefix(PREFIX), parts.get(amqp.VALUE))


@dataclass(frozen=True)
class Reply:
    status: int = 200
    text: str = "OK"
    body: Any = None

    def wire(self, request: Request, names: tuple[str, str]) -> bytes:
        status, text = names
        properties: dict[str, Any] = {status: Int(self.status), text: self.text}
        if self.status >= 300:
            properties["errorCondition"] = Symbol(self.text)
        return (
            amqp.described(amqp.PROPERTIES, amqp.encode([None] * 5 + [request.id]))
            + amqp.described(amqp.APPLICATION, amqp.encode(properties))
            + amqp.described(amqp.VALUE, amqp.encode(self.body))
        )


def answer(broker: Broker, address: str, request: Request) -> bytes:
    if address == TOKENS:
        return Reply(202, "Accepted").wire(request, ("status-code", "status-description"))
    queue = broker.queue(address.removesuffix(SUFFIX))
    try:
        reply = _carry_out(queue, request)
    except LockLost:
        reply = Reply(410, "com.microsoft:message-lock-lost")
    return reply.wire(request, ("statusCode", "statusDescription"))


def _carry_out(queue: Queue, request: Request) -> Reply:
    body = request.body
    match request.operation:
        case "renew-lock":
            return _renew(queue, body["lock-tokens"])
        case "schedule-message":
            return _schedule(queue, [entry["message"] for entry in body["messages"]])
        case "cancel-scheduled-message":
            queue.cancel(set(body["sequence-numbers"]))
            return Reply()
        case "peek-message":
            return _peek(queue, body["from-sequence-number"], body["message-count"])
        case "update-disposition":
            return _settle(queue, body)
        case unknown:
            return Reply(501, f"{unknown} is not supported by the emulator")


def _renew(queue: Queue, tokens: list[uuid.UUID]) -> Reply:
    return Reply(body={"expirations": [Timestamp(queue.renew(token)) for token in tokens]})


def _schedule(queue: Queue, messages: list[bytes]) -> Reply:
    return Reply(body={"sequence-numbers": [queue.accept(Message.parse(m)) for m in messages]})


def _peek(queue: Queue, start: int, limit: int) -> Reply:
    messages = [{"message": message.wire()} for message in queue.peek(start, limit)]
    return Reply(body={"messages": messages}) if messages else Reply(204, "no messages")


def _settle(queue: Queue, body: dict[str, Any]) -> Reply:
    for token in body["lock-tokens"]:
        match body["disposition-status"]:
            case "completed":
                queue.complete(token)
            case "abandoned":
                queue.abandon(token)
            case "suspended":
                why = (body.get("deadletter-reason"), body.get("deadletter-description"))
                queue.dead_letter(token, *why)
            case unknown:
                return Reply(501, f"{unknown} is not supported by the emulator")
    return Reply()
