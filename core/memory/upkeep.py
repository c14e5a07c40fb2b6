"""The memory store's upkeep: sessions and heartbeats, and everything the reconciler puts right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from uuid import UUID

from core.memory.books import Books, MemoryTask, is_open
from core.ports import Limits, Repairs, Worker
from core.queues import QueueName
from core.states import TaskStatus
from core.tasks import Claim, Event, TaskKey
from core.upkeep.losses import DEAD, OVERDUE, lost


class MemoryUpkeep:
    """Workers come and go here. The leases are the books' clock's, which a test can put forward."""

    books: Books

    def __init__(self, *, outbox: bool = False) -> None:
        self.books = Books(outbox=outbox)

    def advance(self, seconds: float) -> None:
        """Let time pass, as far as this store is concerned."""
        with self.books.changed:
            self.books.ahead += timedelta(seconds=seconds)

    # workers

    def begin_session(self, worker: Worker) -> None:
        with self.books.transaction():
            known = self.books.sessions.get(worker.session, (worker,))[0]
            self.books.put(self.books.sessions, worker.session, (known, self.books.now()))

    def heartbeat(self, worker: Worker) -> list[tuple[TaskKey, int]]:
        with self.books.transaction():
            self.begin_session(worker)
            return [
                (task.key, task.attempt)
                for task in self._all(TaskStatus.PROCESSING)
                if task.session == worker.session
            ]

    def end_session(self, session: UUID) -> None:
        with self.books.transaction():
            self.books.drop(self.books.sessions, session)

    def renew(self, claim: Claim, session: UUID, progress: float, note: str) -> bool:
        with self.books.transaction():
            task = self._held(claim.key, claim.attempt, session)
            if task is None:
                return False
            deadline = self.books.now() + self._timeout(task.key)
            self.books.put_task(replace(task, deadline=deadline, progress=progress, note=note))
            return True

    def give_back(
        self, session: UUID, attempts: Sequence[tuple[TaskKey, int]], older: float = 0.0
    ) -> int:
        given = 0
        with self.books.transaction():
            latest = self.books.now() - timedelta(seconds=older)
            for key, attempt in attempts:
                task = self._held(key, attempt, session)
                if task is not None and task.started_at is not None and task.started_at <= latest:
                    self.books.queue_task(replace(task, session=None, deadline=None))
                    given += 1
        return given

    def _held(self, key: TaskKey, attempt: int, session: UUID) -> MemoryTask | None:
        """The task, if that attempt of it is still this session's."""
        task = self.books.task(key)
        fence = (TaskStatus.PROCESSING, attempt, session)
        if task is None or (task.status, task.attempt, task.session) != fence:
            return None
        return task

    def _timeout(self, key: TaskKey) -> timedelta:
        return self.books.runs[key.run].row.plan[key.stage].timeout

    # repair

    def repair(self, limits: Limits) -> Repairs:
        with self.books.transaction():
            requeued, failed = self._take_back(limits)
            woken = self._queue(self._waited_for(), limits.chunk)
            republished = 0
            if self.books.uses_outbox and not self._unsent(limits.lost_after):
                republished = self._queue(self._unheard(limits.lost_after), limits.chunk)
            sessions = self._forget_sessions(10 * limits.dead_after)
        return Repairs(requeued, failed, woken, republished, sessions=sessions)

    def _unsent(self, lost_after: float) -> bool:
        """Whether the outbox itself has waited as long as a message that seems lost."""
        if not self.books.outbox:
            return False
        _, (key, _) = self.books.outbox[min(self.books.outbox)]
        task = self.books.task(key)
        at = None if task is None else task.published_at
        return at is not None and at < self.books.now() - timedelta(seconds=lost_after)

    def _take_back(self, limits: Limits) -> tuple[int, int]:
        """Tasks of workers that died or hang: tried again while attempts are left, failed when not."""
        held = Counter(task.session for task in self._all(TaskStatus.PROCESSING))
        left = [
            self._lose(task, why, sure=task.alone and (why is OVERDUE or held[task.session] == 1))
            for task, why in self._lapsed(limits)[: limits.chunk]
        ]
        return sum(left), len(left) - sum(left)

    def _lapsed(self, limits: Limits) -> list[tuple[MemoryTask, str]]:
        tasks = self._all(TaskStatus.PROCESSING)
        return [(task, why) for task in tasks if (why := self._lapse(task, limits)) is not None]

    def _lapse(self, task: MemoryTask, limits: Limits) -> str | None:
        alive = self.books.now() - timedelta(seconds=limits.dead_after)
        leeway = timedelta(seconds=limits.leeway if task.queue is QueueName.HEAVY else 0)
        if not any(s == task.session and at >= alive for s, (_, at) in self.books.sessions.items()):
            return DEAD
        if task.deadline is not None and task.deadline < self.books.now() - leeway:
            return OVERDUE
        return None

    def _lose(self, task: MemoryTask, why: str, *, sure: bool) -> bool:
        """Whether there is another attempt. One counts against a task that was surely the one."""
        attempts = self.books.runs[task.key.run].row.plan[task.key.stage].attempts
        kept = sum(key == task.key for key, _ in self.books.checkpoints)
        after, again = lost(task, why, sure=sure, kept=kept, attempts=attempts)
        if again:
            self.books.queue_task(after)
        else:
            now = self.books.now()
            self.books.put_task(replace(after, status=TaskStatus.FAILED, finished_at=now))
        self._tell_lost(after, "task_lost" if again else "task_failed")
        return again

    def _tell_lost(self, task: MemoryTask, what: str) -> None:
        assert task.error is not None
        told = {"type": task.error.type, "message": task.error.message, "code": task.error.code}
        key = task.key
        self.books.record(key.run, Event(what, key.stage, key.idx, task.attempt, told))

    def _waited_for(self) -> Iterable[MemoryTask]:
        now = self.books.now()
        for task in self._all(TaskStatus.WAITING):
            if task.run_at is not None and task.run_at <= now:
                yield replace(task, run_at=None)

    def _unheard(self, lost_after: float) -> Iterable[MemoryTask]:
        """Tasks whose message seems lost, or that never had one."""
        latest = self.books.now() - timedelta(seconds=lost_after)
        for task in self._all(TaskStatus.QUEUED):
            if task.published_at is None or task.published_at < latest:
                yield task

    def _queue(self, tasks: Iterable[MemoryTask], limit: int) -> int:
        chosen = list(islice(tasks, limit))
        for task in chosen:
            self.books.queue_task(task)
        return len(chosen)

    def _forget_sessions(self, dead_after: float) -> int:
        latest = self.books.now() - timedelta(seconds=dead_after)
        holding = {task.session for task in self._all(TaskStatus.PROCESSING)}
        gone = [
            session
            for session, (_, seen) in self.books.sessions.items()
            if seen < latest and session not in holding
        ]
        for session in gone:
            self.books.drop(self.books.sessions, session)
        return len(gone)

    def _all(self, status: TaskStatus) -> list[MemoryTask]:
        return [task for task in self.books.all_tasks() if task.status is status]

    def forgotten(self, limit: int) -> list[tuple[int, int]]:
        with self.books.changed:
            return [
                (run, stage)
                for run in sorted(self.books.stages)
                for stage, row in sorted(self.books.stages[run].items())
                if not row.status.is_final and self._none_open(run, stage)
            ][:limit]

    def _none_open(self, run: int, stage: int) -> bool:
        return not any(map(is_open, self.books.tasks[run, stage].values()))

    def unswept(self, limit: int) -> list[int]:
        with self.books.changed:
            runs = self.books.runs.values()
            return [run.row.run for run in runs if run.finished_at and not run.swept][:limit]

    def sweep(self, run: int) -> bool:
        with self.books.transaction():
            row = self.books.runs.get(run)
            if (
                row is None
                or row.finished_at is None
                or any(map(is_open, self.books.run_tasks(run)))
            ):
                return False
            self.books.put_run(replace(row, swept=True))
            return True

    def quarantine(self, queue: str, message_id: str, body: bytes, reason: str) -> None:
        with self.books.transaction():
            number = self.books.next_number()
            self.books.put(self.books.quarantine, number, (queue, message_id, body, reason))
