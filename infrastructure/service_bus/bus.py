"""Queues on Azure Service Bus, through the real SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from threading import Lock
from time import monotonic
from typing import cast

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageBatch,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
)
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageSizeExceededError,
)
from azure.servicebus.management import ServiceBusAdministrationClient

from core.errors import TooLarge
from infrastructure.service_bus.links import Line, Receivers, Source

log = logging.getLogger(__name__)

SLICE = 0.25
"""Seconds a receiver listens before it lets others settle what it received earlier."""

ATTEMPT_SECONDS = 30.0
"""How long one attempt to connect or to send may take."""

ENVELOPE = 1024
"""Bytes to spare in a batch: the SDK does not count the properties that it copies onto its envelope."""

DETAIL = 4096
"""Service Bus takes no longer reasons and descriptions on a dead letter."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be sent, at once or when it is due."""

    queue: str
    body: bytes
    message_id: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that is locked for us. `count` is 1 for the first delivery."""

    queue: str
    body: bytes
    message_id: str
    count: int
    token: Receipt


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was set aside, and why. `count` says how often it was delivered before."""

    queue: str
    body: bytes
    message_id: str
    reason: str
    detail: str
    count: int
    enqueued_at: datetime | None


class ServiceBus:
    """Sends, receives and settles messages; connects when first used, and again after a failure.

    Delivery is at least once: a send that raised may have arrived, a message whose lock was lost comes again.
    Opening a link takes half a second, so links are kept: one sender per queue, and as many receivers per
    queue as there are threads receiving from it at the same time. Safe to share among threads.
    """

    def __init__(self, connection_string: str) -> None:
        # The SDK would wait between retries; Line knows better when a new link can help.
        self._begin(
            ServiceBusClient.from_connection_string(
                connection_string, retry_total=0, try_timeout=ATTEMPT_SECONDS
            ),
            partial(ServiceBusAdministrationClient.from_connection_string, connection_string),
        )

    @classmethod
    def in_namespace(cls, namespace: str, credential: TokenCredential) -> ServiceBus:
        """Connect to `<name>.servicebus.windows.net` with an identity instead of a key."""
        bus = cls.__new__(cls)
        bus._begin(
            ServiceBusClient(namespace, credential, retry_total=0, try_timeout=ATTEMPT_SECONDS),
            partial(ServiceBusAdministrationClient, namespace, credential),
        )
        return bus

    def _begin(
        self, client: ServiceBusClient, manage: Callable[..., ServiceBusAdministrationClient]
    ) -> None:
        self._client = client
        self._manage = manage
        self._senders: dict[str, Line[ServiceBusSender]] = {}
        self._receivers: dict[Source, Receivers] = {}
        self._lock = Lock()

    def send(self, messages: Sequence[Message]) -> None:
        """Send in as few batches as fit. When one message is too large for any batch, nothing is sent."""
        by_queue = groupby(sorted(messages, key=lambda m: m.queue), key=lambda m: m.queue)
        packed = [
            (line, batch)
            for queue, group in by_queue
            for line in [self._sender(queue)]
            for batch in _packed(line, group)
        ]
        for line, batch in packed:
            line.use(
                partial(ServiceBusSender.send_messages, message=batch, timeout=ATTEMPT_SECONDS)
            )

    def receive(self, queue: str, limit: int, wait: float) -> list[Delivery]:
        """Lock up to `limit` messages, waiting up to `wait` seconds for the first.

        A batch that stays short is handed over after another 0.2 seconds; with a limit of 1 at once. Ask for
        no more than can be begun now: the rest may still be sent to this receiver, and is then held up for
        seconds unless it is asked again.
        """
        with self._leased(Source(queue)) as line:
            received = _listen(line, limit, wait)
            return [_delivery(queue, message, line) for message in received]

    def receive_and_forget(self, queue: str, limit: int, wait: float) -> list[Delivery]:
        """Take up to `limit` messages that need no settling: they are gone from the queue already.

        Several times faster than `receive`. A process that dies takes with it what it has received, also what
        arrived after its last call, so this is only for messages that somebody will send again.
        """
        with self._leased(Source(queue, forgetful=True)) as line:
            received = _listen(line, limit, wait)
            return [_delivery(queue, message, line) for message in received]

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages from their queues: one round trip each."""
        for delivery in deliveries:
            _settle(delivery, lambda receiver, message: receiver.complete_message(message))

    def abandon(self, deliveries: Sequence[Delivery]) -> None:
        """Give messages back; they come again with a higher count."""
        for delivery in deliveries:
            _settle(delivery, lambda receiver, message: receiver.abandon_message(message))

    def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Keep messages locked for another while, for a host that holds them as long as it works."""
        for delivery in deliveries:
            _settle(delivery, _renewed)

    def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Set a message aside."""
        why = {"reason": reason[:DETAIL], "error_description": detail[:DETAIL]}
        _settle(delivery, lambda receiver, message: receiver.dead_letter_message(message, **why))

    def dead_letters(self, queue: str, limit: int) -> list[DeadLetter]:
        """Look at the oldest dead letters and leave them where they are."""
        with self._leased(Source(queue, dead=True)) as line:
            return [_dead_letter(queue, message) for message in _peeked(line, limit)]

    def take_dead_letters(self, queue: str, limit: int, wait: float = 1.0) -> list[DeadLetter]:
        """Remove dead letters from the queue and hand them over."""
        with self._leased(Source(queue, dead=True)) as line:
            taken = _listen(line, limit, wait)
            self.complete([_delivery(queue, message, line) for message in taken])
        return [_dead_letter(queue, message) for message in taken]

    def depth(self, queue: str) -> int | None:
        """How many messages wait. None where the management API does not answer or may not be asked."""
        client = self._manage(retry_total=0, connection_timeout=2, read_timeout=5)
        try:
            with client:
                return client.get_queue_runtime_properties(queue).active_message_count
        except AzureError as error:
            log.debug("no depth of %s: %s", queue, error)
            return None

    def close(self) -> None:
        """Close every link. Each may take a second, so all at once."""
        with self._lock:
            receivers = [line for pool in self._receivers.values() for line in pool.lines]
            closers = [line.close for line in (*self._senders.values(), *receivers)]
            self._senders.clear()
            self._receivers.clear()
        with ThreadPoolExecutor(max(len(closers), 1)) as pool:
            for closing in [pool.submit(close) for close in closers]:
                closing.result()

    def _sender(self, queue: str) -> Line[ServiceBusSender]:
        with self._lock:
            if queue not in self._senders:
                self._senders[queue] = Line(queue, lambda: self._client.get_queue_sender(queue))
            return self._senders[queue]

    @contextmanager
    def _leased(self, source: Source) -> Generator[Line[ServiceBusReceiver]]:
        with self._lock:
            if source not in self._receivers:
                self._receivers[source] = Receivers(
                    lambda: source.connect(self._client), source.queue
                )
            pool = self._receivers[source]
        with pool.leased() as line:
            yield line


@dataclass(frozen=True, slots=True)
class Receipt:
    """What settling a delivery takes."""

    line: Line[ServiceBusReceiver]
    message: ServiceBusReceivedMessage

    def __str__(self) -> str:
        return str(self.message.lock_token)


def _packed(
    line: Line[ServiceBusSender], messages: Iterable[Message]
) -> Iterator[ServiceBusMessageBatch]:
    batch = line.use(_empty_batch)
    for message in messages:
        outgoing = _outgoing(message)
        if not _fits(batch, outgoing):
            if len(batch):
                yield batch
                batch = line.use(_empty_batch)
            if not len(batch) and not _fits(batch, outgoing):
                raise TooLarge(
                    f"Message {message.message_id!r} to {message.queue!r} has {len(message.body)} bytes; "
                    f"with its headers it may have {batch.max_size_in_bytes}"
                )
    if len(batch):
        yield batch


def _empty_batch(sender: ServiceBusSender) -> ServiceBusMessageBatch:
    limit = sender.create_message_batch().max_size_in_bytes
    return sender.create_message_batch(limit - ENVELOPE)


def _fits(batch: ServiceBusMessageBatch, message: ServiceBusMessage) -> bool:
    try:
        batch.add_message(message)
    except MessageSizeExceededError:
        return False
    return True


def _outgoing(message: Message) -> ServiceBusMessage:
    due = message.due.astimezone(UTC) if message.due else None
    return ServiceBusMessage(
        message.body, message_id=message.message_id, scheduled_enqueue_time_utc=due
    )


def _listen(
    line: Line[ServiceBusReceiver], limit: int, wait: float
) -> list[ServiceBusReceivedMessage]:
    end = monotonic() + wait
    while True:
        seconds = min(SLICE, max(end - monotonic(), 0.01))
        messages = line.use(lambda receiver, s=seconds: receiver.receive_messages(limit, s))
        if messages or monotonic() >= end:
            return messages


def _peeked(line: Line[ServiceBusReceiver], limit: int) -> list[ServiceBusReceivedMessage]:
    peeked: list[ServiceBusReceivedMessage] = []
    while (missing := limit - len(peeked)) > 0:
        start = (peeked[-1].sequence_number or 0) + 1 if peeked else 1
        peek = partial(
            ServiceBusReceiver.peek_messages,
            max_message_count=missing,
            sequence_number=start,
            timeout=ATTEMPT_SECONDS,
        )
        if not (more := line.use(peek)):
            break
        peeked += more
    return peeked


def _settle(
    delivery: Delivery, act: Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], None]
) -> None:
    receipt = delivery.token
    try:
        receipt.line.use(lambda receiver: act(receiver, receipt.message))
    except (MessageLockLostError, MessageAlreadySettled) as error:
        log.debug("message %s of %s is not ours: %s", delivery.message_id, delivery.queue, error)


def _renewed(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> None:
    receiver.renew_message_lock(message)


def _delivery(
    queue: str, message: ServiceBusReceivedMessage, line: Line[ServiceBusReceiver]
) -> Delivery:
    count = (message.delivery_count or 0) + 1
    return Delivery(queue, _body(message), _id(message), count, Receipt(line, message))


def _dead_letter(queue: str, message: ServiceBusReceivedMessage) -> DeadLetter:
    reason = message.dead_letter_reason or ""
    # Service Bus counts failed deliveries, and a delivery that ends in the dead-letter queue is none of them.
    unfailed = 0 if reason in {"MaxDeliveryCountExceeded", "TTLExpiredException"} else 1
    return DeadLetter(
        queue,
        _body(message),
        _id(message),
        reason,
        message.dead_letter_error_description or "",
        (message.delivery_count or 0) + unfailed,
        message.enqueued_time_utc,
    )


def _id(message: ServiceBusReceivedMessage) -> str:
    return str(message.message_id or "")


def _body(message: ServiceBusReceivedMessage) -> bytes:
    """The bytes of the body. What others send as a value or a sequence becomes its text."""
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(cast(Iterable[bytes], message.body))
    return str(message).encode()
