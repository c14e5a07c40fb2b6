"""Lines in which runs wait: what a run waits for, who holds a key, what an operator allows. As people see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.admission.terms import Limit, Rate
from core.insights.views import Moment, View, WaitingView
from core.job import JobBase
from core.states import JobStatus


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """What stands between a waiting run and its start."""

    key: str = ""
    at_most: int | None = None
    max_running: int | None = None
    rate: Rate | None = None
    key_rate: Rate | None = None
    is_early: bool = False
    key_full: bool = False
    type_full: bool = False
    type_pause: float = 0.0
    """Seconds until the rate of its type allows another start."""
    key_pause: float = 0.0
    awaited: Sequence[str] = field(default_factory=tuple[str, ...])
    """Jobs it comes after that have not ended."""
    holders: Sequence[str] = field(default_factory=tuple[str, ...])
    """Jobs whose runs have the key now; the first few."""
    ahead: int = 0
    """Runs in the same line that go first."""


def waiting_view(row: WaitingRow) -> WaitingView:
    """The first thing that would have to change, in words."""
    ahead = f"; {row.ahead} go first" if row.ahead else ""
    key = row.key or None
    if row.is_early:
        jobs = list(row.awaited)
        message = f"it waits for {len(jobs)} job(s) that have not ended"
        return WaitingView(reason="dependencies", message=message, jobs=jobs)
    if row.key_full:
        message = f"{row.at_most} run(s) of {row.key!r} may run at once, and do{ahead}"
        jobs = list(row.holders)
        return WaitingView(reason="concurrency", message=message, key=key, jobs=jobs)
    if row.type_full:
        message = f"an operator lets {row.max_running} run(s) of this job type run at once{ahead}"
        return WaitingView(reason="max_running", message=message)
    for pause, rate, name in ((row.type_pause, row.rate, None), (row.key_pause, row.key_rate, key)):
        if pause > 0:
            message = f"{rate} may start; the next one in {pause:.0f} s{ahead}"
            return WaitingView(reason="rate", message=message, key=name)
    return WaitingView(reason="turn", message=f"it will be let in in a moment{ahead}", key=key)


class RunInLine(View):
    """A run that holds a key, or waits for it."""

    job_id: str
    job_type: str
    run: int
    status: JobStatus
    priority: int
    since: Moment
    """Since when it runs, or waits."""


class KeyView(View):
    """A concurrency key that somebody holds or waits for."""

    key: str
    at_most: int | None
    """How many of its runs may run at once."""
    holders: list[RunInLine]
    """The first hundred of them."""
    waiting: int
    next: list[RunInLine]
    """The first ten who wait, in the order in which they will be let in."""


class KeyPage(View):
    """Part of the concurrency keys, in order; `next` is the cursor of the part that follows."""

    keys: list[KeyView]
    next: str | None


class LimitRow(View):
    """What an operator has set, and what is so now."""

    max_running: int | None = None
    rate_count: int | None = None
    rate_seconds: float | None = None
    set_by: str | None = None
    set_at: Moment | None = None
    running: int = 0
    waiting: int = 0


class LimitView(View):
    """What a job type may do at once."""

    job_type: str
    max_running: int | None
    """How many of its runs may run at once; null is as many as there are."""
    rate: str | None
    """How fast an operator lets its runs start; null is as the job type says."""
    own_rate: str | None
    """How fast the job type itself says."""
    set_by: str | None
    set_at: Moment | None
    running: int
    waiting: int
    """Runs that were not let in yet, for whatever reason."""


def limit_view(job: type[JobBase], row: LimitRow) -> LimitView:
    rate = None
    if row.rate_count is not None and row.rate_seconds is not None:
        rate = str(Rate(count=row.rate_count, seconds=row.rate_seconds))
    return LimitView(
        job_type=job.job_type,
        max_running=row.max_running,
        rate=rate,
        own_rate=None if job.rate is None else str(job.rate),
        set_by=row.set_by,
        set_at=row.set_at,
        running=row.running,
        waiting=row.waiting,
    )


def limit_of(max_running: int | None, rate: str | None) -> Limit:
    return Limit(max_running, None if rate is None else Rate.of(rate))


class LinesReader(Protocol):
    """The part of the reader that looks at lines."""

    def waiting(self, run: int) -> WaitingRow | None:
        """None when the run does not wait, or no longer."""
        ...

    def keys(self, after: str, limit: int) -> list[KeyView]: ...
    def limit(self, job_type: str) -> LimitRow: ...
