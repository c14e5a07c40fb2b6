"""Schedules in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Connection
from pydantic_core import from_json

from core.errors import BadInput
from core.schedules.book import NewSchedule, Outcome, Owner, ScheduleRow, ScheduleTurn, Tick
from core.schedules.schedule import Schedule
from core.states import JobStatus
from infrastructure.audit import note
from infrastructure.database import Database, sql
from infrastructure.store import PostgresStore


class PostgresScheduleBook:
    """core.schedules.book.ScheduleBook over a Database; jobs are submitted in the same transactions."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self.database = database
        self.store = store

    def now(self) -> datetime:
        return self.database.fetch("schedules/get_now", {})[0][0]

    def add(self, new: NewSchedule) -> bool:
        values = {
            "name": new.name,
            "job_type": new.job_type,
            "owner": new.owner,
            "by": new.by,
            **_columns(new.schedule),
        }

        def act(conn: Connection[Any]) -> bool:
            is_new = conn.execute(sql("schedules/add_schedule"), values).rowcount == 1
            if is_new:
                note(conn, new.by, "schedule_created", new.name, {"job_type": new.job_type})
            return is_new

        return self.database.run(act)

    def find(self, name: str) -> ScheduleRow | None:
        rows = self.database.fetch("schedules/get_schedule", {"name": name})
        return _row(rows[0]) if rows else None

    def page(self, after: str, limit: int, job_type: str | None = None) -> list[ScheduleRow]:
        values = {"after": after, "limit": limit, "job_type": job_type}
        return [_row(row) for row in self.database.fetch("schedules/list_schedules", values)]

    def history(self, name: str, before: int | None, limit: int) -> list[Tick]:
        values = {"name": name, "before": before, "limit": limit}
        return [_tick(row) for row in self.database.fetch("schedules/list_ticks", values)]

    def wanted(self, job_types: Collection[str], limit: int) -> list[int]:
        values = {"job_types": sorted(job_types), "limit": limit}
        return [number for (number,) in self.database.fetch("schedules/list_wanted", values)]

    @contextmanager
    def turn(self, number: int) -> Generator[ScheduleTurn | None]:
        with self.database.transaction() as conn:
            yield self._turn(conn, "schedules/take_schedule", {"schedule_id": number})

    @contextmanager
    def holding(self, name: str) -> Generator[ScheduleTurn | None]:
        with self.database.transaction() as conn:
            yield self._turn(conn, "schedules/hold_schedule", {"name": name})

    def _turn(
        self, conn: Connection[Any], statement: str, values: dict[str, Any]
    ) -> ScheduleTurn | None:
        found = conn.execute(sql(statement), values).fetchone()
        if found is None:
            return None
        *row, now = found
        return PostgresScheduleTurn(conn, self.store.within(conn), _row(row), now)


class PostgresScheduleTurn:
    """core.schedules.book.ScheduleTurn in an open transaction that holds the schedule's row."""

    def __init__(
        self, conn: Connection[Any], store: PostgresStore, row: ScheduleRow, now: datetime
    ) -> None:
        self.conn = conn
        self.store = store
        self.row = row
        self.now = now

    def waiting(self, limit: int) -> Sequence[Tick]:
        values = {"schedule_id": self.row.number, "limit": limit}
        return [_tick(row) for row in self.conn.execute(sql("schedules/list_waiting"), values)]

    def status_of(self, job_id: str) -> JobStatus | None:
        row = self.conn.execute(sql("jobs/get_status"), {"job_id": job_id}).fetchone()
        return None if row is None else JobStatus(row[0])

    def take(self, tick: Tick) -> bool:
        return self.conn.execute(sql("schedules/take_tick"), self._told(tick)).rowcount == 1

    def settle(self, tick: Tick) -> None:
        self.conn.execute(sql("schedules/settle_tick"), self._told(tick))

    def write(self, row: ScheduleRow, look_at: datetime | None) -> None:
        self._note_change(row)
        self.row = row
        values = {
            "schedule_id": row.number,
            "job_type": row.job_type,
            "decided": row.decided,
            "look_at": look_at,
            "last_job": row.last_job,
            "paused_at": row.paused_at,
            "paused_by": row.paused_by,
            "changed_at": row.changed_at,
            "changed_by": row.changed_by,
            **_columns(row.schedule),
        }
        self.conn.execute(sql("schedules/write_schedule"), values)

    def delete(self, by: str) -> None:
        values = {"schedule_id": self.row.number, "by": by}
        self.conn.execute(sql("schedules/delete_schedule"), values)
        note(self.conn, by, "schedule_deleted", self.row.name)

    def _note_change(self, row: ScheduleRow) -> None:
        """What a person did; the scheduler's own writing is no change."""
        before, is_paused = self.row, row.paused_at is not None
        if is_paused and before.paused_at is None and row.paused_by is not None:
            note(self.conn, row.paused_by, "schedule_paused", row.name)
        elif not is_paused and before.paused_at is not None:
            note(self.conn, row.changed_by, "schedule_resumed", row.name)
        elif row.changed_at != before.changed_at:
            note(self.conn, row.changed_by, "schedule_changed", row.name)

    def _told(self, tick: Tick) -> dict[str, Any]:
        return {
            "schedule_id": self.row.number,
            "tick": tick.tick,
            "manual": tick.manual,
            "outcome": tick.outcome,
            "reason": tick.reason,
            "job_id": tick.job_id,
            "run": tick.run,
            "by": tick.by,
        }


def _columns(schedule: Schedule) -> dict[str, Any]:
    return {
        "parameters": json.dumps(dict(schedule.parameters)),
        "cron": schedule.cron,
        "zone": schedule.zone,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "backlog": schedule.backlog,
    }


def _row(row: Sequence[Any]) -> ScheduleRow:
    number, name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner, *rest = row
    decided, created_at, created_by, changed_at, changed_by, paused_at, paused_by, last_job = rest
    try:
        schedule = Schedule(cron, zone, from_json(parameters), overlap, catch_up, backlog)
    except ValueError as error:
        raise BadInput(f"schedule {name} is stored, but makes no sense here: {error}") from error
    return ScheduleRow(
        number=number,
        name=name,
        job_type=job_type,
        schedule=schedule,
        owner=Owner(owner),
        decided=decided,
        created_at=created_at,
        created_by=created_by,
        changed_at=changed_at,
        changed_by=changed_by,
        paused_at=paused_at,
        paused_by=paused_by,
        last_job=last_job,
    )


def _tick(row: Sequence[Any]) -> Tick:
    tick, outcome, reason, job_id, run, manual, by, at, number = row
    return Tick(tick, Outcome(outcome), reason, job_id, run, manual, by, at, number)
