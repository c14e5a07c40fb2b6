"""What the machine needs from the outside world, and nothing more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from core.admission.terms import FREE, NOTHING_FIRST, Admissions, After, Terms
from core.control.steering import Steering
from core.plan import PlannedStage
from core.queues import QueueName
from core.results import Failure
from core.stages import Decision
from core.states import JobStatus, StageStatus, Tally, Verdict
from core.tasks import (
    NOTHING,
    Claim,
    Event,
    NewTask,
    Outcome,
    Payload,
    TaskError,
    TaskKey,
    Wakeup,
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a job: what it was asked, how it was planned, where it stands."""

    run: int
    job_id: str
    job_type: str
    number: int
    status: JobStatus
    plan: Sequence[PlannedStage]
    parameters: Payload = NOTHING
    priority: int = 0


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a submission asks to be written down."""

    job_id: str
    job_type: str
    parameters: Payload
    plan: Sequence[PlannedStage]
    priority: int
    request: UUID
    """Names this submission, so that repeating it after a lost reply finds its own run."""
    trace: str | None = None
    """The trace that the submission is part of, as a W3C traceparent."""
    terms: Terms = FREE
    after: After = NOTHING_FIRST


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage that has been opened."""

    stage: int
    status: StageStatus
    total: int
    verdict: Verdict | None = None


class Turn(Protocol):
    """One worker's turn at a run's books: a transaction that holds the run's row lock.

    Everything written here, the events and the wake-ups included, becomes true at once or never.
    """

    @property
    def run(self) -> RunRow: ...
    @property
    def waits(self) -> bool:
        """Whether the run is new and has to be let in before its stages open."""
        ...

    def stages(self) -> Mapping[int, StageRow]: ...
    def close(self, stage: int, verdict: Verdict, tally: Tally) -> None: ...
    def skip(self, stage: int) -> None: ...
    def open(self, stage: int) -> None:
        """Write the stage's row and its first task: the only one, or the one that plans the others."""
        ...

    def is_overdue(self) -> bool:
        """Whether the run has passed its time, now that its row is locked."""
        ...

    def expire(self, stage: int, why: TaskError) -> bool:
        """Note once that a running stage has passed its time; False when that is noted, or no longer so."""
        ...

    def finish(
        self,
        status: JobStatus,
        why: TaskError | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """End the run: its result, or its first failure, comes from its tasks; open stages are cancelled.

        `why`: the reason, where it is none of its tasks. `told`: what the event says besides.
        """
        ...

    def move(self, status: JobStatus) -> None:
        """Let the run stand elsewhere, without ending it."""
        ...

    def carry(self, stage: int) -> None:
        """Count a stage as closed, as it closed in the run that it is carried over from."""
        ...

    def record(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Closing:
    """The stage whose switch this worker holds: nobody else can close it in the meantime."""

    turn: Turn
    tally: Tally
    planned: bool
    """False when the stage's planning failed, so that its tasks are not all there."""
    idle: float = 0.0
    """Seconds since the last of its tasks ended, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What came of a submission: the run that now stands for the job, and whether it is new."""

    run: RunRow
    is_new: bool
    waits: bool = False
    """Whether the new run has to be let in before its first stages open."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs tasks, as the sessions table knows it."""

    session: UUID
    host: str
    pid: int
    role: str
    queues: Sequence[QueueName] = ()


@dataclass(frozen=True, slots=True)
class Repairs:
    """What one round of the reconciler put right."""

    requeued: int = 0
    failed: int = 0
    woken: int = 0
    republished: int = 0
    cancelled: int = 0
    closed: int = 0
    sessions: int = 0
    admitted: int = 0
    expired: int = 0
    steered: int = 0
    """Tasks set aside by pauses, or made due after them."""

    @property
    def total(self) -> int:
        return (
            self.requeued
            + self.failed
            + self.woken
            + self.republished
            + self.cancelled
            + self.closed
            + self.sessions
            + self.admitted
            + self.expired
            + self.steered
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the reconciler is. All clocks are the database's."""

    dead_after: float = 20.0
    """Seconds without a heartbeat after which a worker is taken for dead."""
    lost_after: float = 60.0
    """Seconds after which a published message that nobody claimed is sent again."""
    leeway: float = 5.0
    """Seconds that a living worker has to end an overdue task of the heavy queue itself, and to say why."""
    chunk: int = 500


class Store(Steering, Admissions, Protocol):
    """The truth about jobs. Implemented by PostgreSQL, and by memory for tests of jobs."""

    # submitting and moving
    def submit(
        self, new: NewRun, *, force: bool
    ) -> AbstractContextManager[tuple[Submission, Turn | None]]:
        """Find the job's current run, or begin a new one; the turn is there when it is new."""
        ...

    def run(self, run: int) -> RunRow: ...
    def trace(self, run: int) -> str | None:
        """The trace of the submission that began the run, if it was traced."""
        ...

    def maybe_done(self, run: int, stage: int, near: Collection[int]) -> bool:
        """Without any lock: whether no task of the stage is open. Looks first near the given indexes."""
        ...

    def closing(self, run: int, stage: int) -> AbstractContextManager[Closing | None]:
        """Take the stage's advisory lock and look again; None unless it is open and has no open task."""
        ...

    def turn(self, run: int) -> AbstractContextManager[Turn]: ...

    # tasks
    def claim_due(self, queue: QueueName, session: UUID, limit: int) -> list[Claim]: ...
    def claim_named(self, wakeups: Sequence[Wakeup], session: UUID) -> list[Claim]:
        """Claim those of the tasks that are due for just that attempt; the rest are stale and ignored."""
        ...

    def settle(self, session: UUID, outcomes: Sequence[Outcome]) -> set[TaskKey]:
        """Write down how attempts ended; gives back the tasks that were still this worker's to end."""
        ...

    def add_tasks(self, claim: Claim, session: UUID, tasks: Sequence[NewTask]) -> bool:
        """Write part of a stage, as the owner of its planning task. False when it no longer is."""
        ...

    def copy_tasks(
        self, claim: Claim, session: UUID, source: tuple[int, int], after: int, limit: int
    ) -> int | None:
        """A task per result of stage `source` (run, stage) beyond index `after`, made inside the store.

        Gives back the last index, or None.
        """
        ...

    def open_planned(
        self, claim: Claim, session: UUID, expected: int | None, *, skip: bool = False
    ) -> bool:
        """The planning task is done and its stage open (or skipped). False when it was not ours to say.

        Raises BadResult when the stage does not hold the expected number of tasks.
        """
        ...

    def drop_queued(self, run: int, stage: int | None, limit: int) -> int:
        """Cancel tasks nobody has begun: of a stage that cannot succeed, or of a run that has ended."""
        ...

    def decide_gate(self, key: TaskKey, decision: Decision) -> bool: ...
    def checkpoint(self, claim: Claim, name: str) -> Payload | None: ...
    def keep_checkpoint(self, claim: Claim, name: str, value: Payload) -> None: ...

    def error_before(self, claim: Claim) -> TaskError | None:
        """Why the attempt before this one failed; None when it did not, or is not known to have."""
        ...

    # what tasks read
    def results(
        self, run: int, stage: int, after: int, limit: int
    ) -> list[tuple[int, Payload]]: ...
    def counts(self, run: int, stage: int) -> Tally: ...
    def failures(self, run: int, stage: int) -> Iterator[Failure]: ...

    # workers and repair
    def begin_session(self, worker: Worker) -> None: ...
    def heartbeat(self, worker: Worker) -> list[tuple[TaskKey, int]]:
        """Say that the worker lives; gives back the attempts it owns in the store's eyes."""
        ...

    def renew(self, claim: Claim, session: UUID, progress: float, note: str) -> bool: ...
    def give_back(
        self, session: UUID, attempts: Sequence[tuple[TaskKey, int]], older: float = 0.0
    ) -> int:
        """Return attempts unharmed, if they were claimed at least so many seconds ago."""
        ...

    def end_session(self, session: UUID) -> None: ...
    def repair(self, limits: Limits) -> Repairs: ...
    def forgotten(self, limit: int) -> list[tuple[int, int]]:
        """Stages (run, stage) that are open though nothing in them is."""
        ...

    def unswept(self, limit: int) -> list[int]:
        """Runs that ended before their tasks did."""
        ...

    def sweep(self, run: int) -> bool:
        """Take note that nothing of an ended run is open any more; False while something is."""
        ...

    def quarantine(self, queue: str, message_id: str, body: bytes, reason: str) -> None: ...


class Outbox(Protocol):
    """Messages that were promised by a transaction and are not sent yet."""

    def take(self, limit: int) -> AbstractContextManager[list[tuple[QueueName, Wakeup]]]:
        """The oldest of them; they are gone when the block ends well, and stay when it does not."""
        ...


class Queue(Protocol):
    """Hands due tasks to workers. PostgreSQL and Service Bus keep the same promises behind it."""

    def claim(self, queue: QueueName, session: UUID, limit: int, wait: float) -> list[Claim]:
        """Tasks that now belong to this session; waits up to `wait` seconds for the first."""
        ...

    def read(self, queue: QueueName, messages: Sequence[tuple[str, bytes]]) -> list[Wakeup]:
        """What messages (id, body) delivered by a host say; one that says nothing is quarantined."""
        ...

    def relay(self) -> int:
        """Send what the outbox holds; how many messages that were."""
        ...

    def collect_dead(self) -> int:
        """Read the dead letters: whatever is still due is sent again, the rest is quarantined."""
        ...

    def wake(self) -> None:
        """Let everyone who waits in `claim` return now."""
        ...

    def close(self) -> None: ...
