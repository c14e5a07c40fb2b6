"""One worker's turn at a run's books, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.admission.terms import After
from core.memory.books import Books, Dependency, MemoryJob, MemoryRun, MemoryTask
from core.ports import NewRun, RunRow, StageRow
from core.queues import QueueName
from core.stages import Shape
from core.states import JobStatus, StageStatus, Tally, TaskStatus, Verdict
from core.tasks import NOTHING, PLAN, Event, Payload, TaskError, TaskKey


class MemoryTurn:
    """core.ports.Turn inside an open transaction of the books."""

    def __init__(self, books: Books, run: int) -> None:
        self.books = books
        self._number = run

    @property
    def run(self) -> RunRow:
        return self.books.runs[self._number].row

    @property
    def waits(self) -> bool:
        return not self.books.runs[self._number].admitted

    def stages(self) -> Mapping[int, StageRow]:
        return dict(self.books.stages[self._number])

    def close(self, stage: int, verdict: Verdict, tally: Tally) -> None:
        row = self.books.stages[self._number][stage]
        assert not row.status.is_final, "whoever closes a stage has seen it open"
        self.books.put_stage(self._number, replace(row, status=StageStatus.CLOSED, verdict=verdict))
        counts = {
            "completed": tally.completed,
            "failed": tally.failed,
            "cancelled": tally.cancelled,
            "skipped": tally.skipped,
        }
        data = {"name": self.run.plan[stage].name, "verdict": verdict, **counts}
        self.record(Event("stage_closed", stage, data=data))

    def skip(self, stage: int) -> None:
        self.books.put_stage(self._number, StageRow(stage, StageStatus.CLOSED, 0, Verdict.SKIPPED))
        self.record(Event("stage_skipped", stage, data={"name": self.run.plan[stage].name}))

    def open(self, stage: int) -> None:
        planned = self.run.plan[stage]
        status = StageStatus.EXPANDING if planned.planned else StageStatus.OPEN
        self.books.put_stage(self._number, StageRow(stage, status, 0 if planned.planned else 1))
        key = TaskKey(self._number, stage, PLAN if planned.planned else 0)
        queue = QueueName.JOBS if planned.planned else planned.queue
        task = MemoryTask(key, queue, self.run.priority)
        if self.run.status is JobStatus.PAUSED:
            self.books.put_task(replace(task, status=TaskStatus.WAITING))
        else:
            self.books.queue_task(task)
        if planned.within is not None:
            late = self.books.now() + planned.within
            self.books.put(self.books.stage_deadlines, (self._number, stage), late)
        self.record(Event("stage_opened", stage, data={"name": planned.name}))

    @property
    def stands_still(self) -> bool:
        return self.run.status.is_final or self.run.status is JobStatus.PAUSED

    def is_overdue(self) -> bool:
        deadline = self.books.runs[self._number].deadline
        return deadline is not None and deadline < self.books.now() and not self.stands_still

    def is_late(self, stage: int) -> bool:
        deadline = self.books.stage_deadlines.get((self._number, stage))
        final = self.books.stages[self._number][stage].status.is_final
        return deadline is not None and deadline < self.books.now() and not final

    def expire(self, stage: int, why: TaskError) -> bool:
        place = (self._number, stage)
        if not self.is_late(stage) or self.stands_still or place in self.books.stage_errors:
            return False
        self.books.put(self.books.stage_errors, place, why)
        return True

    def finish(
        self,
        status: JobStatus,
        why: TaskError | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        for row in list(self.books.stages[self._number].values()):
            if not row.status.is_final:
                self.books.put_stage(self._number, replace(row, status=StageStatus.CANCELLED))
        run = self.books.runs[self._number]
        self.books.put_run(
            replace(
                run,
                row=replace(run.row, status=status),
                finished_at=self.books.now(),
                result=self._result(),
                error=self._error(status, why),
            )
        )
        self.record(Event(f"job_{status}", data={"run": self.run.number, **(told or {})}))

    def move(self, status: JobStatus) -> None:
        run, now = self.books.runs[self._number], self.books.now()
        paused_at = now if status is JobStatus.PAUSED else None
        stood = timedelta(0) if run.paused_at is None else now - run.paused_at
        deadline = None if run.deadline is None else run.deadline + stood
        row = replace(run.row, status=status)
        self.books.put_run(replace(run, row=row, paused_at=paused_at, deadline=deadline))
        for place, late in list(self.books.stage_deadlines.items()):
            if place[0] == self._number:
                self.books.put(self.books.stage_deadlines, place, late + stood)

    def carry(self, stage: int) -> None:
        source = self.run.plan[stage].home(self._number)
        row = self.books.stages[source][stage]
        assert row.verdict is not None, "only a stage that closed is carried over whole"
        self.books.put_stage(self._number, row)
        data = {"name": self.run.plan[stage].name, "verdict": row.verdict, "from": source}
        self.record(Event("stage_carried", stage, data=data))

    def record(self, event: Event) -> None:
        self.books.record(self._number, event)

    def _result(self) -> Payload:
        last = len(self.run.plan) - 1
        task = self.books.task(TaskKey(self.run.plan[last].home(self._number), last, 0))
        if self.run.plan[last].shape is Shape.FAN_OUT or task is None:
            return NOTHING
        return task.result if task.status is TaskStatus.COMPLETED else NOTHING

    def _error(self, status: JobStatus, why: TaskError | None) -> dict[str, str] | None:
        """What was given; else, of a job that failed, the error of a stage that did not hold."""
        if why is not None:
            return why.as_dict()
        return self._stage_error() if status is JobStatus.FAILED else None

    def _stage_error(self) -> dict[str, str] | None:
        """Its own, or the first failure in it."""
        for stage, row in sorted(self.books.stages[self._number].items()):
            late = self.books.stage_errors.get((self._number, stage))
            if late is not None and row.verdict is Verdict.FAILED:
                return {**late.as_dict(), "stage": self.run.plan[stage].name}
        return self._first_failure()

    def _first_failure(self) -> dict[str, str] | None:
        failed = [
            task
            for stage, row in self.books.stages[self._number].items()
            if row.verdict is Verdict.FAILED
            for task in self.books.stage_tasks(self._number, stage)
            if task.status is TaskStatus.FAILED
        ]
        if not failed:
            return None
        first = min(failed, key=lambda task: (task.finished_at, task.key.idx))
        error = first.error.as_dict() if first.error else {}
        name = self.run.plan[first.key.stage].name
        return {**error, "stage": name, "task": str(first.key)}


def add_run(books: Books, new: NewRun, number: int) -> MemoryTurn:
    """Write down a job's next run, which stands for the job from now on."""
    row = RunRow(
        books.next_number(),
        new.job_id,
        new.job_type,
        number,
        JobStatus.QUEUED,
        new.plan,
        new.parameters,
        new.priority,
    )
    job = books.jobs.get(new.job_id)
    run = MemoryRun(row, new.request, new.trace, created_at=books.now(), terms=new.terms)
    books.put_run(bound(books, run, new.after))
    books.put(books.jobs, new.job_id, MemoryJob(row.run, 0 if job is None else job.events))
    return MemoryTurn(books, row.run)


def bound(books: Books, run: MemoryRun, after: After) -> MemoryRun:
    """The new run with what it waits for, let in at once if it is bound by nothing."""
    known = {job: books.jobs[job].run for job in after.jobs if job in books.jobs}
    after.refuse_unknown(set(known))
    waits = tuple(Dependency(job, number, after.success) for job, number in known.items())
    binds = run.terms.binds or bool(waits) or run.row.job_type in books.limits
    return replace(
        run, after=waits, admitted=not binds, deadline=None if binds else deadline_of(run, books)
    )


def deadline_of(run: MemoryRun, books: Books) -> datetime | None:
    """When a run that starts now must have ended."""
    seconds = run.terms.timeout
    return None if seconds is None else books.now() + timedelta(seconds=seconds)
