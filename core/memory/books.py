"""The memory store's books: tables of frozen rows, a clock that can be put forward, and undo."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from typing import TypeVar
from uuid import UUID

from core.admission.terms import FREE, Limit, Terms
from core.errors import JobNotFound
from core.ports import RunRow, StageRow, Worker
from core.queues import QueueName
from core.states import TaskStatus
from core.tasks import NOTHING, Event, Payload, TaskError, TaskKey, Wakeup

K = TypeVar("K")
V = TypeVar("V")

NEVER = datetime.max.replace(tzinfo=UTC)
"""When a task that waits for a person is due."""


@dataclass(frozen=True, slots=True)
class MemoryJob:
    """A set of equal parameters: its current run, and how many events it has."""

    run: int
    events: int = 0
    deleting: bool = False
    outputs: bool = True
    """Whether what it stored is deleted too."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A run that another one waits for."""

    on_job: str
    on_run: int
    needs_success: bool


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """A run, and what came of it."""

    row: RunRow
    request: UUID
    trace: str | None = None
    result: Payload = NOTHING
    error: dict[str, str] | None = None
    finished_at: datetime | None = None
    swept: bool = False
    created_at: datetime | None = None
    terms: Terms = FREE
    after: tuple[Dependency, ...] = ()
    admitted: bool = True
    deadline: datetime | None = None
    paused_at: datetime | None = None
    started: bool = False


@dataclass(frozen=True, slots=True)
class MemoryTask:
    """A task, with everything the machine knows about it."""

    key: TaskKey
    queue: QueueName
    priority: int = 0
    status: TaskStatus = TaskStatus.QUEUED
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    """Attempts lost in company, so that nobody knows whose fault it was."""
    mark: int = 0
    """How many checkpoints it had when its worker was last lost."""
    stalled: int = 0
    """Times in a row that it was lost with its worker and had kept nothing new."""
    alone: bool = False
    """Whether the claim took this task and no other."""
    session: UUID | None = None
    deadline: datetime | None = None
    run_at: datetime | None = None
    published_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: float | None = None
    note: str | None = None
    arguments: Payload = NOTHING
    result: Payload = NOTHING
    error: TaskError | None = None


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """An event with its number in its job's history."""

    number: int
    run: int
    at: datetime
    event: Event


class Books:
    """Every write happens inside a transaction, by one thread at a time, and is undone if that fails."""

    def __init__(self, *, outbox: bool = False) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.uses_outbox = outbox
        self.jobs: dict[str, MemoryJob] = {}
        self.runs: dict[int, MemoryRun] = {}
        self.stages: dict[int, dict[int, StageRow]] = defaultdict(dict)
        self.tasks: dict[tuple[int, int], dict[int, MemoryTask]] = defaultdict(dict)
        self.checkpoints: dict[tuple[TaskKey, str], Payload] = {}
        self.events: dict[str, dict[int, MemoryEvent]] = defaultdict(dict)
        self.sessions: dict[UUID, tuple[Worker, datetime]] = {}
        self.outbox: dict[int, tuple[QueueName, Wakeup]] = {}
        self.quarantine: dict[int, tuple[str, str, bytes, str]] = {}
        self.limits: dict[str, Limit] = {}
        self.buckets: dict[str, tuple[float, datetime]] = {}
        self.stage_deadlines: dict[tuple[int, int], datetime] = {}
        self.stage_errors: dict[tuple[int, int], TaskError] = {}
        self.tell: Callable[[MemoryEvent], None] = lambda event: None
        """Who hears of every event, in the transaction that records it."""
        self.ahead = timedelta(0)
        self._numbers = 0
        self._undo: list[Callable[[], None]] = []
        self._depth = 0
        self._due: dict[QueueName, list[tuple[int, TaskKey]]] = defaultdict(list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def next_number(self) -> int:
        """Identity numbers have gaps where transactions failed, as they do in PostgreSQL."""
        self._numbers += 1
        return self._numbers

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All of the block's writes, or none of them."""
        with self.changed:
            before = len(self._undo)
            self._depth += 1
            try:
                yield
            except BaseException:
                self._roll_back(before)
                raise
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._undo.clear()

    def _roll_back(self, before: int) -> None:
        while len(self._undo) > before:
            self._undo.pop()()
        self._due.clear()
        for tasks in self.tasks.values():
            for task in tasks.values():
                self._offer(task)

    # writing

    def put(self, table: dict[K, V], key: K, row: V) -> None:
        assert self._depth, "books are written inside a transaction only"
        self._undo.append(partial(_restore, table, key, table.get(key)))
        table[key] = row

    def drop(self, table: dict[K, V], key: K) -> None:
        assert self._depth, "books are written inside a transaction only"
        self._undo.append(partial(_restore, table, key, table.pop(key, None)))

    def put_run(self, run: MemoryRun) -> None:
        self.put(self.runs, run.row.run, run)

    def put_stage(self, run: int, stage: StageRow) -> None:
        self.put(self.stages[run], stage.stage, stage)

    def put_task(self, task: MemoryTask) -> None:
        self.put(self.tasks[task.key.run, task.key.stage], task.key.idx, task)

    def queue_task(self, task: MemoryTask) -> None:
        """Write the task down as due: whoever waits for its queue is woken, or promised a message."""
        published = self.now() if self.uses_outbox else None
        due = replace(task, status=TaskStatus.QUEUED, published_at=published)
        self.put_task(due)
        self._offer(due)
        if self.uses_outbox:
            wakeup = Wakeup(task.key, task.attempt)
            self.put(self.outbox, self.next_number(), (task.queue, wakeup))
        self.changed.notify_all()

    def _offer(self, task: MemoryTask) -> None:
        if task.status is TaskStatus.QUEUED:
            heappush(self._due[task.queue], (-task.priority, task.key))

    def record(self, run: int, event: Event) -> None:
        job_id = self.runs[run].row.job_id
        job = self.jobs[job_id]
        number = job.events + 1
        self.put(self.jobs, job_id, replace(job, events=number))
        told = MemoryEvent(number, run, self.now(), event)
        self.put(self.events[job_id], number, told)
        self.tell(told)

    # reading

    def run(self, run: int) -> MemoryRun:
        if run not in self.runs:
            raise JobNotFound(f"There is no run {run}; its job may have been deleted")
        return self.runs[run]

    def task(self, key: TaskKey) -> MemoryTask | None:
        return self.tasks[key.run, key.stage].get(key.idx)

    def stage_tasks(self, run: int, stage: int) -> list[MemoryTask]:
        tasks = self.tasks[run, stage]
        return [tasks[idx] for idx in sorted(tasks)]

    def job_runs(self, job_id: str) -> list[MemoryRun]:
        return [self.runs[n] for n in sorted(self.runs) if self.runs[n].row.job_id == job_id]

    def run_tasks(self, run: int) -> list[MemoryTask]:
        return [task for stage in sorted(self.stages[run]) for task in self.stage_tasks(run, stage)]

    def all_tasks(self) -> Iterable[MemoryTask]:
        return (task for run in sorted(self.stages) for task in self.run_tasks(run))

    def take_due(self, queue: QueueName, limit: int) -> list[MemoryTask]:
        """The first tasks in line; a task that was lost in company is taken alone."""
        line: dict[
            TaskKey, MemoryTask
        ] = {}  # a task that was set aside and came back stands in line twice
        while len(line) < limit and (task := self._next_due(queue)) is not None:
            line[task.key] = task
        first = list(line.values())
        taken = first[:1] if first and first[0].lost else [task for task in first if not task.lost]
        chosen = {task.key for task in taken}
        for task in first:
            if task.key not in chosen:
                self._offer(task)
        return taken

    def _next_due(self, queue: QueueName) -> MemoryTask | None:
        """Entries of tasks that are no longer queued are passed over."""
        line = self._due[queue]
        while line:
            task = self.task(heappop(line)[1])
            if task is not None and task.status is TaskStatus.QUEUED:
                return task
        return None

    def has_due(self, queue: QueueName) -> bool:
        task = self._next_due(queue)
        if task is not None:
            self._offer(task)
        return task is not None


def _restore(table: dict[K, V], key: K, row: V | None) -> None:
    if row is None:
        table.pop(key, None)
    else:
        table[key] = row


def is_open(task: MemoryTask) -> bool:
    return not task.status.is_final
