"""For job authors: run a whole job in memory, inline, in a unit test.

    from core.testing import run_job

    def test_everyone_is_greeted():
        run = run_job(HelloWorld(names=["Ada", "Grace"]), expect=JobStatus.COMPLETED)
        assert run.results(HelloWorld.greet) == ["Hello, Ada!", "Hello, Grace!"]
        assert run.result == 2

The machine is the real one; only the database, the queue and the blobs are in memory. Nothing
waits: the delay before a retry is skipped. A gate is settled by the decision named for it:

    run_job(Publish(...), decisions={"review": Decision(approved=True, by="ada")})
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, overload
from uuid import uuid4

from core.blobs import Blobs
from core.catalog import Catalog
from core.executor import Executor
from core.held import Held
from core.job import JobBase
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.books import NEVER, MemoryRun, MemoryTask
from core.memory.catalog import MemoryCatalog
from core.memory.store import MemoryStore
from core.ports import Limits, Worker
from core.queues import QueueName
from core.registry import Registry
from core.stages import AnyStage, Decision, Shape, Stage
from core.states import JobStatus, TaskStatus
from core.tasks import Event, Payload, TaskError, TaskKey
from core.worker import TaskRunner

R = TypeVar("R")

BATCH = 100
PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What became of one task."""

    id: str
    status: TaskStatus
    attempts: int
    result: Any
    error: TaskError | None


@dataclass(frozen=True, slots=True)
class JobRun:
    """What became of a job."""

    job: JobBase
    status: JobStatus
    result: Any
    """What the last stage gave, as the type it promises; None if it gave nothing."""
    error: dict[str, str] | None
    """Of a job that failed: type, message, code, trace, stage and task of its first failure."""
    events: list[Event]
    stages: Mapping[str, list[TaskRun]]

    def tasks(self, stage: AnyStage | str) -> list[TaskRun]:
        """The stage's tasks in order; none if the job never came to it."""
        name = stage if isinstance(stage, str) else stage.name
        if name not in self.stages:
            raise AssertionError(
                f"{self.job.job_type} has no stage {name!r}; it has: {', '.join(self.stages)}"
            )
        return list(self.stages[name])

    @overload
    def results(self, stage: Stage[Any, ..., R, Any]) -> list[R]: ...
    @overload
    def results(self, stage: str) -> list[Any]: ...
    def results(self, stage: AnyStage | str) -> list[Any]:
        """What the stage's tasks gave, in order, without those that gave nothing."""
        done = TaskStatus.COMPLETED
        return [task.result for task in self.tasks(stage) if task.status is done]


def run_job(
    job: JobBase,
    *,
    blobs: Blobs | None = None,
    catalog: Catalog | None = None,
    options: Iterable[object] = (),
    decisions: Mapping[str, Decision] | None = None,
    expect: JobStatus | None = None,
    patience: timedelta = PATIENCE,
) -> JobRun:
    """Run the job until it has ended. Fails if that is not the status expected.

    `patience` is how much waiting (for retries, for `RetryLater`) may be skipped in all.
    """
    store = MemoryStore()
    machine = CoreMachine(
        Registry.of(type(job)),
        store,
        MemoryBlobs() if blobs is None else blobs,
        MemoryCatalog() if catalog is None else catalog,
        options,
    )
    bench = _Bench(job, store, machine, decisions or {})
    run = bench.run(patience)
    if expect is not None and run.status is not expect:
        raise AssertionError(_unexpected(run, expect))
    return run


class _Bench:
    """One job, one inline worker, and a clock that jumps to whatever comes next."""

    def __init__(
        self,
        job: JobBase,
        store: MemoryStore,
        machine: CoreMachine,
        decisions: Mapping[str, Decision],
    ) -> None:
        self.job = job
        self.decisions = decisions
        self.machine = machine
        self.values = machine.values
        self.store = store
        self.worker = Worker(uuid4(), "here", os.getpid(), "test", tuple(QueueName))
        held = Held()
        executor = Executor(self.machine, self.worker.session, held)
        self.runner = TaskRunner(self.machine, executor, held)
        self.number = 0

    def run(self, patience: timedelta) -> JobRun:
        self.number = self.machine.submit(self.job).run.run
        until = self.store.books.now() + patience
        while not self.store.run(self.number).status.is_final:
            if not (self._work() or self._decide()):
                self._wait(patience, self.store.books.now() > until)
        return self._told()

    def _work(self) -> bool:
        """Whether there was anything to do."""
        self.store.begin_session(self.worker)
        for queue in QueueName:
            claims = self.store.claim_due(queue, self.worker.session, BATCH)
            if claims:
                self.runner.run(claims, patience=float("inf"))
                return True
        return False

    def _decide(self) -> bool:
        for task in self._waiting():
            if task.run_at == NEVER:
                self.machine.decide_gate(task.key, self._decision(task))
                return True
        return False

    def _decision(self, task: MemoryTask) -> Decision:
        name = self.job.plan[task.key.stage].name
        if name not in self.decisions:
            question = json.loads(self.values.unpack(task.result))
            raise AssertionError(
                f"gate {name!r} asks {question!r}; settle it with "
                f"run_job(..., decisions={{{name!r}: Decision(approved=True, by='me')}})"
            )
        return self.decisions[name]

    def _wait(self, patience: timedelta, over: bool) -> None:
        waiting = self._waiting()
        if over or not waiting:
            self._give_up(patience, waiting)
        due = min(task.run_at for task in waiting if task.run_at is not None)
        self.store.advance(max(0.0, (due - self.store.books.now()).total_seconds()))
        self.store.repair(Limits(dead_after=float(10**9)))

    def _give_up(self, patience: timedelta, waiting: list[MemoryTask]) -> NoReturn:
        told = [f"{self._named(task.key)}: {task.error and task.error.message}" for task in waiting]
        raise AssertionError(
            f"{self.job.job_type} still has not ended after {patience} of skipped waiting: "
            + ("; ".join(told[:5]) or "nothing is waiting, and nothing is due")
        )

    def _waiting(self) -> list[MemoryTask]:
        tasks = self.store.books.run_tasks(self.number)
        return [task for task in tasks if task.status is TaskStatus.WAITING]

    def _named(self, key: TaskKey) -> str:
        return f"{self.job.plan[key.stage].name} {key}"

    def _told(self) -> JobRun:
        run = self.store.books.run(self.number)
        return JobRun(
            job=self.job,
            status=run.row.status,
            result=self._result(run),
            error=run.error,
            events=[event.event for event in self.store.events(run.row.job_id)],
            stages={
                stage.name: [self._task(stage, task) for task in self.store.tasks(self.number, n)]
                for n, stage in enumerate(self.job.stages)
            },
        )

    def _result(self, run: MemoryRun) -> Any:
        last = self.job.stages[-1]
        if run.result == Payload():
            return None
        return self._decoded(last, run.result)

    def _task(self, stage: AnyStage, task: MemoryTask) -> TaskRun:
        done = task.status is TaskStatus.COMPLETED
        result = self._decoded(stage, task.result) if done else None
        return TaskRun(str(task.key), task.status, task.attempt, result, task.error)

    def _decoded(self, stage: AnyStage, payload: Payload) -> Any:
        adapter = stage.value_adapter if stage.shape is Shape.GATE else stage.adapter
        return adapter.validate_json(self.values.unpack(payload))


def _unexpected(run: JobRun, expect: JobStatus) -> str:
    head = f"{run.job.job_type} ended {run.status}, not {expect}"
    failed = [
        (name, task)
        for name, tasks in run.stages.items()
        for task in tasks
        if task.error is not None and task.status is TaskStatus.FAILED
    ]
    if run.error is not None:
        return f"{head}: {run.error['stage']} ({run.error['task']}) failed\n\n{_trace(run.error)}"
    if failed:
        name, task = failed[0]
        assert task.error is not None
        return f"{head}: {name} ({task.id}) failed\n\n{_trace(task.error.as_dict())}"
    return head


def _trace(error: Mapping[str, str]) -> str:
    return error["trace"] or f"{error['type']}: {error['message']}"
