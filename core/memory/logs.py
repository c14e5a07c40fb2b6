"""What tasks wrote to their logs, in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from core.tasks import TaskKey
from core.watching.task_logs import LogLine, Written, level_name


class MemoryTaskLogs:
    """core.watching.task_logs.TaskLogs, for tests. Stages have no names here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[TaskKey, int, int], LogLine] = {}
        self._ids = 0

    def write(self, written: Sequence[Written]) -> None:
        with self._lock:
            for each in written:
                for n, line in enumerate(each.lines, each.begin):
                    if (each.key, each.attempt, n) in self._lines:
                        continue
                    self._ids += 1
                    self._lines[each.key, each.attempt, n] = LogLine(
                        id=self._ids,
                        at=datetime.fromtimestamp(line.at, UTC),
                        level=level_name(line.level),
                        message=line.message,
                        logger=line.logger,
                        task_id=str(each.key),
                        stage=None,
                        attempt=each.attempt,
                        number=n,
                    )
                self._drop(each)

    def _drop(self, each: Written) -> None:
        for key, attempt, n in list(self._lines):
            if (key, attempt) == (each.key, each.attempt) and n < each.first:
                del self._lines[key, attempt, n]

    def read(
        self, run: int, key: TaskKey | None, after: int, level: int, limit: int
    ) -> list[LogLine]:
        levels = logging.getLevelNamesMapping()
        with self._lock:
            found = [
                line
                for (its, _, _), line in self._lines.items()
                if its.run == run and line.id > after and levels.get(line.level, 0) >= level
                if key is None or its == key
            ]
        return sorted(found, key=lambda line: line.id)[:limit]

    def dropped(self, key: TaskKey) -> int:
        first: dict[int, int] = {}
        with self._lock:
            for its, attempt, n in self._lines:
                if its == key:
                    first[attempt] = min(n, first.get(attempt, n))
        return sum(n - 1 for n in first.values())
