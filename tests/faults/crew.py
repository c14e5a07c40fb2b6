"""A worker and its reconciler inside the test's own process, impatient enough for a test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from uuid import uuid4

import psycopg

from benchmarks.invariants import look
from core import Context, JobBase, Retry, fan_in, fan_out
from core.errors import ServiceUnavailable
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.ports import Limits, Worker
from core.queues import QueueName
from core.registry import Registry
from core.upkeep.reconciler import Periodic, Reconciler
from core.worker import WorkerProcess
from infrastructure.database import Database
from infrastructure.postgres_queue import Bell, PostgresQueue
from infrastructure.store import PostgresStore
from tests.support.waiting import eventually

SOON = Retry(attempts=9, delay=timedelta(seconds=0.05), longest=timedelta(seconds=0.2))
BEAT = 0.2
DEAD = Limits(dead_after=60.0)
"""Nobody dies in these tests, so nobody may be taken for dead."""
NOW = threading.Event()
NOW.set()
GO = {"now": NOW}
"""What tasks of `Sum` wait for, by name; tests put events of their own here."""


class Sum(JobBase):
    """Adds 0 .. n-1, each number in a task of its own."""

    n: int = 5
    label: str = ""
    go: str = "now"

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=SOON)
    def echo(self, ctx: Context, i: int) -> int:
        GO[self.go].wait(30)
        return i

    @fan_in(echo, retry=SOON)
    def total(self, ctx: Context, echoes: list[int]) -> int:
        return sum(echoes)


class Crew:
    """One machine on one database, and as many worker processes as are started."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = PostgresStore(database)
        self.machine = CoreMachine(Registry.of(Sum), self.store, MemoryBlobs())
        self.bell = Bell(database)
        self.queue = PostgresQueue(self.store, self.bell)
        self.reconciler = Reconciler(self.machine, self.queue, DEAD)
        self.process = self._process()
        self._repair = Periodic("reconciler", self.reconciler.round, 0.1)

    def _process(self) -> WorkerProcess:
        worker = Worker(uuid4(), "here", 1, "test", tuple(QueueName))
        slots = {QueueName.JOBS: 1, QueueName.LIGHT: 2}
        return WorkerProcess(self.machine, self.queue, worker, slots, beat=BEAT, largest=3)

    def start(self) -> None:
        self.process.start()
        self._repair.start()

    def stop(self) -> None:
        self._repair.stop()
        self.process.drain(5)
        self.queue.close()


@contextmanager
def crew_on(dsn: str, *, size: int = 6, longest: float = 60.0) -> Iterator[Crew]:
    """A crew at work; `longest` is how long a statement may take."""
    database = Database(dsn, size=size, longest=longest).open()
    crew = Crew(database)
    try:
        crew.start()
        yield crew
        crew.stop()
    finally:
        crew.queue.close()
        database.close()


def outcome(conn: psycopg.Connection, job: JobBase) -> tuple[object, ...] | None:
    """Status and result of the job's last run, and how many runs it has."""
    query = (
        "select status, result, number from app.runs where job_id = %s order by number desc limit 1"
    )
    return conn.execute(query, [job.fingerprint]).fetchone()


def ended(conn: psycopg.Connection, job: JobBase, timeout: float = 240) -> tuple[object, ...]:
    """How the job ended, when it has."""

    def final() -> tuple[object, ...] | None:
        row = outcome(conn, job)
        return row if row and row[0] not in ("queued", "processing", "paused") else None

    return eventually(final, timeout)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do these things in threads that start together: their answers, or what they raised."""
    start = threading.Barrier(len(acts))
    answers: list[object] = [None] * len(acts)

    def run(n: int, act: Callable[[], object]) -> None:
        start.wait(120)
        try:
            answers[n] = act()
        except Exception as error:
            answers[n] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "somebody hangs"
    return answers


def violations(conn: psycopg.Connection) -> list[str]:
    """Promises of the store that its tables break, in one snapshot."""
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read read only")
        return [line for lines in look(conn).values() for line in lines]


LABELS = count()


def new(**changes) -> Sum:
    return Sum(label=str(next(LABELS)), **changes)


def assert_well_ended(conn: psycopg.Connection, job: Sum, run: int = 1) -> None:
    assert ended(conn, job) == ("completed", sum(range(job.n)), run)
    eventually(lambda: conn.execute("select bool_and(swept) from app.runs").fetchone()[0])
    assert violations(conn) == []


@contextmanager
def opened(dsn: str, **options) -> Iterator[Database]:
    database = Database(dsn, **options).open()
    try:
        yield database
    finally:
        database.close()


def seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def sleep_in(pool: Database, duration: float) -> bool:
    with pool.transaction() as conn:
        conn.execute("select pg_sleep(%s)", [duration])
    return True


def quietly(act: Callable[[], bool]) -> bool:
    try:
        return act()
    except ServiceUnavailable:
        return False
