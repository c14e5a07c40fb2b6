"""Letting runs in, in PostgreSQL: whose turn it is, what they wait for, and whose time is up."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from core.admission.terms import Doomed, Limit, Rate, Scope, admitted_event
from infrastructure.audit import note
from infrastructure.database import Database, sql
from infrastructure.rows import run_row
from infrastructure.turn import PostgresTurn
from infrastructure.writing import Writer


class Admitting:
    """core.admission.terms.Admissions over a Database."""

    database: Database
    writer: Writer

    @contextmanager
    def admitting(self, scope: Scope) -> Generator[PostgresTurn | None]:
        while True:
            with self.database.transaction() as conn:
                lane = conn.execute(sql("admission/next_waiting"), _columns(scope)).fetchone()
                if lane is None:
                    yield None
                    return
                turn = self._admitted(conn, *lane)
                if turn is not None:
                    yield turn
                    turn.write_events()
                    return
            # Somebody else let that one in while we waited for the lock: look again.

    def _admitted(self, conn: Connection[Any], job_type: str, key: str) -> PostgresTurn | None:
        """The first in this line, let in, if there still is room for it under the locks of its line."""
        lanes = [f"type:{job_type}", *([f"key:{key}"] if key else [])]
        for lane in lanes:
            conn.execute(sql("admission/lock_lane"), {"lane": lane})
        values = {"job_type": job_type, "key": key}
        first = conn.execute(sql("admission/first_in_lane"), values).fetchone()
        if first is None:
            return None
        run, *rates = first
        row = conn.execute(sql("admission/admit_run"), {"run_id": run}).fetchone()
        if row is None:
            return None
        for lane, count, seconds in zip(lanes, rates[::2], rates[1::2], strict=False):
            if count is not None:
                token = {"lane": lane, "count": count, "seconds": seconds}
                conn.execute(sql("admission/take_token"), token)
        turn = PostgresTurn(conn, run_row(row[:-2]), self.writer)
        turn.record(admitted_event(turn.run.number, *row[-2:]))
        return turn

    def freed_by(self, run: int) -> Scope | None:
        rows = self.database.fetch("admission/find_freed", {"run_id": run})
        if not rows or not any(rows[0]):
            return None
        key, job_type, is_awaited = rows[0]
        return Scope(key=key, job_type=job_type, ended=run if is_awaited else 0)

    def doomed(self, scope: Scope, limit: int) -> list[Doomed]:
        rows = self.database.fetch("admission/list_doomed", {**_columns(scope), "limit": limit})
        return [Doomed(*row) for row in rows]

    def dependencies(self, run: int) -> set[str]:
        rows = self.database.fetch("admission/list_dependencies", {"run_id": run})
        return {job for (job,) in rows}

    def waits_for(self, jobs: Sequence[str], run: int) -> bool:
        values = {"jobs": list(jobs), "run_id": run}
        return bool(self.database.fetch("admission/is_behind", values)[0][0])

    def limit(self, job_type: str) -> Limit:
        rows = self.database.fetch("admission/get_limit", {"job_type": job_type})
        if not rows:
            return Limit()
        most, count, seconds = rows[0]
        return Limit(most, None if count is None else Rate(count=count, seconds=seconds))

    def set_limit(self, job_type: str, limit: Limit, by: str) -> None:
        values = {
            "job_type": job_type,
            "max_running": limit.max_running,
            "count": limit.rate and limit.rate.count,
            "seconds": limit.rate and limit.rate.seconds,
            "by": by,
        }

        def act(conn: Connection[Any]) -> None:
            name = "admission/lift_limit" if limit == Limit() else "admission/set_limit"
            conn.execute(sql(name), values)
            rate = None if limit.rate is None else str(limit.rate)
            told = {"max_running": limit.max_running, "rate": rate}
            note(conn, by, "limit_changed", job_type, told)

        self.database.run(act)

    def overdue_runs(self, limit: int) -> list[int]:
        rows = self.database.fetch("admission/list_overdue_runs", {"limit": limit})
        return [run for (run,) in rows]

    def overdue_stages(self, limit: int) -> list[tuple[int, int]]:
        rows = self.database.fetch("admission/list_overdue_stages", {"limit": limit})
        return [(run, stage) for run, stage in rows]

    def drop_overdue(self, run: int, stage: int, limit: int) -> int:
        values = {"run_id": run, "stage": stage, "limit": limit}
        return self.database.execute("admission/drop_overdue", values)


def _columns(scope: Scope) -> dict[str, Any]:
    return {
        "run": scope.run,
        "key": scope.key,
        "job_type": scope.job_type,
        "ended": scope.ended,
        "everything": scope.everything,
    }
