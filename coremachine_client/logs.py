"""The log lines that tasks wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from coremachine_client.jobs import JobRef, id_of
from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class LogLine(Answer):
    """A line that a task logged."""

    id: int
    """Rises with every line; ask for the lines after it."""
    at: datetime
    level: str
    message: str
    task_id: str | None = None
    stage: str | None = None
    attempt: int | None = None


class LogVerbs:
    """What a client can ask about logs."""

    transport: Transport

    def logs(
        self,
        job: JobRef,
        *,
        task_id: str | None = None,
        after: int | None = None,
        level: str | None = None,
        page_size: int = 100,
    ) -> Iterator[LogLine]:
        """What the job's tasks logged, oldest first; with `level`, only what matters at least so much."""
        path = f"/api/jobs/{id_of(job)}/logs"
        found = self.transport.pages(
            path, "lines", task_id=task_id, after=after, level=level, limit=page_size
        )
        return map(LogLine.model_validate, found)
