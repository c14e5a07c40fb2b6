"""Reads jobs, tasks, events, queues and workers from PostgreSQL, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection, errors
from psycopg.rows import dict_row
from pydantic import TypeAdapter
from pydantic_core import from_json

from core.insights.reading import (
    FailingWebhook,
    JobFilter,
    JobRecord,
    StageRecord,
    TaskCount,
    TaskRecord,
)
from core.insights.views import EventView, JobLine, QueueView, RunLine, WorkerView
from core.plan import PlannedStage
from core.queues import QueueName
from core.states import JobStatus, TaskStatus
from core.tasks import Payload, TaskKey
from core.webhooks.rules import OPENS_AFTER
from infrastructure.database import Database, sql
from infrastructure.migrations import migrations
from infrastructure.reading.history import HistoryReading
from infrastructure.reading.lines import LinesReading
from infrastructure.reading.overview import OverviewReading
from infrastructure.rows import ERROR, PLAN, run_row

STAGES: TypeAdapter[list[StageRecord]] = TypeAdapter(list[StageRecord])
LAST_STAGE = 32767
RUN_COLUMNS = 10
TASK_COLUMNS = 16


class PostgresReader(HistoryReading, LinesReading, OverviewReading):
    """core.insights.reading.Reader over a Database. Nothing here writes or waits for a lock."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def jobs(self, wanted: JobFilter, before: int | None, limit: int) -> list[tuple[int, JobLine]]:
        values = {
            "before": before,
            "limit": limit,
            "status": wanted.status,
            "job_type": wanted.job_type,
            "created_after": wanted.created_after,
            "created_before": wanted.created_before,
            "prefix": wanted.prefix,
            "text": wanted.text,
        }
        name = "insights/list_jobs" if wanted.text is None else "insights/search_jobs"
        return [(row.pop("id"), _line(row)) for row in self._dicts(name, values)]

    def newest(self, statuses: Sequence[JobStatus], limit: int) -> list[JobLine]:
        values = {"statuses": list(statuses), "limit": limit}
        return [_line(row) for row in self._dicts("insights/list_newest", values)]

    def job(self, job_id: str, *, whole: bool = True) -> JobRecord | None:
        rows = self.database.fetch("insights/get_job", {"job_id": job_id, "whole": whole})
        return _job(rows[0]) if rows else None

    def runs(self, job_id: str) -> list[RunLine]:
        return [RunLine(**row) for row in self._dicts("insights/list_runs", {"job_id": job_id})]

    def count_tasks(self, run: int, stages: Sequence[int]) -> list[TaskCount]:
        values = {"run_id": run, "stages": list(stages)}
        return [
            TaskCount(stage, TaskStatus(status), tasks, under_way)
            for stage, status, tasks, under_way in self.database.fetch(
                "insights/count_tasks", values
            )
        ]

    def tasks(
        self,
        homes: Sequence[int],
        stage: int | None,
        status: TaskStatus | None,
        after: tuple[int, int],
        limit: int,
    ) -> list[TaskRecord]:
        values = {
            "run_id": homes[-1],
            "homes": list(homes),
            "last_stage": LAST_STAGE if stage is None else stage,
            "status": status,
            "first_stage": after[0],
            "first": after[1] + 1,
            "limit": limit,
        }
        name = _listing(status) if len(set(homes)) == 1 else "insights/list_carried_tasks"
        return [_task(row) for row in self._rows(name, values)]

    def task(self, job_id: str, key: TaskKey) -> tuple[TaskRecord, Sequence[PlannedStage]] | None:
        values = {"job_id": job_id, "run_id": key.run, "stage": key.stage, "idx": key.idx}
        rows = self.database.fetch("insights/get_task", values)
        return (_task(rows[0]), PLAN.validate_json(rows[0][-1])) if rows else None

    def results(self, run: int, stage: int, after: int, limit: int) -> list[tuple[int, Payload]]:
        values = {"run_id": run, "stage": stage, "after": after, "limit": limit}
        rows = self.database.fetch("tasks/list_results", values)
        return [(idx, Payload(data, ref)) for idx, data, ref in rows]

    def events(self, job_id: str, after: int, limit: int) -> list[EventView]:
        values = {"job_id": job_id, "after": after, "limit": limit}
        return [_event(row) for row in self._dicts("insights/list_events", values)]

    def queues(self) -> list[QueueView]:
        rows = self._dicts("insights/list_queues", {"queues": list(QueueName)})
        return [QueueView(**row) for row in rows]

    def workers(self, dead_after: float) -> list[WorkerView]:
        rows = self._dicts("insights/list_workers", {"dead_after": dead_after})
        return [WorkerView(**row) for row in rows]

    def failures(self, hours: float) -> int:
        return self.database.fetch("insights/count_failures", {"hours": hours})[0][0]

    def quarantined(self) -> int:
        return self.database.fetch("insights/count_quarantined", {})[0][0]

    def failing_webhooks(self) -> list[FailingWebhook]:
        rows = self.database.fetch("webhooks/list_failing", {"opens_after": OPENS_AFTER})
        return [FailingWebhook(*row) for row in rows]

    def missing_migrations(self) -> list[str]:
        try:
            applied = {number for (number,) in self.database.fetch("insights/list_migrations", {})}
        except errors.UndefinedTable:
            applied = set[int]()
        return [name for number, name, _ in migrations() if number not in applied]

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Planned anew each time: which index serves best depends on the filters."""

        def act(conn: Connection[Any]) -> list[tuple[Any, ...]]:
            return conn.execute(sql(name), values, prepare=False).fetchall()

        return self.database.run(act)

    def _dicts(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        def act(conn: Connection[Any]) -> list[dict[str, Any]]:
            with conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql(name), values, prepare=False).fetchall()

        return self.database.run(act)


def _line(row: dict[str, Any]) -> JobLine:
    return JobLine.model_validate(row | {"parameters": _json(row["parameters"])})


def _listing(status: TaskStatus | None) -> str:
    """The statement whose index knows tasks of that status."""
    match status:
        case TaskStatus.QUEUED | TaskStatus.PROCESSING | TaskStatus.WAITING:
            return "insights/list_open_tasks"
        case TaskStatus.FAILED:
            return "insights/list_failed_tasks"
        case _:
            return "insights/list_tasks"


def _job(row: Sequence[Any]) -> JobRecord:
    result, ref, error, created, started, finished, events, waits, deadline, stages = row[
        RUN_COLUMNS:
    ]
    return JobRecord(
        run=run_row(row[:RUN_COLUMNS]),
        result=Payload(result, ref),
        error=_fault(error),
        created_at=created,
        started_at=started,
        finished_at=finished,
        events=events,
        waits=waits,
        deadline=deadline,
        stages=STAGES.validate_json(stages) if stages else [],
    )


def _task(row: Sequence[Any]) -> TaskRecord:
    run, stage, idx, status, attempt, failures, queue, session, *rest = row[:TASK_COLUMNS]
    started, finished, deadline, due, asks, progress, note, error = rest
    arguments, arguments_ref, result, result_ref = (tuple(row[TASK_COLUMNS:]) or (None,) * 4)[:4]
    return TaskRecord(
        key=TaskKey(run, stage, idx),
        status=TaskStatus(status),
        attempt=attempt,
        failures=failures,
        queue=QueueName(queue),
        session=session,
        started_at=started,
        finished_at=finished,
        deadline=deadline,
        due_at=due,
        asks=asks,
        progress=progress,
        note=note,
        error=_fault(error),
        arguments=Payload(arguments, arguments_ref),
        result=Payload(result, result_ref),
    )


def _event(row: dict[str, Any]) -> EventView:
    run, stage, idx = row.pop("run_id"), row.pop("stage_number"), row.pop("idx")
    task = None if idx is None else str(TaskKey(run, stage, idx))
    return EventView.model_validate(row | {"task_id": task, "data": _json(row["data"])})


def _fault(error: bytes | None) -> Mapping[str, Any] | None:
    return None if error is None else ERROR.validate_json(error)


def _json(data: bytes | None) -> Any:
    return None if data is None else from_json(data)
