"""What a worker and a process of its heavy tasks say to each other, over a line of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from core.tasks import Claim, Ending, TaskKey
from core.watching.traffic import Moved
from core.watching.whereabouts import Line
from triggers import wiring


@dataclass(frozen=True, slots=True)
class Begin:
    """The first word: what the process works with. Secrets travel here, never by command line."""

    settings: wiring.Settings
    session: UUID
    folder: Path
    """Kept as long as the process lives; it holds the report of a crash."""
    scratch: Path
    """Where the task's temporary files go. It is emptied after every task."""
    memory: int
    """Bytes that a task may use."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The process has everything that a task needs."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run this task."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Gone:
    """The task is no longer this worker's; its next `ctx.check()` raises."""

    key: TaskKey


@dataclass(frozen=True, slots=True)
class Stop:
    """The worker stops; the next `ctx.check()` raises."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A report has renewed the task's lease."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The task wrote a line to its log."""

    line: Line


@dataclass(frozen=True, slots=True)
class Carried:
    """What the task moved."""

    moved: Moved


@dataclass(frozen=True, slots=True)
class Ended:
    """How the attempt ended."""

    ending: Ending | None
