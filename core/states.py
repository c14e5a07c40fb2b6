"""The state machine. Every status, every move between them, and the one decision, are here.

`decide` is the whole brain of the orchestrator and touches nothing: the machine tells it what the
database holds under the lock, and does what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return not JOB_MOVES[self]


class StageStatus(StrEnum):
    """Where a stage stands: its tasks are being written, are being worked on, or are all ended."""

    EXPANDING = "expanding"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return not STAGE_MOVES[self]


class TaskStatus(StrEnum):
    """Where a task stands. A waiting task waits for its next attempt, a person, or the end of a pause."""

    QUEUED = "queued"
    PROCESSING = "processing"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        return not TASK_MOVES[self]


JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {
            JobStatus.PROCESSING,
            JobStatus.PAUSED,
            JobStatus.COMPLETED,
            JobStatus.COMPLETED_WITH_ERRORS,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.PROCESSING: frozenset(
        {
            JobStatus.PAUSED,
            JobStatus.COMPLETED,
            JobStatus.COMPLETED_WITH_ERRORS,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.PAUSED: frozenset(
        {
            JobStatus.PROCESSING,
            JobStatus.QUEUED,
            JobStatus.COMPLETED,
            JobStatus.COMPLETED_WITH_ERRORS,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.COMPLETED_WITH_ERRORS: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}

STAGE_MOVES: dict[StageStatus, frozenset[StageStatus]] = {
    StageStatus.EXPANDING: frozenset({StageStatus.OPEN, StageStatus.CLOSED, StageStatus.CANCELLED}),
    StageStatus.OPEN: frozenset({StageStatus.CLOSED, StageStatus.CANCELLED}),
    StageStatus.CLOSED: frozenset(),
    StageStatus.CANCELLED: frozenset(),
}

TASK_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.QUEUED: frozenset(
        {TaskStatus.PROCESSING, TaskStatus.WAITING, TaskStatus.CANCELLED, TaskStatus.SKIPPED}
    ),
    TaskStatus.PROCESSING: frozenset(
        {
            TaskStatus.COMPLETED,
            TaskStatus.FAILED,
            TaskStatus.WAITING,
            TaskStatus.QUEUED,
            TaskStatus.CANCELLED,
        }
    ),
    TaskStatus.WAITING: frozenset(
        {TaskStatus.QUEUED, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
    TaskStatus.SKIPPED: frozenset(),
}


def resumed(*, started: bool) -> JobStatus:
    """Where a job stands after a pause: where it stood before."""
    return JobStatus.PROCESSING if started else JobStatus.QUEUED


class Verdict(StrEnum):
    """How a closed stage ended."""

    OK = "ok"
    ERRORS = "errors"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def holds(self) -> bool:
        """Whether later stages may build on it."""
        return self is not Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Tally:
    """How the tasks of one stage ended."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        return self.completed + self.failed + self.cancelled + self.skipped


def judge(tally: Tally, tolerated: float) -> Verdict:
    """Whether a stage may count as done. A stage of which nothing succeeded never does."""
    if tally.skipped and tally.skipped == tally.total:
        return Verdict.SKIPPED
    bad = tally.failed + tally.cancelled
    if not bad:
        return Verdict.OK
    # Divided, not multiplied: 29 of 100 are 0.29, but 0.29 * 100 is a little less than 29.
    if tally.completed and bad / tally.total <= tolerated:
        return Verdict.ERRORS
    return Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Step:
    """A stage's place in the plan: `after` must close before it opens, `reads` gives it values."""

    after: tuple[int, ...] = ()
    reads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Others are still working; the last of them turns out the lights."""


@dataclass(frozen=True, slots=True)
class Advance:
    """These stages have everything they wait for; those read something that was skipped."""

    open: tuple[int, ...]
    skip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do."""

    status: JobStatus


def decide(
    status: JobStatus,
    plan: Sequence[Step],
    ended: Mapping[int, Verdict],
    running: AbstractSet[int],
) -> Wait | Advance | Finish:
    """What follows now, in a job of which some stages have ended and some are running."""
    if status.is_final:
        return Wait()
    if Verdict.FAILED in ended.values():
        return Finish(JobStatus.FAILED)
    ready = [
        n
        for n, step in enumerate(plan)
        if n not in ended and n not in running and all(a in ended for a in step.after + step.reads)
    ]
    skip = tuple(n for n in ready if any(ended[r] is Verdict.SKIPPED for r in plan[n].reads))
    if ready:
        return Advance(open=tuple(n for n in ready if n not in skip), skip=skip)
    if running:
        return Wait()
    return Finish(
        JobStatus.COMPLETED_WITH_ERRORS if Verdict.ERRORS in ended.values() else JobStatus.COMPLETED
    )
