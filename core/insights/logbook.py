"""A job's log: what its tasks wrote, page by page."""

from __future__ import annotations

import logging
from enum import StrEnum

from core.insights.questions import Insights
from core.tasks import TaskKey
from core.watching.task_logs import LogPage, TaskLogs


class Level(StrEnum):
    """How much a line matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        return logging.getLevelNamesMapping()[self.upper()]


class Logbook:
    """Reads what tasks wrote to their logs."""

    def __init__(self, insights: Insights, logs: TaskLogs) -> None:
        self.insights = insights
        self.logs = logs

    def page(
        self,
        job_id: str,
        task_id: str | None = None,
        *,
        after: int = 0,
        level: Level = Level.DEBUG,
        limit: int = 100,
    ) -> LogPage:
        """Lines of the job's current run, or of one task of any of its runs."""
        run, key = self._place(job_id, task_id)
        found = self.logs.read(run, key, after, level.number, limit + 1)
        lines = found[:limit]
        return LogPage(
            lines=lines,
            dropped=None if key is None else self.logs.dropped(key),
            next=lines[-1].id if len(found) > limit else None,
        )

    def _place(self, job_id: str, task_id: str | None) -> tuple[int, TaskKey | None]:
        if task_id is None:
            return self.insights.current_run(job_id), None
        self.insights.task(job_id, task_id)
        key = TaskKey.parse(task_id)
        return key.run, key
