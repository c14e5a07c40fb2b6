"""What tasks wrote to their logs, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from core.tasks import TaskKey
from core.watching.task_logs import LogLine, Written, level_name
from infrastructure.database import Database, sql


class PostgresTaskLogs:
    """core.watching.task_logs.TaskLogs over a Database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def write(self, written: Sequence[Written]) -> None:
        lines, ends = _line_columns(written), _first_columns(written)

        def act(conn: Connection[Any]) -> None:
            conn.execute(sql("logs/lock_runs"), {"runs": lines["run"]})
            conn.execute(sql("logs/add_lines"), lines)
            if ends["run"]:
                conn.execute(sql("logs/drop_lines"), ends)

        self.database.run(act)

    def read(
        self, run: int, key: TaskKey | None, after: int, level: int, limit: int
    ) -> list[LogLine]:
        values: dict[str, Any] = {"run_id": run, "after": after, "level": level, "limit": limit}
        name = "logs/list_lines"
        if key is not None:
            name, values = "logs/list_task_lines", {**values, "stage": key.stage, "idx": key.idx}

        def act(conn: Connection[Any]) -> list[dict[str, Any]]:
            with conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql(name), values).fetchall()

        return [_line(row) for row in self.database.run(act)]

    def dropped(self, key: TaskKey) -> int:
        values = {"run_id": key.run, "stage": key.stage, "idx": key.idx}
        return self.database.fetch("logs/count_dropped", values)[0][0]


def _line(row: dict[str, Any]) -> LogLine:
    key = TaskKey(row.pop("run_id"), row.pop("stage_number"), row.pop("idx"))
    told = {"task_id": str(key), "level": level_name(row["level"])}
    return LogLine.model_validate(row | told)


def _line_columns(written: Sequence[Written]) -> dict[str, list[Any]]:
    rows = [
        (*each.key, each.attempt, each.begin + n, line.at, line.level, line.logger, line.message)
        for each in written
        for n, line in enumerate(each.lines)
    ]
    names = ("run", "stage", "idx", "attempt", "number", "at", "level", "logger", "message")
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def _first_columns(written: Sequence[Written]) -> dict[str, list[int]]:
    """Of attempts that have written more than is kept: where what is kept begins."""
    rows = [(*each.key, each.attempt, each.first) for each in written if each.first > 1]
    names = ("run", "stage", "idx", "attempt", "first")
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}
