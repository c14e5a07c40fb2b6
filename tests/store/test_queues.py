"""One contract for every queue: due tasks reach exactly one claimer each, and nothing is lost or lasts for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest

from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.store import MemoryQueue, MemoryStore
from core.ports import Limits, Queue, Store, Worker
from core.queues import QueueName
from core.registry import Registry
from core.tasks import (
    Again,
    Claim,
    Completed,
    NewTask,
    Outcome,
    Payload,
    Released,
    TaskError,
    TaskKey,
    Wakeup,
)
from infrastructure.database import Database
from infrastructure.outbox import PostgresOutbox
from infrastructure.postgres_queue import Bell, PostgresQueue
from infrastructure.service_bus.bus import Message, ServiceBus
from infrastructure.service_bus.queue import ServiceBusQueue
from infrastructure.store import PostgresStore
from jobs.hello_world import HelloWorld
from tests.support.service_bus import SDK_LEAVES_SOCKETS, Emulator, service_bus_emulator
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)
PATIENT = Limits(lost_after=0.2)


@dataclass(frozen=True)
class Rig:
    """A store, its queue and a machine, of one kind."""

    store: Store
    queue: Queue
    machine: CoreMachine

    def session(self) -> Worker:
        worker = Worker(uuid4(), "here", 1, "test")
        self.store.begin_session(worker)
        return worker

    def claim(
        self, worker: Worker, limit: int = 100, queue: QueueName = QueueName.LIGHT
    ) -> list[Claim]:
        self.queue.relay()
        return self.queue.claim(queue, worker.session, limit, 0.3)

    def open_tasks(self, count: int, worker: Worker) -> None:
        """Submit a job of so many light tasks, and plan it."""
        self.machine.submit(HelloWorld(names=[f"{uuid4()}" for _ in range(count)]))
        (planning,) = eventually(lambda: self.claim(worker, 1, QueueName.JOBS))
        names = [Payload(b'"n"')] * count
        assert self.store.add_tasks(
            planning, worker.session, [NewTask(n, p) for n, p in enumerate(names)]
        )
        assert self.store.open_planned(planning, worker.session, count)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with service_bus_emulator(lock_seconds=5) as running:
        yield running


@pytest.fixture(params=["memory", "postgres", "service bus"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    registry = Registry.of(HelloWorld)
    if request.param == "memory":
        store: Store = MemoryStore()
        queue: Queue = MemoryQueue(store)
        yield Rig(store, queue, CoreMachine(registry, store, MemoryBlobs()))
        queue.close()
        return
    database = Database(request.getfixturevalue("database"), size=20).open()
    if request.param == "postgres":
        store = PostgresStore(database)
        queue = PostgresQueue(store, bell := Bell(database))
    else:
        store, bell = PostgresStore(database, outbox=True), Bell(database)
        bus = ServiceBus(request.getfixturevalue("emulator").connection_string)
        prefix = uuid4().hex[:6]
        queue = ServiceBusQueue(
            store, PostgresOutbox(database), bus, {n: f"{prefix}-{n}" for n in QueueName}
        )
    yield Rig(store, queue, CoreMachine(registry, store, MemoryBlobs()))
    queue.close()
    bell.close()
    database.close()


def done(claim: Claim) -> Outcome:
    return Outcome(claim, Completed(Payload(b'"x"')))


def test_every_due_task_reaches_exactly_one_of_many_claimers(rig: Rig) -> None:
    """R01, R09: fan-out messages sent in batches, claimed by eight at once; none twice, none missing."""
    planner = rig.session()
    rig.open_tasks(200, planner)
    rig.queue.relay()
    workers = [rig.session() for _ in range(8)]
    seen: list[Claim] = []
    end = monotonic() + 120

    def drain(worker: Worker) -> None:
        """Until every task was seen, and after that for as long as it takes to see one twice."""
        empty = 0
        while (len(seen) < 200 or empty < 2) and monotonic() < end:
            claims = rig.queue.claim(QueueName.LIGHT, worker.session, 17, 0.4)
            empty = 0 if claims else empty + 1
            seen.extend(claims)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(drain, workers))
    assert sorted(claim.key.idx for claim in seen) == list(range(200))
    assert all(claim.attempt == 1 for claim in seen)


def test_an_empty_queue_gives_nothing_after_the_wait(rig: Rig) -> None:
    assert rig.claim(rig.session()) == []


def test_a_task_given_back_is_claimed_again_as_the_next_attempt(rig: Rig) -> None:
    worker = rig.session()
    rig.open_tasks(1, worker)
    (first,) = eventually(lambda: rig.claim(worker))
    rig.store.settle(worker.session, [Outcome(first, Released())])
    (second,) = eventually(lambda: rig.claim(worker))
    assert (second.key, second.attempt, second.failures) == (first.key, 2, 0)


def test_a_failed_attempt_is_claimed_again_once_its_wait_is_over(rig: Rig) -> None:
    """R24: the wait is in the row, so no scheduled message can be lost or come early."""
    worker = rig.session()
    rig.open_tasks(1, worker)
    (first,) = eventually(lambda: rig.claim(worker))
    error = TaskError("ConnectionError", "no")
    rig.store.settle(
        worker.session, [Outcome(first, Again(timedelta(seconds=2), error, counted=True))]
    )
    assert rig.claim(worker) == []

    def due() -> list[Claim]:
        if isinstance(rig.store, MemoryStore):
            rig.store.advance(1)
        rig.store.repair(Limits())
        return rig.claim(worker)

    (second,) = eventually(due)
    assert (second.attempt, second.failures) == (2, 1)


def test_what_is_settled_is_never_claimed_again(rig: Rig) -> None:
    """R02: also not when its message comes once more."""
    worker = rig.session()
    rig.open_tasks(3, worker)
    claims: list[Claim] = []
    eventually(lambda: claims.extend(rig.claim(worker)) or len(claims) == 3)
    rig.store.settle(worker.session, [done(claim) for claim in claims])
    if isinstance(rig.queue, ServiceBusQueue):
        again = [Wakeup(claim.key, 0).encode() for claim in claims]
        name = rig.queue.names[QueueName.LIGHT]
        rig.queue.bus.send([Message(name, body, "again") for body in again])
    assert rig.claim(worker) == []


def test_a_waiting_claimer_is_woken_by_new_work(rig: Rig) -> None:
    worker, other = rig.session(), rig.session()
    with ThreadPoolExecutor(1) as pool:
        # Who is not woken looks again when its wait is over: too late for this test.
        waiting = pool.submit(rig.queue.claim, QueueName.LIGHT, worker.session, 10, 180.0)
        rig.open_tasks(1, other)
        rig.queue.relay()
        assert len(waiting.result(timeout=120)) == 1


@pytest.mark.parametrize("rig", ["service bus"], indirect=True)
def test_a_poison_message_is_set_aside_and_harms_no_other(rig: Rig) -> None:
    """Fault 29: bad JSON, an unknown version, an unknown task, too large."""
    assert isinstance(rig.queue, ServiceBusQueue)
    worker = rig.session()
    name = rig.queue.names[QueueName.LIGHT]
    bodies = [
        b"{",
        b"9:1-0-0:0",
        b"\xff\xfe",
        b"x" * 100_000,
        Wakeup(TaskKey(999, 0, 0), 0).encode(),
    ]
    rig.queue.bus.send([Message(name, body, f"poison-{n}") for n, body in enumerate(bodies)])
    rig.open_tasks(2, worker)
    got: list[Claim] = []

    def both() -> bool:
        got.extend(rig.claim(worker))
        return len(got) == 2

    assert eventually(both)
    store = rig.store
    assert isinstance(store, PostgresStore)
    rows = store.database.run(
        lambda conn: conn.execute(
            "select message_id, reason from app.quarantine order by id"
        ).fetchall()
    )
    assert [message for message, _ in rows] == [f"poison-{n}" for n in range(4)]


@pytest.mark.parametrize("rig", ["service bus"], indirect=True)
def test_a_lost_message_is_sent_again(rig: Rig, emulator: Emulator) -> None:
    """Fault 24, R06, R22: the broker accepts a message and loses it; the row stays due and is republished."""
    assert isinstance(rig.queue, ServiceBusQueue)
    worker = rig.session()
    name = rig.queue.names[QueueName.LIGHT]
    emulator.faults(name, lose=1.0)
    rig.open_tasks(5, worker)
    rig.queue.relay()
    emulator.faults(name)
    assert rig.claim(worker) == []
    got: set[TaskKey] = set()

    def all_back() -> bool:
        rig.store.repair(PATIENT)
        got.update(claim.key for claim in rig.claim(worker))
        return len(got) == 5

    assert eventually(all_back)
