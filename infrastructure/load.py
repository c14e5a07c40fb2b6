"""Measures the load in PostgreSQL, seldom enough to cost little whatever waits there."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from core.insights.load import Load, MessageLoad, TaskLoad, WorkerLoad
from core.kept import Kept
from core.states import JobStatus
from infrastructure.database import Database, sql

COUNTED = 10_000
FRESH = 3.0
"""Seconds for which an answer serves at least."""


class PostgresScales:
    """core.insights.load.Scales over a Database. Nothing here writes or waits for a lock."""

    def __init__(self, database: Database, *, dead_after: float = 20.0) -> None:
        self.database = database
        self.dead_after = dead_after
        self._kept: Kept[str, Load] = Kept(least=FRESH)

    def load(self) -> Load:
        return self._kept.get("", self.measure)

    def measure(self) -> Load:
        """Once, and not again when it fails: whoever watches asks again soon."""
        with self.database.transaction() as conn:
            return Load(
                tasks=[TaskLoad(**row) for row in _rows(conn, "insights/measure_tasks")],
                jobs={
                    JobStatus(row["status"]): row["jobs"]
                    for row in _rows(conn, "insights/measure_jobs")
                },
                workers=[
                    WorkerLoad(**row)
                    for row in _rows(
                        conn, "insights/measure_workers", {"dead_after": self.dead_after}
                    )
                ],
                messages=MessageLoad(
                    **_rows(conn, "insights/measure_messages", {"limit": COUNTED})[0]
                ),
            )


def _rows(
    conn: Connection[Any], name: str, values: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Planned anew each time, for there may be one task or a million."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(name), values, prepare=False).fetchall()
