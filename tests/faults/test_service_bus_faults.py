"""Service Bus loses, repeats, delays, refuses and poisons messages; every job ends all the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from benchmarks.invariants import violations
from core.queues import LIGHT
from infrastructure.service_bus.bus import Message, ServiceBus
from tests.support.fault_jobs.patience import Patience, Snail
from tests.support.fault_jobs.relay import Relay
from tests.support.fleet import Fleet
from tests.support.service_bus import SDK_LEAVES_SOCKETS, Emulator
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)

QUEUES = ("jobs", "tasks-light", "tasks-heavy")


@pytest.fixture
def adapter(bus: Emulator) -> Iterator[ServiceBus]:
    """Somebody else who uses the same queues."""
    adapter = ServiceBus(bus.connection_string)
    yield adapter
    adapter.close()


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({"duplicate": 0.2}, id="duplicates"),
        pytest.param({"lose": 0.05}, id="losses"),
        pytest.param({"delay": 0.3, "delay_seconds": 3, "shuffle": 50}, id="late-and-reordered"),
        pytest.param({"cut": 0.1}, id="cut"),
        pytest.param(
            {"duplicate": 0.2, "lose": 0.05, "delay": 0.2, "shuffle": 50, "cut": 0.05},
            id="everything",
        ),
    ],
)
def test_unreliable_messages_run_every_task_once(
    faults: dict[str, float], bus: Emulator, bus_fleet: Fleet
) -> None:
    """Faults 23, 24, 25; R01, R02, R22, R27: what is lost is sent again, what comes twice finds its task taken."""
    bus.faults(**faults)
    for queue in QUEUES:  # a message whose settling got lost is locked until then
        bus.configure(queue, lock_seconds=3)
    job = Relay(legs=300)
    run = bus_fleet.submit(job)
    for _ in range(2):
        bus_fleet.start()
    assert bus_fleet.ended(run).result == job.expected
    bus.faults()
    # Late ones arrive after the end, and change nothing.
    eventually(lambda: drained(bus), 60)
    assert bus_fleet.ask("select max(attempt), max(failures) from app.tasks") == [(1, 0)]
    assert violations(bus_fleet.dsn) == []


@pytest.mark.parametrize("refusal", ["busy", "quota", "disconnect"])
def test_jobs_are_taken_while_the_broker_refuses_messages(
    refusal: Literal["busy", "quota", "disconnect"], bus: Emulator, bus_fleet: Fleet
) -> None:
    """Fault 28; R08: the outbox keeps the messages, and drains when the broker is itself again."""
    bus.faults(refuse=refusal)
    worker = bus_fleet.start()
    run = bus_fleet.submit(Relay())
    eventually(lambda: "relay: Queue 'jobs'" in worker.told(200), 60)
    assert bus_fleet.ask("select from app.outbox")
    bus.faults()
    assert bus_fleet.ended(run).result == Relay().expected
    assert worker.alive
    eventually(lambda: not bus_fleet.ask("select from app.outbox"))
    assert violations(bus_fleet.dsn) == []


def test_a_broker_that_comes_back_empty_loses_no_job(bus: Emulator, bus_fleet: Fleet) -> None:
    """Faults 24, 28; R08: all that was in its queues is sent again."""
    job = Relay(legs=300)
    run = bus_fleet.submit(job)
    worker = bus_fleet.start()
    eventually(
        lambda: bus_fleet.ask("select from app.tasks where status = 'completed' and idx >= 0")
    )
    bus.kill()
    bus.start()
    assert bus_fleet.ended(run).result == job.expected
    assert worker.alive
    assert violations(bus_fleet.dsn) == []


def test_poison_messages_are_set_aside_and_harm_no_other(
    bus: Emulator, bus_fleet: Fleet, adapter: ServiceBus
) -> None:
    """Fault 29; R16: each is kept with the reason, whatever is wrong with it."""
    run = bus_fleet.submit(Relay())
    poison = {
        "json": b'{"job": 1',
        "version": b"9:1-0-0:0",
        "task": b"1:everything:0",
        "attempt": b"1:1-0-0:many",
        "bytes": b"\xff\xfe\x00",
        "long": b"x" * 100_000,
    }
    adapter.send([Message("tasks-light", body, name) for name, body in poison.items()])
    adapter.send([Message("jobs", b"1:999999-0-0:0", "stranger")])
    bus_fleet.start()
    assert bus_fleet.ended(run).result == Relay().expected
    eventually(lambda: drained(bus))
    kept = bus_fleet.ask("select message_id, queue, reason, length(body) from app.quarantine")
    assert {name for name, *_ in kept} == set(poison)
    assert all(queue == LIGHT and reason and size <= 1024 for _, queue, reason, size in kept)
    assert violations(bus_fleet.dsn) == []


def test_a_task_may_take_longer_than_its_message_is_locked(bus: Emulator, bus_fleet: Fleet) -> None:
    """Fault 26; R03, R26: the row owns the work, so no message lock has to live as long."""
    bus.configure("tasks-light", lock_seconds=0.5)
    run = bus_fleet.submit(Snail(seconds=2.5))
    for _ in range(2):
        bus_fleet.start()
    assert bus_fleet.ended(run).result == 1


def test_a_dead_letter_fails_no_task_that_runs(
    bus: Emulator, bus_fleet: Fleet, adapter: ServiceBus, tmp_path: Path
) -> None:
    """Fault 27; R21, R23: the row decides; how often a message was delivered means nothing."""
    bus.configure("tasks-light", max_delivery=1)
    run = bus_fleet.submit(Patience(folder=str(tmp_path)))
    bus_fleet.start(CM_LIGHT_SLOTS=1)
    eventually((tmp_path / "begun-1").exists)
    eventually(lambda: not bus.counts("tasks-light").locked)  # its own message is settled
    adapter.send([Message("tasks-light", f"1:{run}-0-0:0".encode(), "again")])

    def buried() -> bool:
        """Whoever holds the message now loses its lock, and that was the only delivery it had."""
        adapter.receive("tasks-light", 1, 0.1)
        bus.expire_locks("tasks-light")
        return reasons(bus_fleet) == ["dead letter: MaxDeliveryCountExceeded"]

    eventually(buried)
    assert bus_fleet.ask("select status, attempt from app.tasks") == [("processing", 1)]
    (tmp_path / "go-1").touch()
    assert bus_fleet.ended(run).result == [1, 1]


def test_a_task_whose_message_died_is_sent_again(
    bus: Emulator, bus_fleet: Fleet, adapter: ServiceBus
) -> None:
    """Fault 27; R20, R21: a message in the dead-letter queue is no task lost."""
    run = bus_fleet.submit(Snail(seconds=0))
    relaying = bus_fleet.start(queues="jobs")
    eventually(lambda: bus.counts("tasks-light").active)
    bury(adapter)
    relaying.terminate()
    bus_fleet.start()
    assert bus_fleet.ended(run).result == 1
    eventually(lambda: reasons(bus_fleet) == ["dead letter: TooOften"])


def bury(adapter: ServiceBus) -> None:
    """Set aside the message that waits for a light task."""
    (delivery,) = eventually(lambda: adapter.receive("tasks-light", 1, 0.5))
    adapter.dead_letter(delivery, "TooOften", "a test says so")


def reasons(fleet: Fleet) -> list[str]:
    return [reason for (reason,) in fleet.ask("select reason from app.quarantine")]


def drained(bus: Emulator) -> bool:
    counts = [bus.counts(queue) for queue in QUEUES]
    return not any(each.active or each.locked or each.scheduled for each in counts)
