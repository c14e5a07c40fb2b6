"""The reading side of storage: records as they are kept, and the port that finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.admission.lines import LinesReader
from core.insights.history import HistoryReader
from core.insights.overview import OverviewReader
from core.insights.views import EventView, JobLine, QueueView, RunLine, WorkerView
from core.plan import PlannedStage
from core.ports import RunRow
from core.queues import QueueName
from core.states import JobStatus, StageStatus, TaskStatus, Verdict
from core.tasks import Payload, TaskKey


class StageRecord(BaseModel):
    """A stage that was opened. Its counts are there once it has closed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: int
    status: StageStatus
    verdict: Verdict | None
    total: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job with its current run and the run's stages, all of one moment."""

    run: RunRow
    result: Payload
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    events: int
    waits: bool
    """Whether the run has still to be let in."""
    deadline: datetime | None
    stages: Sequence[StageRecord]


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as its row tells it."""

    key: TaskKey
    status: TaskStatus
    attempt: int
    failures: int
    queue: QueueName
    session: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline: datetime | None
    due_at: datetime | None
    asks: bool
    """Whether it waits for a person."""
    progress: float | None
    note: str | None
    error: Mapping[str, Any] | None
    arguments: Payload
    result: Payload


class TaskCount(NamedTuple):
    """How many tasks of a stage have a status, and how far those under way are, added up."""

    stage: int
    status: TaskStatus
    tasks: int
    under_way: float


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; what is None does not matter."""

    status: JobStatus | None = None
    job_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    prefix: str | None = None
    text: str | None = None
    """Stands in the parameters, the job type or the error, in whatever case; of the newest 10,000 runs only."""


@dataclass(frozen=True, slots=True)
class FailingWebhook:
    """A webhook whose circuit is open, or that has been disabled."""

    webhook: UUID
    url: str
    failures: int
    reason: str | None


class Reader(HistoryReader, LinesReader, OverviewReader, Protocol):
    """Reads what the machine wrote. Lists go by key, never by offset, so a page costs the same everywhere."""

    def jobs(self, wanted: JobFilter, before: int | None, limit: int) -> list[tuple[int, JobLine]]:
        """Jobs whose current run is older than run `before`, newest first, each with its run."""
        ...

    def newest(self, statuses: Sequence[JobStatus], limit: int) -> list[JobLine]:
        """The newest jobs of each status, `limit` of each at most, all of them newest first."""
        ...

    def job(self, job_id: str, *, whole: bool = True) -> JobRecord | None:
        """The job's current run; without parameters and result unless the whole is wanted."""
        ...

    def runs(self, job_id: str) -> list[RunLine]:
        """Every run of the job, newest first."""
        ...

    def count_tasks(self, run: int, stages: Sequence[int]) -> list[TaskCount]: ...
    def tasks(
        self,
        homes: Sequence[int],
        stage: int | None,
        status: TaskStatus | None,
        after: tuple[int, int],
        limit: int,
    ) -> list[TaskRecord]:
        """Tasks behind the (stage, index) `after`, in that order, without arguments and results.

        `homes`: the run under which the tasks of each stage are kept.
        """
        ...

    def task(self, job_id: str, key: TaskKey) -> tuple[TaskRecord, Sequence[PlannedStage]] | None:
        """A task of any run of the job, with the plan of that run."""
        ...

    def results(
        self, run: int, stage: int, after: int, limit: int
    ) -> list[tuple[int, Payload]]: ...
    def events(self, job_id: str, after: int, limit: int) -> list[EventView]: ...
    def queues(self) -> list[QueueView]: ...
    def workers(self, dead_after: float) -> list[WorkerView]: ...
    def failures(self, hours: float) -> int:
        """How many tasks have failed for good in the last hours."""
        ...

    def quarantined(self) -> int: ...
    def failing_webhooks(self) -> list[FailingWebhook]:
        """Those that are not told anything because their targets do not take it."""
        ...

    def missing_migrations(self) -> list[str]: ...
