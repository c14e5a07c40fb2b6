"""Links to Service Bus queues that are kept open, shared among threads and opened anew when they break."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from azure.servicebus import (
    ServiceBusClient,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from core.errors import ServiceUnavailable, TooLarge

log = logging.getLogger(__name__)

H = TypeVar("H", ServiceBusSender, ServiceBusReceiver)
R = TypeVar("R")

REFUSED = (
    MessageLockLostError,
    MessageSizeExceededError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)
"""Answers of a link that works: a new one would say the same."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a receiver reads and how."""

    queue: str
    dead: bool = False
    forgetful: bool = False

    def connect(self, client: ServiceBusClient) -> ServiceBusReceiver:
        mode = ServiceBusReceiveMode
        return client.get_queue_receiver(
            self.queue,
            sub_queue=ServiceBusSubQueue.DEAD_LETTER if self.dead else None,
            receive_mode=mode.RECEIVE_AND_DELETE if self.forgetful else mode.PEEK_LOCK,
        )


class Line(Generic[H]):
    """A link to a queue: opened when first used, opened anew when it broke, used by one thread at a time."""

    def __init__(self, queue: str, connect: Callable[[], H]) -> None:
        self.queue = queue
        self._connect = connect
        self._handler: H | None = None
        self._door, self._room = Lock(), Lock()

    def use(self, act: Callable[[H], R]) -> R:
        """Do something with the open link. One that had been open may have died of idleness: try again."""
        with self._turn():
            try:
                return self._tried_twice(act) if self._handler else self._tried(act)
            except MessageLockLostError:
                raise
            except MessageSizeExceededError as error:
                raise TooLarge(f"Queue {self.queue!r} takes no messages of that size") from error
            except ServiceBusError as error:
                log.warning("queue %s: %s: %s", self.queue, type(error).__name__, error)
                raise ServiceUnavailable(
                    f"Queue {self.queue!r} does not answer or takes nothing; try again in a moment"
                ) from error

    def close(self) -> None:
        with self._turn():
            self._drop()

    @contextmanager
    def _turn(self) -> Generator[None]:
        """Let everyone in by turns: who listens in a loop queues again behind those who want to settle."""
        with self._door:
            self._room.acquire()
        try:
            yield
        finally:
            self._room.release()

    def _tried_twice(self, act: Callable[[H], R]) -> R:
        try:
            return self._tried(act)
        except REFUSED:
            raise
        except ServiceBusError as error:
            log.info("queue %s: connecting again after %s", self.queue, type(error).__name__)
            return self._tried(act)

    def _tried(self, act: Callable[[H], R]) -> R:
        try:
            return act(self._opened())
        except REFUSED:
            raise
        except ServiceBusError:
            self._drop()
            raise

    def _opened(self) -> H:
        if self._handler is None:
            handler = self._connect()
            handler.__enter__()
            self._handler = handler
        return self._handler

    def _drop(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.close()


class Receivers:
    """Receivers of one source. The one used last is used next, so that idle ones hold no messages back."""

    def __init__(self, connect: Callable[[], ServiceBusReceiver], queue: str) -> None:
        self.lines: list[Line[ServiceBusReceiver]] = []
        self._connect, self._queue = connect, queue
        self._idle: list[Line[ServiceBusReceiver]] = []
        self._lock = Lock()

    @contextmanager
    def leased(self) -> Generator[Line[ServiceBusReceiver]]:
        line = self._take()
        try:
            yield line
        finally:
            with self._lock:
                self._idle.append(line)

    def _take(self) -> Line[ServiceBusReceiver]:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self.lines.append(line := Line(self._queue, self._connect))
            return line
