"""A store with a machine on it, and the means to look behind both: the same for both stores."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg

from core.control.desk import Control
from core.executor import Executor
from core.held import Held
from core.job import JobBase
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.store import MemoryStore
from core.ports import Limits, Repairs, RunRow, Store, Worker
from core.queues import LIGHT, QueueName
from core.registry import Registry
from core.tasks import Claim, Completed, Ending, Failed, Outcome, Payload, TaskError, TaskKey
from core.worker import TaskRunner
from infrastructure.database import Database
from infrastructure.outbox import PostgresOutbox
from infrastructure.store import PostgresStore
from tests.store import limited_jobs as limited
from tests.store import sample_jobs as jobs

SCHEDULED = {
    "schedules": ("decided", "look_at", "paused_at"),
    "schedule_ticks": ("tick",),
    "batch_jobs": ("at",),
}
BROKEN = TaskError("ConnectionError", "the line was cut", trace="Traceback: the line was cut")


class Task(NamedTuple):
    """What a store knows about a task."""

    status: str
    attempt: int
    failures: int
    owned: bool
    waits: bool
    result: Any
    error: dict[str, str] | None


class Stage(NamedTuple):
    status: str
    total: int
    verdict: str | None


class Told(NamedTuple):
    """An event as it was numbered."""

    number: int
    what: str
    stage: int | None
    idx: int | None
    attempt: int | None
    data: dict[str, Any] | None


class End(NamedTuple):
    """What came of a run."""

    status: str
    result: Any
    error: dict[str, str] | None
    swept: bool


def given(value: Any) -> Completed:
    return Completed(Payload(json.dumps(value).encode()))


class Desk:
    """One worker's desk. Subclasses know how to look into their store, and how to let time pass."""

    store: Store

    def __init__(self, store: Store) -> None:
        self.store = store
        self.blobs = MemoryBlobs()
        self.machine = CoreMachine(Registry.of(*jobs.ALL, *limited.ALL), store, self.blobs)
        self.control = Control(self.machine)
        self.worker = Worker(uuid4(), "here", 1, "test", tuple(QueueName))
        self.session = self.worker.session
        self.runner = self.new_runner(self.session)
        store.begin_session(self.worker)

    def new_runner(self, session) -> TaskRunner:
        held = Held()
        return TaskRunner(self.machine, Executor(self.machine, session, held), held)

    def new_worker(self) -> Worker:
        worker = Worker(uuid4(), "there", 2, "test", tuple(QueueName))
        self.store.begin_session(worker)
        return worker

    def submit(self, job: JobBase, *, force: bool = False, **order: Any) -> RunRow:
        return self.machine.submit(job, force=force, **order).run

    def claim(self, queue: QueueName = LIGHT, limit: int = 1000, session=None) -> list[Claim]:
        return self.store.claim_due(queue, session or self.session, limit)

    def one(self, queue: QueueName = LIGHT) -> Claim:
        (claim,) = self.claim(queue, 1)
        return claim

    def plan(self) -> None:
        """Run whatever planning is due, as a worker of the control queue would."""
        while claims := self.claim(QueueName.JOBS):
            self.runner.run(claims, patience=float("inf"))

    def settle(self, ending: Ending, *claims: Claim, session=None) -> set[TaskKey]:
        outcomes = [Outcome(claim, ending) for claim in claims]
        return self.store.settle(session or self.session, outcomes)

    def end(self, ending: Ending, *claims: Claim) -> None:
        """Settle and do all that a worker does after it."""
        self.runner.settle([Outcome(claim, ending) for claim in claims])

    def complete(self, *claims: Claim, value: Any = 1) -> None:
        self.end(given(value), *claims)

    def fail(self, *claims: Claim) -> None:
        self.end(Failed(BROKEN), *claims)

    def work(self, *, rounds: int = 1000) -> None:
        """Run everything that is due, in real handlers, until nothing is."""
        for _ in range(rounds):
            found = False
            for queue in QueueName:
                if claims := self.claim(queue):
                    self.runner.run(claims, patience=float("inf"))
                    found = True
            if not found:
                return

    def repair(self, **limits: float) -> Repairs:
        return self.store.repair(Limits(**limits))

    def status(self, run: int) -> str:
        return str(self.store.run(run).status)

    def whats(self, job_id: str) -> list[str]:
        return [event.what for event in self.events(job_id)]

    # what each store shows in its own way

    def advance(self, seconds: float) -> None: ...
    def task(self, key: TaskKey) -> Task: ...
    def keys(self, run: int, stage: int) -> list[TaskKey]: ...
    def stage(self, run: int, stage: int) -> Stage | None: ...
    def events(self, job_id: str) -> list[Told]: ...
    def finished(self, run: int) -> End: ...
    def runs(self, job_id: str) -> list[tuple[int, str]]: ...
    def quarantined(self) -> list[tuple[str, str, bytes, str]]: ...
    def take(self, limit: int = 1000) -> Any: ...

    def statuses(self, run: int, stage: int) -> list[str]:
        return [self.task(key).status for key in self.keys(run, stage)]


class MemoryDesk(Desk):
    """Looks straight into the books."""

    store: MemoryStore

    def __init__(self, *, outbox: bool = False) -> None:
        super().__init__(MemoryStore(outbox=outbox))

    def advance(self, seconds: float) -> None:
        self.store.advance(seconds)

    def task(self, key: TaskKey) -> Task:
        task = self.store.books.task(key)
        assert task is not None, f"there is no task {key}"
        return Task(
            task.status,
            task.attempt,
            task.failures,
            task.session is not None,
            task.run_at is not None,
            _value(task.result),
            task.error.as_dict() if task.error else None,
        )

    def keys(self, run: int, stage: int) -> list[TaskKey]:
        return [task.key for task in self.store.books.stage_tasks(run, stage)]

    def stage(self, run: int, stage: int) -> Stage | None:
        row = self.store.books.stages[run].get(stage)
        return None if row is None else Stage(row.status, row.total, row.verdict)

    def events(self, job_id: str) -> list[Told]:
        return [
            Told(e.number, e.event.what, e.event.stage, e.event.idx, e.event.attempt, e.event.data)
            for e in self.store.events(job_id)
        ]

    def finished(self, run: int) -> End:
        row = self.store.books.run(run)
        return End(row.row.status, _value(row.result), row.error, row.swept)

    def runs(self, job_id: str) -> list[tuple[int, str]]:
        rows = [run.row for run in self.store.books.runs.values() if run.row.job_id == job_id]
        return [(row.number, row.status) for row in rows]

    def quarantined(self) -> list[tuple[str, str, bytes, str]]:
        return list(self.store.books.quarantine.values())

    def take(self, limit: int = 1000) -> Any:
        return self.store.take(limit)


class PostgresDesk(Desk):
    """Looks into the tables with a connection of its own. Time passes by moving every moment back."""

    store: PostgresStore

    def __init__(self, pool: Database, conn: psycopg.Connection, *, outbox: bool = False) -> None:
        self.conn = conn
        self.pool = pool
        super().__init__(PostgresStore(pool, outbox=outbox))

    def advance(self, seconds: float) -> None:
        columns = ("deadline", "run_at", "published_at", "started_at", "finished_at")
        moved = ", ".join(f"{name} = {name} - make_interval(secs => %(by)s)" for name in columns)
        self.conn.execute(f"update tasks set {moved}", {"by": seconds})
        for table, name in (
            *(("runs", "deadline"), ("runs", "paused_at"), ("buckets", "at")),
            *(("stages", "deadline"), ("stages", "opened_at")),
        ):
            moved = f"{name} = {name} - make_interval(secs => %s)"
            self.conn.execute(f"update {table} set {moved}", [seconds])
        self.conn.execute("update outbox set at = at - make_interval(secs => %s)", [seconds])
        self.conn.execute("update sessions set seen = seen - make_interval(secs => %s)", [seconds])
        for table, names in SCHEDULED.items():
            moved = ", ".join(f"{name} = {name} - make_interval(secs => %(by)s)" for name in names)
            self.conn.execute(f"update {table} set {moved}", {"by": seconds})

    def task(self, key: TaskKey) -> Task:
        row = self._row(
            "select status, attempt, failures, session is not null, run_at is not null,"
            " coalesce(result, to_jsonb(result_ref)), error"
            " from tasks where run_id = %s and stage = %s and idx = %s",
            *key,
        )
        assert row is not None, f"there is no task {key}"
        return Task(*row)

    def keys(self, run: int, stage: int) -> list[TaskKey]:
        query = "select run_id, stage, idx from tasks where run_id = %s and stage = %s order by idx"
        return [TaskKey(*row) for row in self._rows(query, run, stage)]

    def stage(self, run: int, stage: int) -> Stage | None:
        query = "select status, total, verdict from stages where run_id = %s and stage = %s"
        row = self._row(query, run, stage)
        return None if row is None else Stage(*row)

    def events(self, job_id: str) -> list[Told]:
        query = (
            "select number, what, stage, idx, attempt, data from events"
            " where job_id = %s order by number"
        )
        return [Told(*row) for row in self._rows(query, job_id)]

    def finished(self, run: int) -> End:
        query = (
            "select status, coalesce(result, to_jsonb(result_ref)), error, swept"
            " from runs where run_id = %s"
        )
        row = self._row(query, run)
        assert row is not None, f"there is no run {run}"
        return End(*row)

    def runs(self, job_id: str) -> list[tuple[int, str]]:
        query = "select number, status from runs where job_id = %s order by number"
        return [(number, status) for number, status in self._rows(query, job_id)]

    def quarantined(self) -> list[tuple[str, str, bytes, str]]:
        rows = self._rows("select queue, message_id, body, reason from quarantine order by id")
        return [tuple(row) for row in rows]

    def take(self, limit: int = 1000) -> Any:
        return PostgresOutbox(self.pool).take(limit)

    def _rows(self, query: str, *values: Any) -> Sequence[Any]:
        return self.conn.execute(query, values).fetchall()

    def _row(self, query: str, *values: Any) -> Any:
        return self.conn.execute(query, values).fetchone()


def _value(payload: Payload) -> Any:
    if payload.ref is not None:
        return payload.ref
    return None if payload.data is None else json.loads(payload.data)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do these things in threads that start together; their answers, or the first exception."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        start.wait(120)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return [future.result(300) for future in [threads.submit(run, act) for act in acts]]
