"""The queue pump of the development host, on a bus in memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.errors import ServiceUnavailable
from tests.support.memory_bus import Delivery, MemoryBus
from triggers.devhost.indexing import QueueFunction
from triggers.devhost.queues import QueuePump
from triggers.devhost.settings import ServiceBusOptions
from triggers.devhost.worker import Invoked

FUNCTION = QueueFunction("work", "id-1", "message", "jobs")


@dataclass
class Work:
    """Stands in for the worker: counts what runs, and fails the bodies it is told to."""

    fails: Callable[[bytes, int], bool] = lambda body, count: False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0
    counts: list[tuple[bytes, int]] = field(default_factory=list)

    async def invoke(self, function_id: str, argument: str, value: Any, metadata: Any) -> Invoked:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.gate.wait()
        self.running -= 1
        self.counts.append((value, int(metadata["DeliveryCount"])))
        return Invoked(not self.fails(*self.counts[-1]), error="told to fail")

    def datum(self, kind: str, value: Any) -> Any:
        return value


@dataclass
class Pumping:
    bus: MemoryBus
    work: Work
    stopping: asyncio.Event
    pump: asyncio.Task[None]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():  # noqa: ASYNC110 - many conditions, none of them an event
                await asyncio.sleep(0.005)


def pumping(
    scenario: Callable[[Pumping], Any],
    bus: MemoryBus,
    fails: Callable[[bytes, int], bool] = lambda body, count: False,
    **options: Any,
) -> Pumping:
    async def run() -> Pumping:
        work, stopping = Work(fails), asyncio.Event()
        settings = ServiceBusOptions.model_validate(options)
        pump = QueuePump(FUNCTION, work, bus, settings, renew_every=0.02)
        state = Pumping(bus, work, stopping, asyncio.create_task(pump.run(stopping)))
        await scenario(state)
        stopping.set()
        work.gate.set()
        async with asyncio.timeout(120):
            await state.pump
        return state

    return asyncio.run(run())


def bus_with(*bodies: bytes, **options: int) -> MemoryBus:
    bus = MemoryBus(**options)
    for body in bodies:
        bus.send("jobs", body)
    return bus


def test_success_completes_and_failure_abandons_until_the_broker_gives_up() -> None:
    async def settled(state: Pumping) -> None:
        state.work.gate.set()
        await state.until(lambda: len(state.bus.completed) + len(state.bus.dead) == 3)

    bus = bus_with(b"good", b"twice", b"poison", max_delivery=4)
    state = pumping(settled, bus, lambda body, n: body == b"poison" or (body == b"twice" and n < 3))
    assert {d.body for d in bus.completed} == {b"good", b"twice"}
    assert [d.body for d in bus.dead] == [b"poison"]
    assert [n for body, n in state.work.counts if body == b"twice"] == [1, 2, 3]
    assert [n for body, n in state.work.counts if body == b"poison"] == [1, 2, 3, 4]


def test_no_more_run_at_once_than_host_json_allows() -> None:
    async def all_done(state: Pumping) -> None:
        await state.until(lambda: state.work.running == 3)
        state.work.gate.set()
        await state.until(lambda: len(state.bus.completed) == 20)

    bus = bus_with(*[b"x"] * 20)
    state = pumping(all_done, bus, maxConcurrentCalls=3)
    assert state.work.most == 3
    assert max(bus.limits) == 3


def test_a_stop_lets_what_runs_finish_and_takes_nothing_new() -> None:
    """Fault 39: messages in flight are completed, those that wait stay in the queue."""

    async def two_running(state: Pumping) -> None:
        await state.until(lambda: state.work.running == 2)

    bus = bus_with(*[b"x"] * 5)
    pumping(two_running, bus, maxConcurrentCalls=2)
    assert (len(bus.completed), bus.locked) == (2, {})
    assert len(bus.receive("jobs", 10, 0)) == 3


class FlakyBus(MemoryBus):
    """Loses its connection now and then, and a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.receive_failures = 1
        self.lost: list[Delivery] = []

    def receive(self, queue: str, limit: int, wait: float) -> list[Delivery]:
        if self.receive_failures:
            self.receive_failures -= 1
            raise ServiceUnavailable("the connection is gone")
        return super().receive(queue, limit, wait)

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        if not self.lost:
            self.lost += deliveries
            self.abandon(deliveries)
            raise ServiceUnavailable("the connection is gone")
        super().complete(deliveries)


def test_the_pump_outlives_a_lost_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def done(state: Pumping) -> None:
        state.work.gate.set()
        await state.until(lambda: len(state.bus.completed) == 1)

    bus = FlakyBus()
    bus.send("jobs", b"x")
    state = pumping(done, bus)
    assert [n for _, n in state.work.counts] == [1, 2]
    assert "will try again" in caplog.text
    assert "was not settled" in caplog.text


def test_without_auto_complete_the_function_settles() -> None:
    async def ran(state: Pumping) -> None:
        state.work.gate.set()
        await state.until(lambda: len(state.work.counts) == 1)

    bus = bus_with(b"x")
    pumping(ran, bus, autoCompleteMessages=False)
    assert (bus.completed, len(bus.locked)) == ([], 1)


def test_a_lock_is_renewed_while_the_function_runs_and_no_longer() -> None:
    async def renewed(state: Pumping) -> None:
        await state.until(lambda: len(state.bus.renewed) >= 3)
        state.work.gate.set()
        await state.until(lambda: len(state.bus.completed) == 1)
        count = len(state.bus.renewed)
        await asyncio.sleep(0.1)
        assert len(state.bus.renewed) == count

    bus = bus_with(b"long")
    pumping(renewed, bus)
    assert set(bus.renewed) == {"m1"}


def test_a_lock_is_not_renewed_beyond_what_host_json_allows() -> None:
    async def given_up(state: Pumping) -> None:
        await state.until(lambda: len(state.bus.renewed) == 2)
        await asyncio.sleep(0.1)

    bus = bus_with(b"long")
    pumping(given_up, bus, maxAutoLockRenewalDuration=0.05)
    assert len(bus.renewed) == 2
