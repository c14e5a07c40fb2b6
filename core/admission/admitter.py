"""Lets waiting runs in: after a submission, after another run has ended, and whenever something was missed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.admission.terms import EVERYTHING, AlreadySubmitted, DependencyCycle, Doomed, Scope
from core.crashpoints import crashpoint
from core.errors import ServiceUnavailable
from core.states import JobStatus
from core.tasks import Event, TaskError

if TYPE_CHECKING:
    from core.ports import RunRow, Store, Turn

log = logging.getLogger(__name__)

CHUNK = 500
Open = Callable[["Turn"], bool]
"""Opens what the books of a run call for; True when that was to end it."""
Told = Callable[["RunRow"], None]
"""Hears of runs that were ended here."""


class Admitter:
    """Commit, then look who may start: like closing a stage, and like it healed by the reconciler.

    A run that waits has no stage, so there is nothing in it to claim. Whoever commits what could set it
    free, its submission or an end, looks afterwards; of two who commit at once, the later one sees both.
    """

    def __init__(self, store: Store, open_stages: Open, told: Told) -> None:
        self.store = store
        self.open_stages = open_stages
        self.told = told
        self.deferred = False
        """Whether somebody else commits: then nobody is let in here, for nobody sees the run yet."""

    def submitted(self, run: int) -> bool:
        """Let a run in that has just been written down. When that fails, the reconciler will do it."""
        if self.deferred:
            return False
        crashpoint("admit.before")
        try:
            return self._look(Scope(run=run)) > 0
        except ServiceUnavailable as error:
            log.warning("run %d will be let in later: %s", run, error)
            return False

    def ended(self, run: int) -> None:
        """Hand over what an ended run held: its turn, its place, and the wait of those who come after it."""
        crashpoint("admit.before")
        if (freed := self.store.freed_by(run)) is not None:
            self._look(freed)

    def widened(self, job_type: str) -> int:
        """An operator allows a job type more than before."""
        return self._look(Scope(job_type=job_type))

    def round(self) -> int:
        """Everybody who may start: for rates, raised limits, and hand-overs that died between two commits."""
        return self._look(EVERYTHING)

    def _look(self, scope: Scope) -> int:
        admitted, scopes = 0, deque([scope])
        while scopes:
            where = scopes.popleft()
            for run in self._cancel_doomed(where):
                if (freed := self.store.freed_by(run)) is not None:
                    scopes.append(freed)
            admitted += self._admit(where)
        return admitted

    def _admit(self, scope: Scope) -> int:
        count = 0
        while True:
            with self.store.admitting(scope) as turn:
                if turn is None:
                    return count
                self.open_stages(turn)
                crashpoint("admit.in_transaction")
            count += 1

    def _cancel_doomed(self, scope: Scope) -> list[int]:
        found = self.store.doomed(scope, CHUNK)
        return [each.run for each in found if self._cancel(each)]

    def _cancel(self, doomed: Doomed) -> bool:
        how = "was deleted" if doomed.status == "deleted" else f"ended {doomed.status}"
        message = f"cancelled: job {doomed.job_id}, whose success it needs, {how}"
        with self.store.turn(doomed.run) as turn:
            if turn.run.status.is_final:
                return False
            why = TaskError("DependencyFailed", message, "dependency_failed")
            turn.finish(JobStatus.CANCELLED, why, _said(why))
        self.told(turn.run)
        self.store.sweep(doomed.run)
        return True

    def expire(self, close: Callable[[int, int], bool], sweep: Callable[[int], None]) -> int:
        """End stages and runs that have passed their time. Whoever dies here leaves it to the next round."""
        stages = [self._expire_stage(*found, close) for found in self.store.overdue_stages(CHUNK)]
        runs = [self._expire_run(run, sweep) for run in self.store.overdue_runs(CHUNK)]
        return sum(stages) + sum(runs)

    def _expire_stage(self, run: int, stage: int, close: Callable[[int, int], bool]) -> bool:
        """Its open tasks count as not done; whether the stage tolerates that is judged as ever."""
        with self.store.turn(run) as turn:
            planned = turn.run.plan[stage]
            seconds = None if planned.within is None else planned.within.total_seconds()
            message = f"the stage did not end within {seconds:g} seconds"
            told = turn.expire(stage, TaskError("StageTimeout", message, "stage_timeout"))
            if told:
                data = {"name": planned.name, "seconds": seconds}
                turn.record(Event("stage_timed_out", stage, data=data))
        crashpoint("expire.after_note")
        while self.store.drop_overdue(run, stage, CHUNK) == CHUNK:
            pass
        close(run, stage)
        return told

    def _expire_run(self, run: int, sweep: Callable[[int], None]) -> bool:
        with self.store.turn(run) as turn:
            if not turn.is_overdue():
                return False
            message = "the job did not end within the time it has"
            why = TaskError("JobTimeout", message, "job_timeout")
            turn.finish(JobStatus.FAILED, why, _said(why))
        self.told(turn.run)
        sweep(run)
        return True

    def check_late_order(self, run: RunRow, jobs: tuple[str, ...]) -> None:
        """The job was there already: it cannot be told to wait now, unless it does so anyway."""
        missing = [job for job in jobs if job not in self.store.dependencies(run.run)]
        if not missing or run.status.is_final:
            return
        if self.store.waits_for(missing, run.run):
            raise DependencyCycle(
                f"job {run.job_id} cannot wait for {', '.join(missing)}, which waits for it"
            )
        raise AlreadySubmitted(
            f"job {run.job_id} is {run.status} already and does not wait for {', '.join(missing)}; "
            "cancel it first, or leave `after` away"
        )


def _said(why: TaskError) -> dict[str, str]:
    return {"code": why.code, "message": why.message}
