"""What the machine tells those who watch it: a meter, a tracer and a scribe. By default nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from core.ports import Repairs
from core.states import JobStatus
from core.tasks import Again, Asked, Completed, Ending, Failed, Released
from core.watching.scribe import Scribe
from core.watching.traffic import Moved, Traffic
from core.watching.whereabouts import Line, Mark

PLANNED = "planned"


class Meter(Protocol):
    """Counts. Nothing it is told names a single job, so that what it keeps stays small."""

    def job_submitted(self, job_type: str) -> None: ...
    def job_ended(self, job_type: str, status: JobStatus) -> None: ...
    def task_ended(self, job_type: str, stage: str, outcome: str, seconds: float) -> None:
        """An attempt ended in this process, or a planning task did."""
        ...

    def stage_closed(self, job_type: str, seconds: float) -> None:
        """So long after its last task had ended, a stage was closed."""
        ...

    def repaired(self, repairs: Repairs, dead_letters: int, seconds: float) -> None: ...
    def request_began(self) -> None: ...
    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """`seconds`: until the answer began, so that streams do not count for as long as they are open."""
        ...


class Span(Protocol):
    """Part of a trace that is under way."""

    def tell(self, **facts: str | int) -> None: ...
    def rename(self, name: str) -> None: ...
    def fail(self, why: str) -> None: ...


class Tracer(Protocol):
    """Traces go from a request to the run that it began; spans of tasks are linked to it."""

    @property
    def on(self) -> bool:
        """Whether anybody traces. What costs a look-up is not asked for when nobody does."""
        ...

    def carried(self) -> str | None:
        """The trace that is under way here, in a form that can be kept (a W3C traceparent)."""
        ...

    def request(self, method: str, carried: str | None) -> AbstractContextManager[Span]:
        """A request is served; `carried` is the caller's own trace."""
        ...

    def task(self, mark: Mark, submitted: str | None) -> AbstractContextManager[Span]:
        """A task is worked on; `submitted` is the trace of the submission that began its run."""
        ...

    def close(self) -> None:
        """Send what has not been sent."""
        ...


class NoMeter:
    """Counts nothing."""

    def job_submitted(self, job_type: str) -> None: ...
    def job_ended(self, job_type: str, status: JobStatus) -> None: ...
    def task_ended(self, job_type: str, stage: str, outcome: str, seconds: float) -> None: ...
    def stage_closed(self, job_type: str, seconds: float) -> None: ...
    def repaired(self, repairs: Repairs, dead_letters: int, seconds: float) -> None: ...
    def request_began(self) -> None: ...
    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None: ...


class NoSpan:
    """Keeps nothing."""

    def tell(self, **facts: str | int) -> None: ...
    def rename(self, name: str) -> None: ...
    def fail(self, why: str) -> None: ...


_nothing = nullcontext(NoSpan())


class NoTracer:
    """Traces nothing, and costs nothing."""

    on = False

    def carried(self) -> str | None:
        return None

    def request(self, method: str, carried: str | None) -> AbstractContextManager[Span]:
        return _nothing

    def task(self, mark: Mark, submitted: str | None) -> AbstractContextManager[Span]:
        return _nothing

    def close(self) -> None: ...


class Flushed(Protocol):
    """Collects in memory what is written down now and then."""

    def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches this process."""

    meter: Meter = field(default_factory=NoMeter)
    tracer: Tracer = field(default_factory=NoTracer)
    scribe: Scribe | None = None
    keep: Callable[[Mark, Line], None] | None = None
    """Takes what tasks log: the scribe's, or in a process of a heavy task what sends it to the worker."""
    traffic: Traffic | None = None
    moved: Callable[[str, Moved], None] | None = None
    """Takes what a task of a job type moved, in the same way."""

    @property
    def books(self) -> tuple[Flushed, ...]:
        return tuple(book for book in (self.scribe, self.traffic) if book is not None)


def outcome_of(ending: Ending | None) -> str:
    """How an attempt ended, in a word."""
    match ending:
        case None:
            return PLANNED
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Again(counted=True):
            return "retried"
        case Again():
            return "postponed"
        case Released():
            return "released"
        case Asked():
            return "asked"
