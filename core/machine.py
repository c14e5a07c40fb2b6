"""CoreMachine: takes jobs in, closes stages, opens what follows, and ends jobs."""

from __future__ import annotations

import difflib
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

from pydantic import ValidationError

from core.admission.admitter import Admitter
from core.admission.terms import HIGHEST, LOWEST, After, Limit
from core.blobs import Blobs
from core.catalog import Catalog
from core.context import NoCatalog
from core.crashpoints import crashpoint
from core.errors import BadInput, Conflict, CoreMachineError, InvalidParameters
from core.job import JobBase
from core.patience import persist
from core.ports import NewRun, RunRow, Store, Submission, Turn
from core.registry import Registry
from core.stages import Decision
from core.states import Advance, Finish, Verdict, Wait, decide, judge
from core.tasks import Event, TaskKey
from core.values import NUL, Values
from core.watching.watch import Watch

log = logging.getLogger(__name__)

CHUNK = 500


class CoreMachine:
    """Moves jobs through their stages. It keeps no state of its own: any number may run at once."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        blobs: Blobs,
        catalog: Catalog | None = None,
        options: Iterable[object] = (),
        watch: Watch | None = None,
    ) -> None:
        """`options`: what the installation has set for services, one value per class."""
        self.registry = registry
        self.store = store
        self.blobs = blobs
        self.catalog = cast(Catalog, NoCatalog()) if catalog is None else catalog
        self.options = {type(option): option for option in options}
        self.values = Values(blobs)
        self.watch = watch or Watch()
        self.admitter = Admitter(store, self.advance, self._ended)

    def over(self, store: Store) -> CoreMachine:
        """The same machine on another view of the store: that of a transaction which is open already."""
        options = self.options.values()
        machine = CoreMachine(self.registry, store, self.blobs, self.catalog, options, self.watch)
        machine.admitter.deferred = True
        return machine

    def parse(self, job_type: str, parameters: Mapping[str, Any]) -> JobBase:
        """The job a submission describes. Types are strict: "5" is no number, and no key is ignored."""
        job = self.registry[job_type]
        try:
            return job.model_validate_json(json.dumps(parameters), strict=True)
        except ValidationError as error:
            raise invalid(job, error) from None

    def understood(self, job_type: str, parameters: Mapping[str, Any]) -> JobBase:
        """As `parse`, for orders that must not stop others: a stranger's validators may fail in any way."""
        try:
            job = self.parse(job_type, parameters)
            _ = job.fingerprint
        except CoreMachineError:
            raise
        except Exception as error:
            raise CoreMachineError(f"{type(error).__name__}: {error}") from error
        return job

    def submit(
        self,
        job: JobBase,
        *,
        force: bool = False,
        priority: int | None = None,
        after: Sequence[str] = (),
        after_success: bool = False,
        by: str | None = None,
    ) -> Submission:
        """Record a job and open its first stages. Submitting equal parameters finds the same job.

        A job that failed or was cancelled, or that is forced, gets a new run; its history stays. A run that
        has to wait (for the jobs `after`, for its turn, for its rate) opens nothing until it is let in.
        `by`: who asked for it.
        """
        job_id, canonical = job.fingerprint, job.canonical.encode()
        if NUL.search(canonical):
            raise BadInput("a parameter holds a NUL character, which the database cannot keep")
        first = After(tuple(dict.fromkeys(after)), after_success)
        _check_order(job_id, first, priority)
        new = NewRun(
            job_id=job_id,
            job_type=job.job_type,
            parameters=self.values.pack(canonical, f"parameters/{job_id}"),
            plan=job.plan,
            priority=job.priority if priority is None else priority,
            request=uuid4(),
            trace=self.watch.tracer.carried(),
            terms=job.terms,
            after=first,
        )
        submission = persist(lambda: self._submit(new, force=force, by=by), tries=4)
        crashpoint("submit.after_commit")
        if submission.is_new:
            self.watch.meter.job_submitted(new.job_type)
        elif first.jobs:
            self.admitter.check_late_order(submission.run, first.jobs)
        if submission.waits:
            return replace(submission, waits=not self.admitter.submitted(submission.run.run))
        return submission

    def _submit(self, new: NewRun, *, force: bool, by: str | None) -> Submission:
        """Safe to repeat: when only the reply was lost, the request's own run is found."""
        with self.store.submit(new, force=force) as (submission, turn):
            if turn is not None:
                asked = {} if by is None else {"by": by}
                turn.record(Event("job_submitted", data={"run": submission.run.number, **asked}))
                self.advance(turn)
                crashpoint("submit.in_transaction")
        return submission

    def job(self, run: RunRow) -> JobBase:
        """The job of a run, from the parameters it was submitted with."""
        try:
            return self.registry[run.job_type].model_validate_json(
                self.values.unpack(run.parameters)
            )
        except ValidationError as error:
            raise BadInput(
                f"the stored parameters no longer fit {run.job_type}: {error}"
            ) from error

    def close(self, run: int, stage: int, near: frozenset[int] = frozenset()) -> bool:
        """If nothing of the stage is open any more, close it and open what follows. Exactly one caller does."""
        crashpoint("close.before")
        if not self.store.maybe_done(run, stage, near):
            return False
        with self.store.closing(run, stage) as closing:
            if closing is None:
                return False
            began, turn = time.monotonic(), closing.turn
            verdict = (
                judge(closing.tally, turn.run.plan[stage].tolerated)
                if closing.planned
                else Verdict.FAILED
            )
            turn.close(stage, verdict, closing.tally)
            ended = self.advance(turn)
            crashpoint("close.in_transaction")
        crashpoint("close.after")
        meter, row = self.watch.meter, turn.run
        meter.stage_closed(row.job_type, closing.idle + time.monotonic() - began)
        if ended:
            meter.job_ended(row.job_type, row.status)
            self.sweep(run)
        return True

    def advance(self, turn: Turn) -> bool:
        """Do what the books call for; True when that was to end the run. Nothing opens in one that waits."""
        while not turn.waits:
            rows = turn.stages()
            ended = {n: row.verdict for n, row in rows.items() if row.verdict is not None}
            running = {n for n, row in rows.items() if not row.status.is_final}
            match decide(turn.run.status, [stage.step for stage in turn.run.plan], ended, running):
                case Wait():
                    return False
                case Advance(opened, skipped):
                    for number in skipped:
                        turn.skip(number)
                    for number in opened:
                        turn.open(number)
                case Finish(status):
                    turn.finish(status)
                    return True
        return False

    def _ended(self, run: RunRow) -> None:
        self.watch.meter.job_ended(run.job_type, run.status)

    def sweep(self, run: int) -> None:
        """Cancel what an ended run has left, and let in who waited for it."""
        self.drop_queued(run)
        self.admitter.ended(run)
        self.store.sweep(run)

    def drop_queued(self, run: int, stage: int | None = None) -> None:
        """Cancel what nobody has begun. If we die here, the reconciler goes on with it."""
        while self.store.drop_queued(run, stage, CHUNK) == CHUNK:
            pass

    def stage_failed(self, run: RunRow, stage: int) -> None:
        """A task of the stage failed for good: where the stage tolerates none, do not begin the others."""
        if run.plan[stage].tolerated == 0:
            self.drop_queued(run.run, stage)

    def decide_gate(self, key: TaskKey, decision: Decision) -> None:
        """A person settles a gate: approved lets the job go on, rejected fails it."""
        if not self.store.decide_gate(key, decision):
            raise Conflict(
                f"task {key} is not waiting for a decision; it may have been settled already"
            )
        self.close(key.run, key.stage)

    def set_limit(self, job_type: str, limit: Limit, *, by: str) -> None:
        """What an operator allows a job type from now on. Runs that it sets free start at once."""
        name = self.registry[job_type].job_type
        self.store.set_limit(name, limit, by)
        self.admitter.widened(name)

    def expire(self) -> int:
        """End stages and runs that have passed their time."""
        return self.admitter.expire(self.close, self.sweep)

    def repair_stages(self) -> int:
        """Close what was forgotten, and stop what has ended: for workers that died between two commits."""
        closed = 0
        for run, stage in self.store.forgotten(CHUNK):
            crashpoint("reconcile.before_close")
            closed += self.close(run, stage)
        for run in self.store.unswept(CHUNK):
            self.sweep(run)
        return closed


def _check_order(job_id: str, after: After, priority: int | None) -> None:
    if job_id in after.jobs:
        raise BadInput(f"job {job_id} cannot wait for itself")
    if priority is not None and not LOWEST <= priority <= HIGHEST:
        raise BadInput(f"priority is {priority}; it must be from {LOWEST} to {HIGHEST}")


def invalid(job: type[JobBase], error: ValidationError) -> InvalidParameters:
    """What is wrong with the parameters, each by its name; an unknown name with the nearest known one."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    for e in wrong:
        if e["type"] == "extra_forbidden" and (near := _nearest(job, e["loc"])):
            e["msg"] = f"There is no such parameter. Did you mean {near!r}?"
    names = ", ".join(".".join(str(part) for part in e["loc"]) or "body" for e in wrong)
    message = f"{len(wrong)} parameter(s) of {job.job_type} are not right: {names}"
    return InvalidParameters(message, [dict(e) for e in wrong])


def _nearest(job: type[JobBase], place: tuple[int | str, ...]) -> str | None:
    if len(place) != 1:
        return None
    return next(iter(difflib.get_close_matches(str(place[0]), job.model_fields, n=1)), None)
