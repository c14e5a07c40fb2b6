"""How the installation did over hours, days and weeks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from core.insights.overview import kind_of
from core.insights.views import Moment, View
from core.states import JobStatus

LARGEST = 50_000
"""So many of the newest jobs are looked at; a window that holds more tells that it is not whole."""
FAILURES = 10_000
"""Of so many of the newest failed tasks the reasons are ranked."""


class Span(StrEnum):
    """How far back to look."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        return {Span.DAY: timedelta(days=1), Span.WEEK: timedelta(days=7)}.get(
            self, timedelta(days=30)
        )

    @property
    def slice(self) -> timedelta:
        """An hour, a quarter of a day, or a day: about thirty of them make the whole."""
        return {Span.DAY: timedelta(hours=1), Span.WEEK: timedelta(hours=6)}.get(
            self, timedelta(days=1)
        )


class HistorySlice(View):
    """Jobs of one type that ended in one slice of time, the tasks they had, and what the type's tasks moved then."""

    begin: Moment
    job_type: str
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    tasks: int = 0
    bytes_in: int = 0
    """Read from storage and from the internet by tasks at work in this slice, whenever their jobs end."""
    bytes_out: int = 0
    """Written to storage."""

    @property
    def jobs(self) -> int:
        return self.completed + self.failed + self.cancelled


class TypeHistory(View):
    """One job type over the whole window. Durations are in seconds, from a job's start to its end."""

    job_type: str
    jobs: int
    failed: int
    tasks: int
    bytes_in: int = 0
    bytes_out: int = 0
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class FailureReason(View):
    """Failed tasks of one reason; numbers in messages do not tell reasons apart."""

    job_type: str
    stage: str
    error: str | None
    message: str | None
    tasks: int
    jobs: int
    last: Moment
    job_id: str
    """The newest of those jobs."""


class History(View):
    """What ended between two moments. A slice in which a type ended and moved nothing is left out."""

    begin: Moment
    end: Moment
    slice_seconds: float
    whole: bool
    """False where the window holds more jobs than are looked at: then only the newest count."""
    slices: list[HistorySlice]
    types: list[TypeHistory]
    """The busiest first."""
    reasons: list[FailureReason]
    """The most frequent first; 20 at most, of the newest 10,000 failed tasks."""


class EndedRow(NamedTuple):
    """Jobs of one type and status that ended in one slice."""

    begin: datetime
    job_type: str
    status: JobStatus
    jobs: int
    tasks: int


class TrafficRow(NamedTuple):
    """Bytes that tasks of one type moved in one slice."""

    begin: datetime
    job_type: str
    bytes_in: int
    bytes_out: int


class DurationRow(NamedTuple):
    """How long half, nine of ten, and 99 of 100 jobs of a type took at most."""

    job_type: str
    p50: float
    p90: float
    p99: float


class HistoryReader(Protocol):
    """The part of the reader that looks back."""

    def history(self, seconds: float, slice_seconds: float, limit: int) -> list[EndedRow]: ...
    def traffic(self, seconds: float, slice_seconds: float) -> list[TrafficRow]: ...
    def durations(self, seconds: float, limit: int) -> list[DurationRow]: ...
    def reasons(self, seconds: float, limit: int) -> list[FailureReason]: ...


def history(reader: HistoryReader, span: Span) -> History:
    """Four questions, each bounded by an index over time and by a number of rows."""
    seconds, each = span.length.total_seconds(), span.slice.total_seconds()
    rows, moved = reader.history(seconds, each, LARGEST), reader.traffic(seconds, each)
    end = datetime.now(UTC)
    return History(
        begin=end - span.length,
        end=end,
        slice_seconds=each,
        whole=sum(row.jobs for row in rows) < LARGEST,
        slices=slices(rows, moved),
        types=types(rows, moved, reader.durations(seconds, LARGEST)),
        reasons=reader.reasons(seconds, FAILURES),
    )


def slices(rows: Sequence[EndedRow], moved: Sequence[TrafficRow]) -> list[HistorySlice]:
    """One for each type and time, the oldest first."""
    counts: dict[tuple[datetime, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.begin, row.job_type] += Counter(
            {kind_of(row.status): row.jobs, "tasks": row.tasks}
        )
    for each in moved:
        counts[each.begin, each.job_type] += Counter(
            {"bytes_in": each.bytes_in, "bytes_out": each.bytes_out}
        )
    return [
        HistorySlice(begin=begin, job_type=job_type, **found)
        for (begin, job_type), found in sorted(counts.items())
    ]


def types(
    rows: Sequence[EndedRow], moved: Sequence[TrafficRow], durations: Sequence[DurationRow]
) -> list[TypeHistory]:
    took = {row.job_type: row for row in durations}
    names = {row.job_type for row in rows} | {each.job_type for each in moved}
    found = [
        _of_type(
            name,
            [row for row in rows if row.job_type == name],
            [each for each in moved if each.job_type == name],
            took.get(name),
        )
        for name in sorted(names)
    ]
    return sorted(found, key=lambda each: -each.jobs)


def _of_type(
    job_type: str,
    rows: Sequence[EndedRow],
    moved: Sequence[TrafficRow],
    took: DurationRow | None,
) -> TypeHistory:
    return TypeHistory(
        job_type=job_type,
        jobs=sum(row.jobs for row in rows),
        failed=sum(row.jobs for row in rows if row.status is JobStatus.FAILED),
        tasks=sum(row.tasks for row in rows),
        bytes_in=sum(each.bytes_in for each in moved),
        bytes_out=sum(each.bytes_out for each in moved),
        p50=took and took.p50,
        p90=took and took.p90,
        p99=took and took.p99,
    )
