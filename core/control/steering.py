"""What the control verbs need from the store: a turn at a job, holding tasks back, and carrying them over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from core.plan import Carried
from core.states import TaskStatus
from core.tasks import Claim, Payload, TaskKey

if TYPE_CHECKING:
    from core.ports import NewRun, Turn


class JobTurn(Protocol):
    """Somebody's turn at a job: a transaction that holds the job's lock and its current run's row.

    All that is written through it becomes true at once or never. Submissions wait for it, and so do closes.
    """

    @property
    def current(self) -> Turn: ...
    @property
    def request(self) -> UUID:
        """What asked for the current run; whoever lost a reply finds the own run by it."""
        ...

    @property
    def started(self) -> bool:
        """Whether a task of the current run was ever claimed."""
        ...

    @property
    def deleting(self) -> bool: ...
    def begin(self, new: NewRun) -> Turn:
        """Write down the job's next run, which stands for the job from now on."""
        ...

    def task(self, key: TaskKey) -> TaskStatus | None: ...
    def mark_deleting(self, by: str, *, outputs: bool) -> None:
        """From now on nothing can be done to the job; `outputs` tells whether what it stored goes too.

        Its events go with it, so who did this is written down elsewhere.
        """
        ...


@dataclass(frozen=True, slots=True)
class Census:
    """What the store keeps of a job."""

    runs: int = 0
    tasks: int = 0
    checkpoints: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class TaskTrace:
    """What a task leaves behind: the attempts at it, and everything its records say."""

    key: TaskKey
    attempts: int
    payloads: Sequence[Payload]


class Steering(Protocol):
    """The part of the store that people steer jobs by."""

    def job_turn(self, job_id: str) -> AbstractContextManager[JobTurn]:
        """Raises JobNotFound when there is no such job."""
        ...

    # pauses
    def hold(self, run: int, limit: int) -> int:
        """Set queued tasks of a paused run aside; how many. None, once it is no longer paused."""
        ...

    def release(self, run: int, limit: int) -> int:
        """Make tasks due again that a pause had set aside, unless the run is paused."""
        ...

    def unheld(self, limit: int) -> list[int]:
        """Paused runs that still have queued tasks."""
        ...

    def unreleased(self, limit: int) -> list[int]:
        """Runs that go on, and have tasks that were set aside."""
        ...

    # runs that go on from others
    def carry_tasks(
        self, claim: Claim, session: UUID, carried: Carried, after: int, limit: int
    ) -> int | None:
        """Take over the next tasks of an earlier run's stage, as the owner of the planning: the last index, or None.

        Completed ones are kept as they are; the others are due again, with the checkpoints of their phases.
        """
        ...

    # deletion
    def deleting(self, limit: int) -> list[tuple[str, bool]]:
        """Jobs that somebody has begun to delete, each with whether what it stored goes too."""
        ...

    def census(self, job_id: str) -> Census: ...
    def run_payloads(self, job_id: str) -> list[tuple[int, list[Payload]]]:
        """Every run of the job, with its parameters and its result."""
        ...

    def traces(self, job_id: str, after: TaskKey, limit: int) -> list[TaskTrace]:
        """What the next tasks behind `after` leave behind, of all runs."""
        ...

    def forget_tasks(self, job_id: str, keys: Sequence[TaskKey]) -> None:
        """Remove these tasks and their checkpoints, if the job is being deleted."""
        ...

    def forget_events(self, job_id: str, limit: int) -> int: ...
    def forget_job(self, job_id: str) -> bool:
        """Remove the job with its runs and stages; False while it has tasks or events."""
        ...
