"""Housekeeping in PostgreSQL: old rows go in chunks, and the server's own views say how it is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from core.tasks import TaskKey, Wakeup
from core.upkeep.keeping import ActivityView, Keeping, MigrationView, TableView
from core.upkeep.letters import LetterNotFound, LetterRow
from infrastructure.database import Database, sql
from infrastructure.migrations import migrate, migrations, rebuild
from infrastructure.rows import key_columns

AUDIT = "audit notes"
OLD = {
    "dead letters": ("maintenance/count_old_letters", "maintenance/prune_letters"),
    "log lines": ("maintenance/count_old_lines", "maintenance/prune_lines"),
    "schedule ticks": ("maintenance/count_old_ticks", "maintenance/prune_ticks"),
    "bytes by the hour": ("maintenance/count_old_traffic", "maintenance/prune_traffic"),
    "batches": ("maintenance/count_old_batches", "maintenance/prune_batches"),
    AUDIT: ("maintenance/count_old_notes", "maintenance/prune_notes"),
}
"""What is pruned by age, and the statements that count and remove it."""


def _values(what: str, keeping: Keeping, limit: int) -> dict[str, Any]:
    return {"older": keeping.audit if what == AUDIT else keeping.details, "limit": limit}


class PostgresSteward:
    """core.upkeep.keeping.Steward over a Database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # messages set aside

    def letters(self, before: int | None, limit: int) -> list[LetterRow]:
        rows = self.database.fetch("letters/list_letters", {"before": before, "limit": limit})
        return [_letter(row) for row in rows]

    def letter(self, number: int) -> LetterRow | None:
        rows = self.database.fetch("letters/get_letter", {"id": number})
        return _letter(rows[0]) if rows else None

    def drop_letter(self, number: int) -> bool:
        return self.database.execute("letters/drop_letter", {"id": number}) == 1

    def send_again(self, number: int, wakeup: Wakeup) -> bool:
        key = wakeup.key
        values = {"run_id": key.run, "stage": key.stage, "idx": key.idx, "attempt": wakeup.attempt}

        def act(conn: Connection[Any]) -> bool:
            if not conn.execute(sql("letters/drop_letter"), {"id": number}).rowcount:
                raise LetterNotFound(f"No message {number} is set aside.")
            return conn.execute(sql("letters/send_again"), values).rowcount == 1

        return self.database.run(act)

    # what is old

    def old(self, keeping: Keeping, limit: int) -> dict[str, int]:
        return {
            what: self.database.fetch(count, _values(what, keeping, limit))[0][0]
            for what, (count, _) in OLD.items()
        }

    def prune(self, keeping: Keeping, limit: int) -> dict[str, int]:
        return {
            what: self.database.execute(prune, _values(what, keeping, limit))
            for what, (_, prune) in OLD.items()
        }

    def expired(self, older: timedelta, limit: int) -> list[str]:
        values = {"older": older, "limit": limit}
        return [job_id for (job_id,) in self.database.fetch("maintenance/list_expired", values)]

    def known_runs(self, runs: Sequence[int]) -> set[int]:
        rows = self.database.fetch("maintenance/list_known_runs", {"runs": list(runs)})
        return {run for (run,) in rows}

    def at_work(self, keys: Sequence[TaskKey]) -> set[TaskKey]:
        columns = key_columns([(key, 0) for key in keys])
        rows = self.database.fetch("maintenance/list_at_work", columns)
        return {TaskKey(run, stage, idx) for run, stage, idx in rows}

    def now(self) -> datetime:
        return self.database.fetch("maintenance/get_time", {})[0][0]

    # the database itself

    def tables(self) -> list[TableView]:
        return [TableView(**row) for row in self._dicts("maintenance/list_tables")]

    def activity(self) -> list[ActivityView]:
        return [ActivityView(**row) for row in self._dicts("maintenance/list_activity")]

    def migrations(self) -> list[MigrationView]:
        applied = {row["number"]: row for row in self._dicts("maintenance/list_applied")}
        known = {number: name for number, name, _ in migrations()}
        return [
            MigrationView(
                number=number,
                name=known.get(number) or applied[number]["name"],
                applied_at=applied[number]["at"] if number in applied else None,
            )
            for number in sorted(known.keys() | applied.keys())
        ]

    def ensure(self) -> list[str]:
        return migrate(self.database.dsn)

    def rebuild(self) -> tuple[list[str], list[str]]:
        return rebuild(self.database.dsn)

    def _dicts(self, name: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        def act(conn: Connection[Any]) -> list[dict[str, Any]]:
            with conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql(name), values or {}, prepare=False).fetchall()

        return self.database.run(act)


def _letter(row: Sequence[Any]) -> LetterRow:
    number, queue, message_id, body, reason, at = row
    return LetterRow(number, queue, message_id, bytes(body), reason, at)
