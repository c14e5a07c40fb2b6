"""The store and the queue in memory, for tests of jobs: every promise of PostgreSQL's but durability."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from core.errors import BadResult
from core.memory.admission import MemoryAdmission
from core.memory.books import NEVER, MemoryEvent, MemoryTask, is_open
from core.memory.control import MemorySteering
from core.memory.endings import cancelled, decided, ended, event_of
from core.memory.turn import MemoryTurn, add_run
from core.ports import Closing, NewRun, RunRow, StageRow, Submission, Turn
from core.queues import QueueName
from core.results import Failure
from core.runs import needs_new_run
from core.stages import Decision
from core.states import JobStatus, StageStatus, Tally, TaskStatus
from core.tasks import (
    NOTHING,
    PLAN,
    Claim,
    Completed,
    Ending,
    Event,
    NewTask,
    Outcome,
    Payload,
    TaskError,
    TaskKey,
    Wakeup,
)

BUCKET = 128


class MemoryStore(MemorySteering, MemoryAdmission):
    """core.ports.Store and core.ports.Outbox. Every method is one transaction, of one thread at a time."""

    # submitting and moving

    @contextmanager
    def submit(self, new: NewRun, *, force: bool) -> Generator[tuple[Submission, Turn | None]]:
        with self.books.transaction():
            job = self.books.jobs.get(new.job_id)
            current = None if job is None else self.books.runs[job.run]
            if current is not None and (
                current.request == new.request
                or not needs_new_run(
                    current.row, force=force, deleting=job is not None and job.deleting
                )
            ):
                again = current.request == new.request
                yield Submission(current.row, is_new=again, waits=again), None
                return
            turn = add_run(self.books, new, 1 if current is None else current.row.number + 1)
            yield Submission(turn.run, is_new=True, waits=turn.waits), turn

    def run(self, run: int) -> RunRow:
        with self.books.changed:
            return self.books.run(run).row

    def trace(self, run: int) -> str | None:
        with self.books.changed:
            found = self.books.runs.get(run)
            return None if found is None else found.trace

    @contextmanager
    def turn(self, run: int) -> Generator[MemoryTurn]:
        with self.books.transaction():
            self.books.run(run)
            yield MemoryTurn(self.books, run)

    def maybe_done(self, run: int, stage: int, near: Collection[int]) -> bool:
        with self.books.changed:
            tasks = self.books.tasks[run, stage]
            buckets = {max(idx, 0) // BUCKET * BUCKET for idx in near}
            nearby = (tasks.get(start + n) for start in buckets for n in range(BUCKET))
            if any(task is not None and is_open(task) for task in nearby):
                return False
            return self._none_open(run, stage)

    @contextmanager
    def closing(self, run: int, stage: int) -> Generator[Closing | None]:
        with self.books.transaction():
            row = self.books.stages[run].get(stage)
            if row is None or row.status.is_final or not self._none_open(run, stage):
                yield None
                return
            turn = MemoryTurn(self.books, run)
            yield Closing(
                turn,
                self.counts(run, stage),
                row.status is StageStatus.OPEN,
                self._idle(run, stage),
            )

    def _idle(self, run: int, stage: int) -> float:
        ends = [t.finished_at for t in self.books.tasks[run, stage].values() if t.finished_at]
        return (self.books.now() - max(ends)).total_seconds() if ends else 0.0

    # tasks

    def claim_due(self, queue: QueueName, session: UUID, limit: int) -> list[Claim]:
        with self.books.transaction():
            due = self._unless_paused(self.books.take_due(queue, limit))
            claims = [self._claim(task, session, alone=len(due) == 1) for task in due]
        return sorted(claims, key=lambda claim: claim.key)

    def claim_named(self, wakeups: Sequence[Wakeup], session: UUID) -> list[Claim]:
        claims: list[Claim] = []
        alone = len(wakeups) == 1
        with self.books.transaction():
            for wakeup in wakeups:
                task = self.books.task(wakeup.key)
                due = (TaskStatus.QUEUED, wakeup.attempt)
                if (
                    task
                    and (task.status, task.attempt) == due
                    and (alone or not task.lost)
                    and self._unless_paused([task])
                ):
                    claims.append(self._claim(task, session, alone=alone))
        return sorted(claims, key=lambda claim: claim.key)

    def _claim(self, task: MemoryTask, session: UUID, *, alone: bool) -> Claim:
        now, key = self.books.now(), task.key
        claimed = replace(
            task,
            status=TaskStatus.PROCESSING,
            attempt=task.attempt + 1,
            alone=alone,
            session=session,
            started_at=now,
            deadline=now + self._timeout(key),
            progress=None,
            note=None,
        )
        self.books.put_task(claimed)
        run = self.books.runs[key.run]
        if run.row.status is JobStatus.QUEUED:
            row = replace(run.row, status=JobStatus.PROCESSING)
            self.books.put_run(replace(run, row=row, started=True))
            self.books.record(key.run, Event("job_started"))
        return Claim(key, claimed.attempt, task.failures, task.queue, task.arguments)

    def settle(self, session: UUID, outcomes: Sequence[Outcome]) -> set[TaskKey]:
        accepted: set[TaskKey] = set()
        with self.books.transaction():
            for outcome in outcomes:
                task = self._held(outcome.claim.key, outcome.claim.attempt, session)
                if task is not None:
                    accepted.add(task.key)
                    self._end(task, outcome.ending)
        return accepted

    def _end(self, task: MemoryTask, ending: Ending) -> None:
        after = ended(task, ending, self.books.now())
        if after.status is TaskStatus.QUEUED:
            self.books.queue_task(after)
        else:
            self.books.put_task(after)
        event = event_of(task, ending)
        if event is not None:
            self.books.record(task.key.run, event)

    # planning

    def add_tasks(self, claim: Claim, session: UUID, tasks: Sequence[NewTask]) -> bool:
        with self.books.transaction():
            held = self._planning(claim, session)
            if held is None:
                return False
            for new in tasks:
                self._add_task(held, new.idx, new.arguments)
            return True

    def _add_task(self, planning: MemoryTask, idx: int, arguments: Payload) -> None:
        key = planning.key._replace(idx=idx)
        if self.books.task(key) is None:
            queue = self.books.runs[key.run].row.plan[key.stage].queue
            self.books.queue_task(MemoryTask(key, queue, planning.priority, arguments=arguments))

    def copy_tasks(
        self, claim: Claim, session: UUID, source: tuple[int, int], after: int, limit: int
    ) -> int | None:
        with self.books.transaction():
            held = self._planning(claim, session)
            if held is None:
                return None
            page = self.results(*source, after, limit)
            for idx, result in page:
                self._add_task(held, idx, result)
            return page[-1][0] if page else None

    def open_planned(
        self, claim: Claim, session: UUID, expected: int | None, *, skip: bool = False
    ) -> bool:
        with self.books.transaction():
            held = self._planning(claim, session)
            run, stage = claim.key.run, claim.key.stage
            if held is None:
                return False
            if skip:
                self._add_skipped(claim.key)
            total = sum(idx != PLAN for idx in self.books.tasks[run, stage])
            if expected is not None and total != expected:
                raise BadResult(
                    f"planned again, the stage has {expected} elements, but {total} tasks are written: "
                    "`each` must give the same list whenever it is asked"
                )
            self.books.put_stage(run, StageRow(stage, StageStatus.OPEN, total))
            self._end(held, Completed(NOTHING))
            planned = Event("stage_planned", stage, data={"tasks": 0 if skip else total})
            self.books.record(run, planned)
            return True

    def _add_skipped(self, planning: TaskKey) -> None:
        key = planning._replace(idx=0)
        if self.books.task(key) is None:
            self.books.put_task(MemoryTask(key, QueueName.JOBS, status=TaskStatus.SKIPPED))

    def drop_queued(self, run: int, stage: int | None, limit: int) -> int:
        with self.books.transaction():
            droppable = {TaskStatus.QUEUED, TaskStatus.WAITING}
            if stage is None:
                droppable.add(TaskStatus.PROCESSING)
            tasks = (
                self.books.run_tasks(run) if stage is None else self.books.stage_tasks(run, stage)
            )
            dropped = [task for task in tasks if task.status in droppable][:limit]
            for task in dropped:
                self.books.put_task(cancelled(task, self.books.now()))
            return len(dropped)

    def decide_gate(self, key: TaskKey, decision: Decision) -> bool:
        with self.books.transaction():
            task = self.books.task(key)
            if task is None or (task.status, task.run_at) != (TaskStatus.WAITING, NEVER):
                return False
            if self.books.runs[key.run].finished_at is not None:
                return False
            self.books.put_task(decided(task, decision, self.books.now()))
            told = {"by": decision.by, "note": decision.note}
            what = "gate_approved" if decision.approved else "gate_rejected"
            self.books.record(key.run, Event(what, key.stage, key.idx, data=told))
            return True

    def checkpoint(self, claim: Claim, name: str) -> Payload | None:
        with self.books.changed:
            return self.books.checkpoints.get((claim.key, name))

    def keep_checkpoint(self, claim: Claim, name: str, value: Payload) -> None:
        with self.books.transaction():
            task = self.books.task(claim.key)
            fence = (TaskStatus.PROCESSING, claim.attempt)
            stage = self.books.stages[claim.key.run].get(claim.key.stage)
            if stage is None or stage.status.is_final:
                return
            if task is not None and (task.status, task.attempt) == fence:
                self.books.put(self.books.checkpoints, (claim.key, name), value)

    def error_before(self, claim: Claim) -> TaskError | None:
        with self.books.changed:
            task = self.books.task(claim.key)
            fence = (TaskStatus.PROCESSING, claim.attempt)
            return task.error if task is not None and (task.status, task.attempt) == fence else None

    # what tasks read

    def results(self, run: int, stage: int, after: int, limit: int) -> list[tuple[int, Payload]]:
        with self.books.changed:
            done = (
                (task.key.idx, task.result)
                for task in self.books.stage_tasks(run, stage)
                if task.key.idx > max(after, PLAN) and task.status is TaskStatus.COMPLETED
            )
            return [row for row, _ in zip(done, range(limit), strict=False)]

    def counts(self, run: int, stage: int) -> Tally:
        with self.books.changed:
            tasks = self.books.tasks[run, stage].values()
            ended = [t.status for t in tasks if t.key.idx != PLAN or t.status is not COMPLETED]
            return Tally(*(ended.count(status) for status in COUNTED))

    def failures(self, run: int, stage: int) -> Iterator[Failure]:
        with self.books.changed:
            return iter(
                [
                    Failure(task.key.idx, task.error.message if task.error else task.status)
                    for task in self.books.stage_tasks(run, stage)
                    if task.key.idx != PLAN and task.status in (TaskStatus.FAILED, CANCELLED)
                ]
            )

    # looking from outside

    def tasks(self, run: int, stage: int) -> list[MemoryTask]:
        """The stage's tasks in order, without the one that plans."""
        with self.books.changed:
            return [t for t in self.books.stage_tasks(run, stage) if t.key.idx != PLAN]

    def events(self, job_id: str) -> list[MemoryEvent]:
        with self.books.changed:
            return list(self.books.events[job_id].values())

    @contextmanager
    def take(self, limit: int) -> Generator[list[tuple[QueueName, Wakeup]]]:
        with self.books.transaction():
            taken = sorted(self.books.outbox)[:limit]
            messages = [self.books.outbox[number] for number in taken]
            for number in taken:
                self.books.drop(self.books.outbox, number)
            yield messages


COMPLETED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.CANCELLED
COUNTED = (COMPLETED, TaskStatus.FAILED, CANCELLED, TaskStatus.SKIPPED)


class MemoryQueue:
    """core.ports.Queue on a memory store: the due tasks are the queue."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self._woken = 0
        self._closed = False

    def claim(self, queue: QueueName, session: UUID, limit: int, wait: float) -> list[Claim]:
        books = self.store.books
        with books.changed:
            seen = self._woken
            books.changed.wait_for(
                lambda: books.has_due(queue) or self._woken != seen or self._closed, max(wait, 0)
            )
            return self.store.claim_due(queue, session, limit)

    def read(self, queue: QueueName, messages: Sequence[tuple[str, bytes]]) -> list[Wakeup]:
        return [Wakeup.decode(body) for _, body in messages]

    def relay(self) -> int:
        return 0

    def collect_dead(self) -> int:
        return 0

    def wake(self) -> None:
        with self.store.books.changed:
            self._woken += 1
            self.store.books.changed.notify_all()

    def close(self) -> None:
        self._closed = True
        self.wake()
