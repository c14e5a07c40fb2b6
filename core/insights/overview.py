"""What people want at a glance: what ended lately, which gates wait, who works for which job, and when its tasks ran."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple, Protocol

from core.insights.views import Fraction, Moment, View
from core.states import JobStatus, TaskStatus

MINUTES = 60
SLICES = 120
"""Into how many parts of equal length a timeline is cut."""
FEW = 200
"""Up to so many tasks are shown one by one."""
SHORTEST = timedelta(seconds=1)


class Minute(View):
    """Jobs that ended in one minute."""

    ago: int
    """How many minutes ago; 0 is the last sixty seconds."""
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled


class Throughput(View):
    """Jobs that ended in the last hour, the oldest minute first."""

    minutes: list[Minute]
    ended: int
    failed: int
    failure_rate: Fraction
    """Of the jobs that ended, the share that failed."""


class GateView(View):
    """A gate that waits for a person."""

    job_id: str
    job_type: str
    stage: str
    since: Moment


class GateList(View):
    """Gates that wait, the longest first."""

    gates: list[GateView]


class HandView(View):
    """A worker that works for a job now."""

    job_id: str
    host: str
    pid: int
    tasks: int


class TaskBar(View):
    """One task in a timeline."""

    task_id: str
    status: TaskStatus
    attempt: int
    started_at: Moment
    finished_at: Moment | None


class StageBand(View):
    """The tasks of one stage in a timeline."""

    stage: str
    number: int
    busy: list[int]
    """In each slice, how many tasks were under way at some moment of it."""
    failed: list[int]
    """In each slice, how many tasks ended in failure."""
    tasks: int
    bars: list[TaskBar] | None = None
    """The tasks one by one, where they are few."""


class Timeline(View):
    """When the tasks of a job's current run were under way, between two moments."""

    begin: Moment
    end: Moment
    slice_seconds: float
    stages: list[StageBand]


class Span(NamedTuple):
    """Tasks of a stage that began in one slice and ended in another; those under way end in the last one."""

    stage: int
    first: int
    last: int
    tasks: int
    failed: int


class BarRow(NamedTuple):
    """One task as a timeline shows it."""

    run: int
    stage: int
    idx: int
    status: TaskStatus
    attempt: int
    started_at: datetime
    finished_at: datetime | None


class Window(NamedTuple):
    """A stretch of time."""

    begin: datetime
    end: datetime

    @property
    def slice(self) -> float:
        """Seconds of one slice."""
        return (self.end - self.begin).total_seconds() / SLICES


class Pulse(View):
    """What changes whenever something happens."""

    latest: Moment | None
    """When the newest event of any job was written down."""
    waiting: int
    """Tasks that are due, or will be."""
    processing: int
    workers: int


class OverviewReader(Protocol):
    """The part of the reader that looks over everything."""

    def latest(self) -> datetime | None: ...
    def ended(self, minutes: int) -> list[tuple[int, JobStatus, int]]:
        """Jobs that ended so many minutes ago with that status."""
        ...

    def gates(self, limit: int) -> list[GateView]: ...
    def hands(self, job_ids: Sequence[str]) -> list[HandView]: ...
    def spans(self, homes: Sequence[int], window: Window) -> list[Span]:
        """`homes`: the run under which the tasks of each stage are kept."""
        ...

    def bars(self, homes: Sequence[int], window: Window, limit: int) -> list[BarRow]:
        """In the order in which they began."""
        ...


def throughput(rows: Sequence[tuple[int, JobStatus, int]]) -> Throughput:
    counts = {ago: {"completed": 0, "failed": 0, "cancelled": 0} for ago in range(MINUTES)}
    for ago, status, jobs in rows:
        if (minute := counts.get(ago)) is not None:
            minute[kind_of(status)] += jobs
    minutes = [Minute(ago=ago, **counts[ago]) for ago in reversed(range(MINUTES))]
    ended, failed = sum(m.ended for m in minutes), sum(m.failed for m in minutes)
    rate = failed / ended if ended else 0.0
    return Throughput(minutes=minutes, ended=ended, failed=failed, failure_rate=rate)


def kind_of(status: JobStatus) -> str:
    """Completed, failed or cancelled."""
    match status:
        case JobStatus.FAILED | JobStatus.CANCELLED:
            return status.value
        case _:
            return "completed"


def window(begin: datetime, end: datetime) -> Window:
    return Window(begin, max(end, begin + SHORTEST))


def band(stage: int, name: str, spans: Sequence[Span], bars: list[TaskBar] | None) -> StageBand:
    """Sums differences, so that a hundred thousand tasks cost what their slices cost."""
    changes, failed = [0] * (SLICES + 1), [0] * SLICES
    for span in spans:
        changes[span.first] += span.tasks
        changes[span.last + 1] -= span.tasks
        failed[span.last] += span.failed
    tasks = sum(span.tasks for span in spans)
    busy = list(accumulate(changes[:SLICES]))
    return StageBand(stage=name, number=stage, busy=busy, failed=failed, tasks=tasks, bars=bars)
