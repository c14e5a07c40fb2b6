"""Runs one claimed task and says how it ended. It writes no outcome: whoever claimed the task does."""

from __future__ import annotations

import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, get_type_hints
from uuid import UUID

from pydantic import TypeAdapter

from core.context import Context
from core.errors import (
    BadResult,
    Cancelled,
    CoreMachineError,
    RetryLater,
    ServiceUnavailable,
    ShuttingDown,
)
from core.held import Held
from core.inputs import Inputs
from core.job import JobBase
from core.machine import CoreMachine
from core.mishaps import understood
from core.plan import origin_of
from core.planner import Planner
from core.ports import RunRow
from core.stages import AnyStage, Retry, Shape
from core.tasks import (
    PLAN,
    Again,
    Asked,
    Claim,
    Completed,
    Ending,
    Failed,
    Released,
    TaskError,
)
from core.values import encode
from core.watching.scribe import task_log
from core.watching.traffic import Count
from core.watching.watch import Span, outcome_of
from core.watching.whereabouts import Mark, at_task, current_task

log = logging.getLogger(__name__)
T = TypeVar("T")

UNKNOWN_HERE = timedelta(seconds=30)
MESSAGE_LIMIT, TRACE_LIMIT = 2_000, 8_000
KEPT_RUNS = 256
REPORT_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run and its job, as they are kept while tasks of the run keep coming."""

    run: RunRow
    job: JobBase
    trace: str | None = None
    """That of the submission, for those who trace."""


class Executor:
    """Turns a claim into an ending, in this process. Safe to share between threads."""

    def __init__(
        self,
        machine: CoreMachine,
        session: UUID,
        held: Held,
        renewed: Callable[[Claim], None] = lambda claim: None,
    ) -> None:
        """`renewed` hears of every lease that a report has renewed."""
        self.machine = machine
        self.renewed = renewed
        self.store = machine.store
        self.values = machine.values
        self.watch = machine.watch
        self.session = session
        self.held = held
        self.inputs = Inputs(self.store, self.values)
        self.planner = Planner(self.store, self.values, self.inputs, session)
        self._kept: OrderedDict[int, Assignment] = OrderedDict()

    def run(self, claim: Claim) -> Ending | None:
        """How the attempt ended; None when a planning task has already said so itself."""
        match self.assigned(claim):
            case (work, stage):
                return self.watched(work, stage, claim, lambda: self._run(work, stage, claim))
            case ending:
                return ending

    def watched(
        self, work: Assignment, stage: AnyStage, claim: Claim, act: Callable[[], Ending | None]
    ) -> Ending | None:
        """Run the attempt, here or elsewhere: it is measured and traced, and what is logged says what it is about."""
        began, mark = time.monotonic(), self._mark(work, stage, claim)
        with at_task(mark), self.watch.tracer.task(mark, work.trace) as span:
            ending = act()
            _tell(span, ending)
        seconds = time.monotonic() - began
        self.watch.meter.task_ended(mark.job_type, mark.stage, outcome_of(ending), seconds)
        return ending

    def assigned(self, claim: Claim) -> tuple[Assignment, AnyStage] | Ending:
        """The job and the stage that the claim is of; how the attempt ends where this code has none."""
        try:
            work = self._assignment(claim.key.run)
            stage = work.job.stage(work.run.plan[claim.key.stage].name)
        except CoreMachineError as error:
            return self._unrunnable(claim, error)
        return self._unrunnable(claim, None) if stage is None else (work, stage)

    def _run(self, work: Assignment, stage: AnyStage, claim: Claim) -> Ending | None:
        try:
            if claim.key.idx == PLAN:
                return self.planner.plan(work.run, work.job, stage, claim)
            return self._call(work, stage, claim)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler may raise anything; here it becomes an ending
            return ending_of(understood(error), stage.retry, claim)

    def _mark(self, work: Assignment, stage: AnyStage, claim: Claim) -> Mark:
        run = work.run
        return Mark(
            run.job_id,
            run.job_type,
            run.number,
            stage.name,
            claim.queue,
            claim.key,
            claim.attempt,
            self.watch.keep,
        )

    def _assignment(self, run: int) -> Assignment:
        kept = self._kept.get(run)
        if kept is None:
            row = self.store.run(run)
            trace = self.store.trace(run) if self.watch.tracer.on else None
            kept = self._kept[run] = Assignment(row, self.machine.job(row), trace)
            while len(self._kept) > KEPT_RUNS:
                self._kept.popitem(last=False)
        return kept

    def _call(self, work: Assignment, stage: AnyStage, claim: Claim) -> Ending:
        arguments = self.inputs.arguments(work.run, claim, stage)
        count = Count()
        try:
            value = stage.handler(work.job, self._context(work, stage, claim, count), *arguments)
        finally:  # what a task moved counts also when it fails
            if any(count.moved) and self.watch.moved is not None:
                self.watch.moved(work.run.job_type, count.moved)
        data = encode(stage.adapter, value, f"the result of {stage.name}")
        payload = self.values.pack(
            data, f"runs/{claim.key.run}/{claim.key.stage}/{claim.key.idx}-{claim.attempt}"
        )
        return Asked(payload) if stage.shape is Shape.GATE else Completed(payload)

    def _context(self, work: Assignment, stage: AnyStage, claim: Claim, count: Count) -> Context:
        key, name = claim.key, str(claim.key)
        extra = {
            "job_id": work.run.job_id,
            "job_type": work.run.job_type,
            "task_id": name,
            "attempt": claim.attempt,
            "mark": current_task(),  # so that lines from threads of the task find their way too
        }
        return Context(
            job_id=work.run.job_id,
            task_id=name,
            attempt=claim.attempt,
            origin=str(origin) if (origin := origin_of(key, work.run.plan)) else None,
            blobs=count.blobs(self.machine.blobs),
            catalog=self.machine.catalog,
            options=count.options(self.machine.options),
            log=logging.LoggerAdapter(task_log, extra),
            reporter=_Reporter(self, claim),
            checker=lambda: self.held.check(key),
            checkpoints=_Checkpoints(self, claim),
        )

    def _unrunnable(self, claim: Claim, error: CoreMachineError | None) -> Ending:
        """An older or newer worker may know what this one does not: give the task back for a while."""
        if error is None or error.code == "unknown_job_type":
            known = error or CoreMachineError("this worker's code has no such stage")
            log.warning("task %s is not for this worker: %s", claim.key, known)
            return Again(UNKNOWN_HERE, described(known), counted=False)
        return ending_of(error, Retry(), claim)


class _Reporter:
    """Passes progress on, at most once a second, and learns whether the task is still ours."""

    def __init__(self, executor: Executor, claim: Claim) -> None:
        self.executor = executor
        self.claim = claim
        self.last = 0.0

    def __call__(self, fraction: float, note: str) -> None:
        now = time.monotonic()
        if now - self.last < REPORT_EVERY and fraction < 1.0:
            return
        self.last = now
        try:
            if self.executor.store.renew(self.claim, self.executor.session, fraction, note[:200]):
                self.executor.renewed(self.claim)
            else:
                self.executor.held.lose([self.claim.key])
        except ServiceUnavailable as error:
            log.info("progress of %s not reported: %s", self.claim.key, error)


class _Checkpoints:
    """`ctx.once`: the value a phase made, kept under the task's key."""

    def __init__(self, executor: Executor, claim: Claim) -> None:
        self.executor = executor
        self.claim = claim

    def once(self, name: str, make: Callable[[], T], valid: Callable[[T], bool]) -> T:
        adapter: TypeAdapter[Any] = TypeAdapter(_promised(make))
        values, store, key = self.executor.values, self.executor.store, self.claim.key
        kept = store.checkpoint(self.claim, name)
        if kept is not None:
            value = adapter.validate_json(values.unpack(kept))
            if valid(value):
                return value
            log.info("phase %r of %s is run again: what it had made is gone", name, key)
        data = encode(adapter, make(), f"phase {name!r}")
        kept = values.pack(
            data, f"runs/{key.run}/{key.stage}/{key.idx}-{name}-{self.claim.attempt}"
        )
        store.keep_checkpoint(self.claim, name, kept)
        return adapter.validate_json(data)


def _promised(make: Callable[[], object]) -> Any:
    """What a phase says it returns; anything that JSON can hold when it does not say."""
    return get_type_hints(make).get("return", Any) if hasattr(make, "__annotations__") else Any


def _tell(span: Span, ending: Ending | None) -> None:
    span.tell(outcome=outcome_of(ending))
    match ending:
        case Failed(error) | Again(_, error, counted=True):
            span.fail(f"{error.type}: {error.message}")
        case _:
            pass


def ending_of(error: BaseException, retry: Retry, claim: Claim) -> Ending:
    """Which ending an exception means. Permanent errors are never tried again."""
    match error:
        case RetryLater():
            return Again(error.delay, described(error), counted=False)
        case ShuttingDown() | Cancelled():
            return Released()
        case ServiceUnavailable():  # not the task's fault, however long it lasts
            return Again(retry.wait(claim.attempt), described(error), counted=False)
        case Exception() if retry.allows(error, claim.failures + 1):
            return Again(retry.wait(claim.failures + 1), described(error), counted=True)
        case _:
            return Failed(described(error))


def described(error: BaseException) -> TaskError:
    """An exception as it is kept: bounded, without what the database cannot hold."""
    code = error.code if isinstance(error, CoreMachineError) else "task_failed"
    if isinstance(error, BadResult):
        log.error("%s", error)
    trace = "".join(traceback.format_exception(error))[-TRACE_LIMIT:]
    return TaskError(
        type=type(error).__name__,
        message=_clean(str(error))[:MESSAGE_LIMIT] or type(error).__name__,
        code=code,
        trace=_clean(trace),
    )


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
