"""What is the memory store's own: its clock, its undo, and the queue that wakes those who wait."""

import threading
import time
from uuid import uuid4

import pytest

from core.errors import BadMessage
from core.memory.store import MemoryQueue, MemoryStore
from core.queues import HEAVY, LIGHT, QueueName
from core.states import Verdict
from core.tasks import TaskKey, Wakeup
from core.worker import WorkerProcess
from tests.store.desk import MemoryDesk, at_once
from tests.store.sample_jobs import Fan, Line, Wide
from tests.support.waiting import eventually

LONG = 120.0
"""Seconds; nothing waits as long unless it is broken."""


@pytest.fixture
def memory() -> MemoryDesk:
    return MemoryDesk()


def waiting(queue: MemoryQueue, name: QueueName, got: list) -> threading.Thread:
    def wait() -> None:
        began = time.monotonic()
        claims = queue.claim(name, uuid4(), 10, LONG)
        got.append((claims, time.monotonic() - began))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_whoever_waits_for_a_queue_is_woken_by_a_due_task(memory):
    queue, got = MemoryQueue(memory.store), []
    thread = waiting(queue, LIGHT, got)
    run = memory.submit(Line())
    thread.join(LONG)
    ((claims, waited),) = got
    assert [claim.key for claim in claims] == [TaskKey(run.run, 0, 0)]
    assert waited < LONG / 2


def test_whoever_waits_for_another_queue_goes_on_waiting(memory):
    queue, got = MemoryQueue(memory.store), []
    thread = waiting(queue, HEAVY, got)
    memory.submit(Line())
    assert len(queue.claim(LIGHT, uuid4(), 10, 0)) == 1
    assert got == []
    eventually(lambda: queue.wake() or got)
    thread.join(LONG)
    assert got[0][0] == []


@pytest.mark.parametrize("end", [MemoryQueue.wake, MemoryQueue.close])
def test_waiting_ends_when_the_queue_is_told_to_wake_or_close(memory, end):
    queue, got = MemoryQueue(memory.store), []
    thread = waiting(queue, LIGHT, got)
    eventually(lambda: end(queue) or got)
    thread.join(LONG)
    assert got[0][0] == []


def test_a_queue_does_not_wait_for_what_is_there_or_when_it_shall_not(memory):
    queue = MemoryQueue(memory.store)
    began = time.monotonic()
    assert queue.claim(LIGHT, uuid4(), 10, 0) == []
    memory.submit(Line())
    assert len(queue.claim(LIGHT, uuid4(), 10, LONG)) == 1
    assert time.monotonic() - began < LONG / 2


def test_a_message_is_read_or_refused(memory):
    """Fault 29."""
    queue, wakeup = MemoryQueue(memory.store), Wakeup(TaskKey(1, 0, 3), 2)
    assert queue.read(LIGHT, [("m", wakeup.encode())]) == [wakeup]
    with pytest.raises(BadMessage, match="not a task message"):
        queue.read(LIGHT, [("m", b"hello")])
    assert (queue.relay(), queue.collect_dead()) == (0, 0)


def test_time_passes_only_forward_and_only_here(memory):
    before = memory.store.books.now()
    memory.store.advance(3600)
    assert 3600 <= (memory.store.books.now() - before).total_seconds() < 3660
    assert MemoryStore().books.ahead.total_seconds() == 0


def test_what_a_failed_transaction_took_from_the_line_is_back_in_its_place(memory):
    """A claim that is undone leaves the tasks due, in order."""
    memory.submit(Wide(n=3))
    memory.plan()

    def claim_and_die() -> None:
        with memory.store.books.transaction():
            assert len(memory.claim(limit=2)) == 2
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        claim_and_die()
    assert [(claim.key.idx, claim.attempt) for claim in memory.claim()] == [(0, 1), (1, 1), (2, 1)]


def test_an_inner_transaction_that_fails_undoes_no_more_than_itself(memory):
    run = memory.submit(Wide(n=2))
    memory.plan()

    def fail_inside() -> None:
        with memory.store.books.transaction():
            memory.one()
            raise RuntimeError

    with memory.store.books.transaction():
        memory.one()
        with pytest.raises(RuntimeError):
            fail_inside()
    assert memory.statuses(run.run, 0)[1:] == ["processing", "queued"]


def test_nothing_is_written_outside_a_transaction(memory):
    memory.submit(Line())
    with pytest.raises(AssertionError, match="inside a transaction"):
        memory.store.books.put(memory.store.books.sessions, uuid4(), (memory.worker, None))


def test_readers_never_see_half_a_transaction(memory):
    """A turn holds the books until it ends."""
    run = memory.submit(Line())
    seen: list[int] = []
    with memory.store.turn(run.run) as turn:
        turn.open(1)
        reader = threading.Thread(target=lambda: seen.append(len(memory.store.events(run.job_id))))
        reader.start()
        assert not seen
        turn.close(0, Verdict.OK, memory.store.counts(run.run, 0))
    reader.join(LONG)
    assert seen == [4]


def test_whole_worker_processes_run_on_it(memory):
    """R02: two processes of three slots each, on one queue; every job ends once."""
    queue = MemoryQueue(memory.store)
    slots = {QueueName.JOBS: 1, LIGHT: 2}
    workers = [WorkerProcess(memory.machine, queue, memory.new_worker(), slots) for _ in range(2)]
    for worker in workers:
        worker.start()
    runs = [memory.submit(Fan(n=40, label=str(n))) for n in range(5)]
    eventually(lambda: all(memory.store.run(run.run).status.is_final for run in runs))
    assert [memory.finished(run.run)[:2] for run in runs] == [("completed", 780)] * 5
    assert all(at_once(*(lambda w=w: w.drain(LONG) for w in workers)))
    queue.close()
