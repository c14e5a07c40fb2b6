"""Control: what people do to jobs that exist. Every verb acts once, and tells whoever comes later."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from core.admission.terms import Terms
from core.control.carrying import replayed, resubmitted, retried
from core.control.steering import JobTurn
from core.control.verbs import Verb, rule
from core.crashpoints import crashpoint
from core.errors import JobDeleting, StageNotFound, TaskNotFailed, TaskNotFound
from core.machine import CoreMachine
from core.patience import persist
from core.plan import PlannedStage
from core.ports import NewRun, RunRow
from core.stages import Decision
from core.states import JobStatus, TaskStatus, resumed
from core.tasks import Event, TaskError, TaskKey

CHUNK = 2_000
SECONDS = 5.0
"""How long a verb itself moves tasks; the reconciler goes on with the rest."""
FEW = 100
TOLD = {
    Verb.PAUSE: "job_paused",
    Verb.RESUME: "job_resumed",
    Verb.RESUBMIT: "job_resubmitted",
    Verb.REPLAY: "job_replayed",
    Verb.RETRY: "task_resubmitted",
}
"""The event that tells of a verb."""

Replan = Callable[[JobTurn, list[PlannedStage]], list[PlannedStage]]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a verb: where the job stands now, and whether this call made it so."""

    run: RunRow
    changed: bool
    message: str


class Control:
    """The verbs. Each is one transaction that holds the job's lock; tasks follow in chunks of their own."""

    def __init__(self, machine: CoreMachine) -> None:
        self.machine = machine
        self.store = machine.store

    # ending and pausing

    def cancel(self, job_id: str, *, by: str, reason: str = "") -> Done:
        """End the job. Nothing of it is begun any more; what runs is told at its next safe point."""

        def act(job: JobTurn) -> Done:
            said = f"cancelled by {by}" + (f": {reason}" if reason else "")
            why = TaskError("Cancelled", said, "cancelled")
            job.current.finish(JobStatus.CANCELLED, why, {"by": by, "reason": reason})
            crashpoint("cancel.in_transaction")
            return _done(job, f"The job is {said}.")

        done = self._steer(Verb.CANCEL, job_id, act, "The job was cancelled already.")
        crashpoint("cancel.after_commit")
        if done.changed:
            self.machine.admitter.ended(done.run.run)
            self.machine.watch.meter.job_ended(done.run.job_type, done.run.status)
        if self._in_chunks(lambda: self.store.drop_queued(done.run.run, None, CHUNK)):
            self.store.sweep(done.run.run)
        return done

    def pause(self, job_id: str, *, by: str) -> Done:
        """Begin nothing of the job until it is resumed. What runs may end, and stages close and open."""

        def act(job: JobTurn) -> Done:
            self._move(job, Verb.PAUSE, JobStatus.PAUSED, by)
            return _done(job, f"The job was paused by {by}. Tasks that run may end.")

        done = self._steer(Verb.PAUSE, job_id, act, "The job is paused already.")
        crashpoint("pause.after_commit")
        self._in_chunks(lambda: self._hold(done.run.run))
        return done

    def resume(self, job_id: str, *, by: str) -> Done:
        """Go on with a paused job."""

        def act(job: JobTurn) -> Done:
            self._move(job, Verb.RESUME, resumed(started=job.started), by)
            return _done(job, f"The job was resumed by {by}.")

        done = self._steer(Verb.RESUME, job_id, act, "The job is not paused.")
        crashpoint("resume.after_commit")
        self.machine.admitter.submitted(done.run.run)
        self._in_chunks(lambda: self._release(done.run.run))
        return done

    def _move(self, job: JobTurn, verb: Verb, status: JobStatus, by: str) -> None:
        job.current.move(status)
        job.current.record(Event(TOLD[verb], data={"run": job.current.run.number, "by": by}))
        crashpoint("move.in_transaction")

    # running again

    def resubmit(
        self, job_id: str, *, by: str, from_start: bool = False, force: bool = False
    ) -> Done:
        """A new run of the failed part, or of everything."""

        def replan(job: JobTurn, plan: list[PlannedStage]) -> list[PlannedStage]:
            old = job.current
            return plan if from_start else resubmitted(old.run, old.stages(), plan)

        told = {"by": by, "from_start": from_start}
        return self._begin(Verb.RESUBMIT, job_id, replan, told, force=force)

    def replay(self, job_id: str, stage: str, *, by: str) -> Done:
        """A new run of a stage and of everything that depends on it."""

        def replan(job: JobTurn, plan: list[PlannedStage]) -> list[PlannedStage]:
            old = job.current
            return replayed(old.run, old.stages(), plan, stage_number(plan, stage))

        return self._begin(Verb.REPLAY, job_id, replan, {"by": by, "stage": stage})

    def retry(self, job_id: str, key: TaskKey, *, by: str) -> Done:
        """A new run in which one failed task is due again, and what follows from it."""

        def replan(job: JobTurn, plan: list[PlannedStage]) -> list[PlannedStage]:
            self._check_failed(job, key)
            old = job.current
            return retried(old.run, old.stages(), plan, key.stage, key.idx)

        return self._begin(Verb.RETRY, job_id, replan, {"by": by, "task": str(key)})

    def _check_failed(self, job: JobTurn, key: TaskKey) -> None:
        run = job.current.run
        known = 0 <= key.stage < len(run.plan) and run.plan[key.stage].home(run.run) == key.run
        status = job.task(key) if known else None
        if status is None:
            raise TaskNotFound(f"Run {run.number} of job {run.job_id} has no task {key}.")
        if status is not TaskStatus.FAILED:
            raise TaskNotFailed(f"Task {key} is {status}; only a task that failed can be retried")

    def _begin(
        self,
        verb: Verb,
        job_id: str,
        replan: Replan,
        told: dict[str, Any],
        *,
        force: bool = False,
    ) -> Done:
        """The next run of the job. Repeating it after a lost reply finds the run that was begun."""
        request = uuid4()

        def act(job: JobTurn) -> Done:
            old = job.current.run
            plan = replan(job, list(self.machine.registry[old.job_type].plan))
            trace, terms = self.machine.watch.tracer.carried(), self.machine.job(old).terms
            new = _next_run(old, plan, request, trace, terms)
            turn = job.begin(new)
            turn.record(Event("job_submitted", data={"run": turn.run.number}))
            turn.record(Event(TOLD[verb], data={"run": turn.run.number, "of": old.number, **told}))
            for n, stage in enumerate(plan):
                if stage.carried is not None and stage.carried.whole:
                    turn.carry(n)
            self.machine.advance(turn)
            crashpoint("begin.in_transaction")
            return Done(turn.run, changed=True, message=_begun(turn.run))

        done = self._steer(verb, job_id, act, "", force=force, request=request)
        crashpoint("begin.after_commit")
        self.machine.admitter.submitted(done.run.run)
        return done

    # people at gates

    def decide(self, job_id: str, stage: str, decision: Decision) -> Done:
        """Settle the gate of that name."""

        def act(job: JobTurn) -> Done:
            return _done(job, "")

        run = self._steer(Verb.DECIDE, job_id, act, "").run
        key = TaskKey(run.run, stage_number(run.plan, stage), 0)
        self.machine.decide_gate(key, decision)
        verdict = "approved" if decision.approved else "rejected"
        return Done(
            self.store.run(run.run), changed=True, message=f"{stage} is {verdict} by {decision.by}."
        )

    # what all verbs share

    def _steer(
        self,
        verb: Verb,
        job_id: str,
        act: Callable[[JobTurn], Done],
        already: str,
        *,
        force: bool = False,
        request: UUID | None = None,
    ) -> Done:
        def once() -> Done:
            with self.store.job_turn(job_id) as job:
                run = job.current.run
                if job.request == request:  # the reply to our own first try was lost
                    return Done(run, changed=True, message=_begun(run))
                if job.deleting:
                    raise JobDeleting(f"Job {job_id} is being deleted")
                if not rule(verb, job_id, run.status, force=force):
                    return Done(run, changed=False, message=already)
                return act(job)

        return persist(once, tries=4)

    # what pauses leave to do

    def repair(self) -> int:
        """Go on with what verbs have begun, and died over: tasks to set aside, tasks to make due."""
        moved = 0
        for run in self.store.unheld(FEW):
            moved += self._hold(run)
        for run in self.store.unreleased(FEW):
            moved += self._release(run)
        return moved

    def _hold(self, run: int) -> int:
        held = self.store.hold(run, CHUNK)
        crashpoint("pause.between_chunks")
        return held

    def _release(self, run: int) -> int:
        released = self.store.release(run, CHUNK)
        crashpoint("resume.between_chunks")
        return released

    def _in_chunks(self, move: Callable[[], int]) -> bool:
        """Until a chunk is not full, or time is over; whether it came to the end."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if persist(move, tries=4) < CHUNK:
                return True
        return False


def stage_number(plan: Sequence[PlannedStage], name: str) -> int:
    names = [stage.name for stage in plan]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    raise StageNotFound(f"This job has no stage {name!r}. {hint}")


def _done(job: JobTurn, message: str) -> Done:
    return Done(job.current.run, changed=True, message=message)


def _begun(run: RunRow) -> str:
    taken = [stage.name for stage in run.plan if stage.carried is not None and stage.carried.whole]
    kept = f" {', '.join(taken)}: taken over from an earlier run." if taken else ""
    return f"The job runs again, as run {run.number}.{kept}"


def _next_run(
    old: RunRow, plan: Sequence[PlannedStage], request: UUID, trace: str | None, terms: Terms
) -> NewRun:
    """What the earlier run was to wait for binds this one no more; its key and its rates do."""
    return NewRun(
        old.job_id, old.job_type, old.parameters, plan, old.priority, request, trace, terms
    )
