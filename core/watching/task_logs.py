"""What tasks wrote to their logs, as it is kept and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.insights.views import Moment, View
from core.tasks import TaskKey
from core.watching.whereabouts import Line

_NAMES = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def level_name(level: int) -> str:
    """The name of the nearest level that is not above it."""
    return _NAMES[min(max(level // 10 * 10, 10), 50)]


@dataclass(frozen=True, slots=True)
class Written:
    """New lines of one attempt, numbered on from `begin`; of all it wrote, those before `first` are dropped."""

    key: TaskKey
    attempt: int
    first: int
    begin: int
    lines: Sequence[Line]


class LogLine(View):
    """A line of a task's log."""

    id: int
    """Rises with every line of the run; ask for the lines after it."""
    at: Moment
    """By the clock of the worker that wrote it."""
    level: str
    message: str
    logger: str
    task_id: str
    stage: str | None
    attempt: int
    number: int
    """Counts the lines of the attempt from 1. Where the first one kept is not 1, the lines before it were dropped."""


class LogPage(View):
    """Lines of a job's log in the order they were written down; `next` is the id to ask for the lines after."""

    lines: list[LogLine]
    dropped: int | None
    """Of a single task: how many of its lines were not kept, because it wrote more than is kept of one."""
    next: int | None


class TaskLogs(Protocol):
    """Keeps lines. A line is kept once, however often it is written."""

    def write(self, written: Sequence[Written]) -> None: ...
    def read(
        self, run: int, key: TaskKey | None, after: int, level: int, limit: int
    ) -> list[LogLine]:
        """Lines of a run, or of one of its tasks, with ids beyond `after`, of at least that level."""
        ...

    def dropped(self, key: TaskKey) -> int: ...
