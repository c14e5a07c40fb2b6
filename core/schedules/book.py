"""What schedules need of storage: their rows, the history of their ticks, and a turn at one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.ports import Store
from core.schedules.schedule import Schedule
from core.states import JobStatus


class Owner(StrEnum):
    """Who says what a schedule is: the job's class, or people."""

    CLASS = "class"
    PERSON = "person"


class Outcome(StrEnum):
    """What became of a tick."""

    SUBMITTED = "submitted"
    WAITING = "waiting"
    SKIPPED = "skipped"
    MISSED = "missed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be written down."""

    name: str
    job_type: str
    schedule: Schedule
    owner: Owner
    by: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule as it is kept."""

    number: int
    """Told apart from an earlier schedule of the same name."""
    name: str
    job_type: str
    schedule: Schedule
    owner: Owner
    decided: datetime
    """Everything up to this moment has been decided; later ticks are still to come."""
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    paused_at: datetime | None = None
    paused_by: str | None = None
    last_job: str | None = None
    """The job that it submitted last."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick, and what became of it. A manual one is the moment at which a person pressed the button."""

    tick: datetime
    outcome: Outcome
    reason: str | None = None
    job_id: str | None = None
    run: int | None = None
    manual: bool = False
    by: str | None = None
    at: datetime | None = None
    """When that was decided; the store says."""
    number: int = 0


class ScheduleTurn(Protocol):
    """A transaction that holds one schedule: everything written here becomes true at once or never."""

    @property
    def row(self) -> ScheduleRow: ...
    @property
    def now(self) -> datetime: ...
    @property
    def store(self) -> Store:
        """The store, inside this transaction."""
        ...

    def waiting(self, limit: int) -> Sequence[Tick]:
        """Ticks that wait for the run before, oldest first."""
        ...

    def status_of(self, job_id: str) -> JobStatus | None: ...
    def take(self, tick: Tick) -> bool:
        """Write a tick down; False when it stands there already, whoever wrote it."""
        ...

    def settle(self, tick: Tick) -> None:
        """Write down what became of a tick that was taken."""
        ...

    def write(self, row: ScheduleRow, look_at: datetime | None) -> None:
        """Change the schedule; the scheduler looks at it again at that moment, or never."""
        ...

    def delete(self, by: str) -> None:
        """Its history stays; ticks that wait are skipped."""
        ...


class ScheduleBook(Protocol):
    """Where schedules are kept. Names are unique among those that are not deleted."""

    def add(self, new: NewSchedule) -> bool:
        """Write a schedule down, its time beginning now; False when the name is taken."""
        ...

    def find(self, name: str) -> ScheduleRow | None: ...
    def page(self, after: str, limit: int, job_type: str | None = None) -> list[ScheduleRow]:
        """Those whose names come after that one, by name."""
        ...

    def history(self, name: str, before: int | None, limit: int) -> list[Tick]:
        """Ticks of every schedule that has had this name, the last decided first."""
        ...

    def wanted(self, job_types: Collection[str], limit: int) -> list[int]:
        """Schedules of these job types that have something to be decided."""
        ...

    def turn(self, number: int) -> AbstractContextManager[ScheduleTurn | None]:
        """Hold a schedule; None when another one holds it, or it is paused or gone."""
        ...

    def holding(self, name: str) -> AbstractContextManager[ScheduleTurn | None]:
        """Hold a schedule as soon as it is free; None when there is none."""
        ...

    def now(self) -> datetime: ...
