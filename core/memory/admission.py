"""Letting runs in, in memory: the same lines, the same buckets, and one thread at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from core.admission.terms import Doomed, Limit, Rate, Scope, admitted_event
from core.memory.books import Books, Dependency, MemoryRun, is_open
from core.memory.endings import cancelled
from core.memory.turn import MemoryTurn, deadline_of
from core.states import JobStatus

GOOD = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)


class MemoryAdmission:
    """core.admission.terms.Admissions on the books."""

    books: Books

    @contextmanager
    def admitting(self, scope: Scope) -> Generator[MemoryTurn | None]:
        with self.books.transaction():
            run = next((run for run in self._firsts(scope) if self._may_start(run)), None)
            if run is None:
                yield None
                return
            self._admit(run)
            yield MemoryTurn(self.books, run.row.run)

    def _firsts(self, scope: Scope) -> list[MemoryRun]:
        """The first in each line of the scope, by priority and then by age."""
        lanes = {(r.row.job_type, r.terms.key) for r in self._waiting() if self._fits(scope, r)}
        ready = [r for r in self._waiting() if not self._is_early(r)]
        ready.sort(key=lambda r: (-r.row.priority, r.row.run))
        firsts = {lane: self._first(lane, ready) for lane in lanes}
        return sorted(
            (run for run in firsts.values() if run is not None),
            key=lambda r: (-r.row.priority, r.row.run),
        )

    def _first(self, lane: tuple[str, str], ready: Sequence[MemoryRun]) -> MemoryRun | None:
        return next((r for r in ready if (r.row.job_type, r.terms.key) == lane), None)

    def _waiting(self) -> list[MemoryRun]:
        return [
            run
            for run in self.books.runs.values()
            if not run.admitted and run.finished_at is None and run.row.status is JobStatus.QUEUED
        ]

    def _fits(self, scope: Scope, run: MemoryRun) -> bool:
        return (
            scope.everything
            or run.row.run == scope.run
            or (run.terms.key == scope.key != "")
            or run.row.job_type == scope.job_type
            or any(dependency.on_run == scope.ended for dependency in run.after)
        )

    def _is_early(self, run: MemoryRun) -> bool:
        return any(self._holds_up(dependency) for dependency in run.after)

    def _holds_up(self, dependency: Dependency) -> bool:
        other = self.books.runs.get(dependency.on_run)
        if other is not None and other.finished_at is None:
            return True
        return dependency.needs_success and (other is None or other.row.status not in GOOD)

    def _may_start(self, run: MemoryRun) -> bool:
        limit, terms = self.books.limits.get(run.row.job_type, Limit()), run.terms
        holding = [r for r in self.books.runs.values() if r.admitted and r.finished_at is None]
        running = sum(r.row.job_type == run.row.job_type for r in holding)
        holders = sum(r.terms.key == terms.key for r in holding)
        return (
            (limit.max_running is None or running < limit.max_running)
            and (not terms.key or terms.at_most is None or holders < terms.at_most)
            and all(self._tokens(lane, rate) >= 1 for lane, rate in self._rates(run))
        )

    def _rates(self, run: MemoryRun) -> Iterable[tuple[str, Rate]]:
        limit = self.books.limits.get(run.row.job_type, Limit())
        if rate := limit.rate or run.terms.rate:
            yield f"type:{run.row.job_type}", rate
        if run.terms.key_rate:
            yield f"key:{run.terms.key}", run.terms.key_rate

    def _tokens(self, lane: str, rate: Rate) -> float:
        if lane not in self.books.buckets:
            return rate.count
        tokens, at = self.books.buckets[lane]
        passed = (self.books.now() - at).total_seconds()
        return min(rate.count, tokens + passed * rate.count / rate.seconds)

    def _admit(self, run: MemoryRun) -> None:
        now = self.books.now()
        for lane, rate in self._rates(run):
            self.books.put(self.books.buckets, lane, (self._tokens(lane, rate) - 1, now))
        self.books.put_run(replace(run, admitted=True, deadline=deadline_of(run, self.books)))
        waited = (now - run.created_at).total_seconds() if run.created_at else 0.0
        event = admitted_event(run.row.number, run.terms.key, waited)
        self.books.record(run.row.run, event)

    def freed_by(self, run: int) -> Scope | None:
        with self.books.changed:
            ended, waiting = self.books.run(run), self._waiting()
            key, job_type = ended.terms.key, ended.row.job_type
            limited = self.books.limits.get(job_type, Limit()).max_running is not None
            scope = Scope(
                key=key if any(r.terms.key == key for r in waiting) else "",
                job_type=job_type if limited else "",
                ended=run,
            )
            return scope if any(self._fits(scope, r) for r in waiting) else None

    def doomed(self, scope: Scope, limit: int) -> list[Doomed]:
        with self.books.changed:
            found = (
                Doomed(run.row.run, dependency.on_job, self._end_of(dependency))
                for run in list(self.books.runs.values())
                if not run.admitted and run.finished_at is None and self._fits(scope, run)
                for dependency in [next(filter(self._has_failed, run.after), None)]
                if dependency is not None
            )
            return list(islice(found, limit))

    def _has_failed(self, dependency: Dependency) -> bool:
        other = self.books.runs.get(dependency.on_run)
        still = other is not None and other.finished_at is None
        return not still and self._holds_up(dependency)

    def _end_of(self, dependency: Dependency) -> str:
        other = self.books.runs.get(dependency.on_run)
        return "deleted" if other is None else other.row.status

    def dependencies(self, run: int) -> set[str]:
        with self.books.changed:
            return {dependency.on_job for dependency in self.books.run(run).after}

    def waits_for(self, jobs: Sequence[str], run: int) -> bool:
        with self.books.changed:
            todo = [self.books.jobs[job].run for job in jobs if job in self.books.jobs]
            while todo:
                number = todo.pop()
                other = self.books.runs.get(number)
                if number == run:
                    return True
                if other is not None and other.finished_at is None:
                    todo += [dependency.on_run for dependency in other.after]
            return False

    def limit(self, job_type: str) -> Limit:
        with self.books.changed:
            return self.books.limits.get(job_type, Limit())

    def set_limit(self, job_type: str, limit: Limit, by: str) -> None:
        with self.books.transaction():
            if limit == Limit():
                self.books.drop(self.books.limits, job_type)
            else:
                self.books.put(self.books.limits, job_type, limit)

    def overdue_runs(self, limit: int) -> list[int]:
        with self.books.changed:
            return [n for n in self.books.runs if MemoryTurn(self.books, n).is_overdue()][:limit]

    def overdue_stages(self, limit: int) -> list[tuple[int, int]]:
        with self.books.changed:
            runs = [n for n in self.books.runs if not MemoryTurn(self.books, n).stands_still]
            found = [(run, n) for run in runs for n in self.books.stages[run]]
            return [at for at in found if MemoryTurn(self.books, at[0]).is_late(at[1])][:limit]

    def drop_overdue(self, run: int, stage: int, limit: int) -> int:
        with self.books.transaction():
            if (run, stage) not in self.books.stage_errors:
                return 0
            tasks = [t for t in self.books.stage_tasks(run, stage) if is_open(t)][:limit]
            for task in tasks:
                self.books.put_task(cancelled(task, self.books.now()))
            return len(tasks)
