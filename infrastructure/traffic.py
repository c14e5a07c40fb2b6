"""Bytes that job types moved, by the hour, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

from core.watching.traffic import Moved
from infrastructure.database import Database


class PostgresTraffic:
    """core.watching.traffic.TrafficBook over a Database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, moved: Mapping[str, Moved]) -> None:
        rows = sorted(
            moved.items()
        )  # the same order for all: two that add at once do not wait for each other in a ring
        values = {
            "job_type": [job_type for job_type, _ in rows],
            "read": [each.read for _, each in rows],
            "written": [each.written for _, each in rows],
        }
        self.database.execute("traffic/add_moved", values)
