"""The queue trigger of the development host through the product's adapter, the real SDK and the emulator."""

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infrastructure.service_bus.bus import Message, ServiceBus
from tests.support.devhost import PATIENCE, Host, eventually, running, tiny_app
from tests.support.service_bus import Emulator, service_bus_emulator
from triggers.devhost.indexing import QueueFunction
from triggers.devhost.queues import QueuePump
from triggers.devhost.settings import ServiceBusOptions
from triggers.devhost.worker import Invoked

QUEUE = "from-environment"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with service_bus_emulator(max_delivery=4, lock_seconds=2) as emulator:
        yield emulator


def send(emulator: Emulator, *bodies: str) -> None:
    bus = ServiceBus(emulator.connection_string)
    bus.send([Message(QUEUE, body.encode(), f"id-{body}") for body in bodies])
    bus.close()


def counts(host: Host, body: str) -> list[int]:
    """Which deliveries of a message the function has seen; the first is 1."""
    return [entry["count"] for entry in host.seen(body)]


def test_messages_go_through_the_function_and_leave_the_queue(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Fault 39: success, redelivery with a 1-based count, dead letter after the last delivery, and a drain."""
    emulator.configure(QUEUE, lock_seconds=60)
    settings = {"TINY_BUS": emulator.connection_string, "TINY_QUEUE": QUEUE}
    with running(tiny_app(tmp_path), tmp_path, "emulated_bus", **settings) as host:
        send(emulator, "one", "fail-twice", "poison")
        eventually(
            lambda: (
                emulator.counts(QUEUE).dead_letter == 1 and counts(host, "fail-twice") == [1, 2, 3]
            )
        )
        assert [(e["id"], e["count"]) for e in host.seen("one")] == [("id-one", 1)]
        assert counts(host, "poison") == [1, 2, 3, 4]
        send(emulator, "slow")
        eventually(lambda: host.seen("slow"))
        host.process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping: finishing what is running" in host.log)
        host.release.touch()
        assert host.process.wait(PATIENCE) == 0
    left = emulator.counts(QUEUE)
    assert (left.active, left.locked) == (0, 0)


@dataclass
class SlowWork:
    """Stands in for the worker with a function that outlasts the lock of its message."""

    seconds: float
    counts: list[int] = field(default_factory=list)

    async def invoke(self, function_id: str, argument: str, value: Any, metadata: Any) -> Invoked:
        self.counts.append(int(metadata["DeliveryCount"]))
        await asyncio.sleep(self.seconds)
        return Invoked(True)

    def datum(self, kind: str, value: Any) -> Any:
        return value


def pump_until_empty(emulator: Emulator, work: SlowWork, renew_every: float) -> None:
    async def pump() -> None:
        stopping = asyncio.Event()
        function = QueueFunction("work", "id-1", "message", QUEUE)
        pumping = asyncio.create_task(
            QueuePump(function, work, bus, ServiceBusOptions(), renew_every).run(stopping)
        )
        while not work.counts or emulator.counts(QUEUE).locked:  # noqa: ASYNC110 - the emulator tells no event
            await asyncio.sleep(0.05)
        stopping.set()
        await pumping

    bus = ServiceBus(emulator.connection_string)
    asyncio.run(pump())
    bus.close()


def test_a_function_may_outlast_the_lock_of_its_message(emulator: Emulator) -> None:
    """Without renewal the message would come a second time while the first call still runs."""
    emulator.configure(QUEUE, lock_seconds=10)
    send(emulator, "long")
    work, began = SlowWork(seconds=13), time.monotonic()
    pump_until_empty(emulator, work, renew_every=0.5)
    assert work.counts == [1]
    assert time.monotonic() - began > 12
    assert emulator.counts(QUEUE).active == 0
