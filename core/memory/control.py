"""The part of the memory store that people steer jobs by."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from uuid import UUID

from core.control.steering import Census, TaskTrace
from core.errors import JobNotFound
from core.memory.books import Books, MemoryJob, MemoryTask
from core.memory.endings import cancelled
from core.memory.turn import MemoryTurn, add_run
from core.memory.upkeep import MemoryUpkeep
from core.plan import Carried
from core.ports import NewRun
from core.states import JobStatus, StageStatus, TaskStatus
from core.tasks import Claim, Payload, TaskKey

ALIVE = (JobStatus.QUEUED, JobStatus.PROCESSING)


class MemoryJobTurn:
    """core.control.steering.JobTurn inside an open transaction of the books."""

    def __init__(self, books: Books, job: MemoryJob) -> None:
        self.books = books
        self.current = MemoryTurn(books, job.run)
        run = books.runs[job.run]
        self.request, self.started, self.deleting = run.request, run.started, job.deleting

    def begin(self, new: NewRun) -> MemoryTurn:
        return add_run(self.books, new, self.current.run.number + 1)

    def task(self, key: TaskKey) -> TaskStatus | None:
        task = self.books.task(key)
        return None if task is None else task.status

    def mark_deleting(self, by: str, *, outputs: bool) -> None:
        job_id = self.current.run.job_id
        job = self.books.jobs[job_id]
        self.books.put(self.books.jobs, job_id, replace(job, deleting=True, outputs=outputs))


class MemorySteering(MemoryUpkeep):
    """core.control.steering.Steering on the books."""

    @contextmanager
    def job_turn(self, job_id: str) -> Generator[MemoryJobTurn]:
        with self.books.transaction():
            if job_id not in self.books.jobs:
                raise JobNotFound(
                    f"There is no job {job_id!r}. GET /api/jobs lists those there are."
                )
            yield MemoryJobTurn(self.books, self.books.jobs[job_id])

    # pauses

    def hold(self, run: int, limit: int) -> int:
        with self.books.transaction():
            if (
                run not in self.books.runs
                or self.books.runs[run].row.status is not JobStatus.PAUSED
            ):
                return 0
            queued = self._of(run, lambda task: task.status is TaskStatus.QUEUED, limit)
            for task in queued:
                self.books.put_task(_aside(task))
            return len(queued)

    def release(self, run: int, limit: int) -> int:
        with self.books.transaction():
            if run not in self.books.runs or self.books.runs[run].row.status not in ALIVE:
                return 0
            aside = self._of(run, _is_aside, limit)
            for task in aside:
                self.books.queue_task(task)
            return len(aside)

    def unheld(self, limit: int) -> list[int]:
        def is_queued(task: MemoryTask) -> bool:
            return task.status is TaskStatus.QUEUED

        with self.books.changed:
            paused = [n for n, run in self.books.runs.items() if run.row.status is JobStatus.PAUSED]
            return [run for run in paused if any(map(is_queued, self.books.run_tasks(run)))][:limit]

    def unreleased(self, limit: int) -> list[int]:
        with self.books.changed:
            alive = [n for n, run in self.books.runs.items() if run.row.status in ALIVE]
            return [run for run in alive if any(map(_is_aside, self.books.run_tasks(run)))][:limit]

    def _of(self, run: int, wanted: Callable[[MemoryTask], bool], limit: int) -> list[MemoryTask]:
        return list(islice(filter(wanted, self.books.run_tasks(run)), limit))

    def _unless_paused(self, due: Sequence[MemoryTask]) -> list[MemoryTask]:
        """Those of the due tasks that may be claimed: the others are of runs that are paused or have ended."""
        allowed: list[MemoryTask] = []
        for task in due:
            status = self.books.runs[task.key.run].row.status
            if status in ALIVE:
                allowed.append(task)
            elif status is JobStatus.PAUSED:
                self.books.put_task(_aside(task))
            else:
                self.books.put_task(cancelled(task, self.books.now()))
        return allowed

    # runs that go on from others

    def _planning(self, claim: Claim, session: UUID) -> MemoryTask | None:
        """The planning task, if this claim still owns it and its stage is still being planned."""
        stage = self.books.stages[claim.key.run].get(claim.key.stage)
        if stage is None or stage.status is not StageStatus.EXPANDING:
            return None
        return self._held(claim.key, claim.attempt, session)

    def carry_tasks(
        self, claim: Claim, session: UUID, carried: Carried, after: int, limit: int
    ) -> int | None:
        with self.books.transaction():
            held = self._planning(claim, session)
            if held is None:
                return None
            old = self.books.stage_tasks(carried.run, claim.key.stage)
            page = [task for task in old if task.key.idx > after][:limit]
            for task in page:
                self._carry(held, task, kept=_is_kept(task, carried.only))
            return page[-1].key.idx if page else None

    def _carry(self, planning: MemoryTask, old: MemoryTask, *, kept: bool) -> None:
        key = old.key._replace(run=planning.key.run)
        if self.books.task(key) is not None:
            return
        queue = self.books.runs[key.run].row.plan[key.stage].queue
        if kept:
            again = replace(old, key=key, queue=queue, attempt=0, failures=0, lost=0, alone=False)
            self.books.put_task(again)
            return
        self.books.queue_task(MemoryTask(key, queue, planning.priority, arguments=old.arguments))
        for (at, name), value in list(self.books.checkpoints.items()):
            if at == old.key:
                self.books.put(self.books.checkpoints, (key, name), value)

    # deletion

    def deleting(self, limit: int) -> list[tuple[str, bool]]:
        with self.books.changed:
            jobs = self.books.jobs.items()
            return [(job_id, job.outputs) for job_id, job in jobs if job.deleting][:limit]

    def census(self, job_id: str) -> Census:
        with self.books.changed:
            runs = {run.row.run for run in self.books.job_runs(job_id)}
            phases = sum(key.run in runs for key, _ in self.books.checkpoints)
            tasks = sum(len(self.books.run_tasks(run)) for run in runs)
            return Census(len(runs), tasks, phases, len(self.books.events[job_id]))

    def run_payloads(self, job_id: str) -> list[tuple[int, list[Payload]]]:
        with self.books.changed:
            runs = self.books.job_runs(job_id)
            return [(run.row.run, [run.row.parameters, run.result]) for run in runs]

    def traces(self, job_id: str, after: TaskKey, limit: int) -> list[TaskTrace]:
        with self.books.changed:
            runs = self.books.job_runs(job_id)
            tasks = (task for run in runs for task in self.books.run_tasks(run.row.run))
            page = islice((task for task in tasks if task.key > after), limit)
            return [
                TaskTrace(task.key, task.attempt, [task.result, *self._phases(task.key)])
                for task in page
            ]

    def _phases(self, key: TaskKey) -> list[Payload]:
        return [value for (at, _), value in self.books.checkpoints.items() if at == key]

    def forget_tasks(self, job_id: str, keys: Sequence[TaskKey]) -> None:
        with self.books.transaction():
            if not self.books.jobs[job_id].deleting:
                return
            for key in keys:
                self.books.drop(self.books.tasks[key.run, key.stage], key.idx)
                for at, name in [c for c in self.books.checkpoints if c[0] == key]:
                    self.books.drop(self.books.checkpoints, (at, name))

    def forget_events(self, job_id: str, limit: int) -> int:
        with self.books.transaction():
            job, events = self.books.jobs[job_id], self.books.events[job_id]
            last = sorted(events, reverse=True)[:limit] if job.deleting else []
            for number in last:
                self.books.drop(events, number)
            left = replace(job, events=job.events - len(last))
            self.books.put(self.books.jobs, job_id, left)
            return len(last)

    def forget_job(self, job_id: str) -> bool:
        with self.books.transaction():
            runs = [run.row.run for run in self.books.job_runs(job_id)]
            job = self.books.jobs.get(job_id)
            left = any(self.books.run_tasks(run) for run in runs) or self.books.events[job_id]
            if job is None or not job.deleting or left:
                return False
            for run in runs:
                for stage in list(self.books.stages[run]):
                    self.books.drop(self.books.stages[run], stage)
                self.books.drop(self.books.runs, run)
            self.books.drop(self.books.jobs, job_id)
            return True


def _aside(task: MemoryTask) -> MemoryTask:
    return replace(task, status=TaskStatus.WAITING, run_at=None, published_at=None)


def _is_aside(task: MemoryTask) -> bool:
    return task.status is TaskStatus.WAITING and task.run_at is None


def _is_kept(task: MemoryTask, only: int | None) -> bool:
    match task.status:
        case TaskStatus.COMPLETED | TaskStatus.SKIPPED:
            return True
        case TaskStatus.FAILED:
            return only is not None and task.key.idx != only
        case _:
            return False
