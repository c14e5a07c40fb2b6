"""Service Bus triggers: messages in, an invocation each, then complete or abandon."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from core.errors import CoreMachineError
from triggers.devhost.indexing import QueueFunction
from triggers.devhost.settings import ServiceBusOptions
from triggers.devhost.worker import Worker

log = logging.getLogger(__name__)

_WAIT = 1.0


class Delivery(Protocol):
    """A message that is locked for us. `count` is 1 for the first delivery."""

    @property
    def body(self) -> bytes: ...
    @property
    def message_id(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def token(self) -> Any: ...


class Bus(Protocol):
    """What the pump needs of Service Bus. Deliveries that are no longer ours are passed over."""

    def receive(self, queue: str, limit: int, wait: float) -> Sequence[Delivery]: ...
    def complete(self, deliveries: Sequence[Any]) -> None: ...
    def abandon(self, deliveries: Sequence[Any]) -> None: ...
    def renew(self, deliveries: Sequence[Any]) -> None: ...
    def close(self) -> None: ...


class QueuePump:
    """Feeds one function from its queue, `maxConcurrentCalls` messages at a time."""

    def __init__(
        self,
        function: QueueFunction,
        worker: Worker,
        bus: Bus,
        options: ServiceBusOptions,
        renew_every: float = 10.0,
    ) -> None:
        self._function = function
        self._worker = worker
        self._bus = bus
        self._options = options
        self._renew_every = renew_every
        self._free = options.max_concurrent_calls
        self._freed = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Pump until told to stop, then finish what runs."""
        async with asyncio.TaskGroup() as running:
            while not stopping.is_set():
                for delivery in await self._receive(stopping):
                    self._free -= 1
                    running.create_task(self._handle(delivery))
                await self._room()

    async def _room(self) -> None:
        while not self._free:
            self._freed.clear()
            await self._freed.wait()

    async def _receive(self, stopping: asyncio.Event) -> Sequence[Delivery]:
        try:
            return await asyncio.to_thread(
                self._bus.receive, self._function.queue, self._free, _WAIT
            )
        except CoreMachineError as error:
            log.warning("cannot receive from %s, will try again: %s", self._function.queue, error)
            await pause(_WAIT, stopping)
            return []

    async def _handle(self, delivery: Delivery) -> None:
        try:
            async with self._locked(delivery):
                succeeded = await self._succeeds(delivery)
            if not succeeded:
                await self._tell(self._bus.abandon, delivery)
            elif self._options.auto_complete_messages:
                await self._tell(self._bus.complete, delivery)
        finally:
            self._free += 1
            self._freed.set()

    async def _succeeds(self, delivery: Delivery) -> bool:
        function, body = self._function, self._worker.datum("bytes", delivery.body)
        metadata = self._metadata(delivery)
        invoked = await self._worker.invoke(function.id, function.argument, body, metadata)
        if not invoked.ok:
            log.warning("%s failed on %s: %s", function.name, delivery.message_id, invoked.error)
        return invoked.ok

    @asynccontextmanager
    async def _locked(self, delivery: Delivery) -> AsyncGenerator[None, None]:
        """Renew the lock of a message while its function runs, as long as host.json allows."""
        renewing = asyncio.create_task(self._renew(delivery))
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew(self, delivery: Delivery) -> None:
        allowed = self._options.max_auto_lock_renewal_duration.total_seconds()
        for _ in range(int(allowed / self._renew_every)):
            await asyncio.sleep(self._renew_every)
            await self._tell(self._bus.renew, delivery)

    def _metadata(self, delivery: Delivery) -> dict[str, Any]:
        """The trigger metadata of a single message, under the names the host gives it."""
        values: dict[str, Any] = {
            "MessageId": delivery.message_id,
            "DeliveryCount": delivery.count,
            "LockToken": str(delivery.token),
            "EnqueuedTimeUtc": datetime.now(UTC).isoformat(),
            "UserProperties": {},
            "ApplicationProperties": {},
        }
        return {
            name: self._worker.datum("json", json.dumps(value)) for name, value in values.items()
        }

    async def _tell(self, settle: Callable[[Sequence[Any]], None], delivery: Delivery) -> None:
        try:
            await asyncio.to_thread(settle, [delivery])
        except CoreMachineError as error:
            # No failure of the message: when its lock runs out it comes again.
            log.warning("message %s was not settled: %s", delivery.message_id, error)


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait, but not beyond the moment the host is told to stop."""
    await asyncio.wait([task := asyncio.ensure_future(stopping.wait())], timeout=seconds)
    task.cancel()
