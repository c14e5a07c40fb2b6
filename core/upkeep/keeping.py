"""Housekeeping as values: how long things are kept, what has been removed, and how the database is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.insights.views import Moment, View
from core.tasks import TaskKey
from core.upkeep.letters import LetterBox


class TableView(View):
    """How large a table is, and how well it is kept."""

    name: str
    rows: int
    """As the statistics estimate."""
    dead_rows: int
    bytes: int
    index_bytes: int
    vacuumed_at: Moment | None
    analyzed_at: Moment | None


class ActivityView(View):
    """A connection to this database, and what it does."""

    pid: int
    application: str
    state: str
    seconds: float
    """Since the statement began, or since the last one ended."""
    in_transaction_seconds: float | None
    waits_for: str | None
    statement: str
    blocked_by: list[int]


class MigrationView(View):
    """A migration of this code, and when it was applied to this database."""

    number: int
    name: str
    applied_at: Moment | None


class Swept(View):
    """What has been removed, or would be (`dry_run`)."""

    dry_run: bool
    records: dict[str, int] = {}
    """Rows, by what they were."""
    jobs: list[str] = []
    """Jobs whose records were kept long enough; up to a thousand."""
    blobs: int = 0
    bytes: int = 0
    names: list[str] = []
    """Blobs that nobody will ask for any more; up to a thousand."""
    done: bool = True
    """Whether nothing is left to do; the next round goes on."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept."""

    jobs: timedelta | None = None
    """Records of jobs that have ended; for ever when None. What jobs have stored is never touched."""
    details: timedelta = timedelta(days=30)
    """Messages set aside, lines of logs, ticks of schedules, lists of batches, bytes by the hour."""
    audit: timedelta = timedelta(days=365)
    """Who changed what."""
    blobs: timedelta = timedelta(hours=24)
    """Temporary blobs whose writers are gone."""


class Steward(LetterBox, Protocol):
    """The part of the store that housekeeping needs."""

    def old(self, keeping: Keeping, limit: int) -> dict[str, int]:
        """Rows that have been kept long enough, counted by what they are, up to the limit each."""
        ...

    def prune(self, keeping: Keeping, limit: int) -> dict[str, int]:
        """Remove a bounded part of them; how many of each."""
        ...

    def expired(self, older: timedelta, limit: int) -> list[str]:
        """Jobs whose current run ended longer ago than that."""
        ...

    def known_runs(self, runs: Sequence[int]) -> set[int]: ...
    def at_work(self, keys: Sequence[TaskKey]) -> set[TaskKey]:
        """Those of the tasks that somebody is working on now."""
        ...

    def now(self) -> datetime: ...

    # the database itself
    def tables(self) -> list[TableView]: ...
    def activity(self) -> list[ActivityView]: ...
    def migrations(self) -> list[MigrationView]: ...
    def ensure(self) -> list[str]:
        """Apply the migrations that are missing; their names."""
        ...

    def rebuild(self) -> tuple[list[str], list[str]]:
        """Make the tables anew. Gives the migrations applied, and the tables whose rows were kept. Refused while jobs run."""
        ...
