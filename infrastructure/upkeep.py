"""The store's upkeep: sessions and heartbeats, and everything the reconciler puts right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection

from core.crashpoints import crashpoint
from core.ports import Limits, Repairs, Worker
from core.tasks import Claim, Event, TaskKey
from infrastructure.database import Statements, sql
from infrastructure.rows import ERROR, key_columns
from infrastructure.writing import Writer, due_rows

TIDY_EVERY = 3_600.0


class Upkeep:
    """Workers come and go here. Every repair is idempotent, takes a bounded chunk, and skips locked rows."""

    def __init__(self, database: Statements, writer: Writer) -> None:
        self.database = database
        self.writer = writer
        self._adopted = False
        self._tidied = 0.0

    def begin_session(self, worker: Worker) -> None:
        self.database.execute("workers/begin_session", _session(worker))

    def heartbeat(self, worker: Worker) -> list[tuple[TaskKey, int]]:
        def act(conn: Connection[Any]) -> list[tuple[TaskKey, int]]:
            conn.execute(sql("workers/begin_session"), _session(worker))
            rows = conn.execute(sql("workers/list_held"), {"session": worker.session}).fetchall()
            return [(TaskKey(run, stage, idx), attempt) for run, stage, idx, attempt in rows]

        return self.database.run(act)

    def end_session(self, session: UUID) -> None:
        self.database.execute("workers/end_session", {"session": session})

    def renew(self, claim: Claim, session: UUID, progress: float, note: str) -> bool:
        values = {
            "run_id": claim.key.run,
            "stage": claim.key.stage,
            "idx": claim.key.idx,
            "attempt": claim.attempt,
            "session": session,
            "progress": progress,
            "note": note,
        }
        return self.database.execute("tasks/renew_task", values) == 1

    def give_back(
        self, session: UUID, attempts: Sequence[tuple[TaskKey, int]], older: float = 0.0
    ) -> int:
        values = {
            "session": session,
            "older": older,
            "published": self.writer.outbox,
            **key_columns(attempts),
        }
        return self._requeue("tasks/give_back", values)

    def repair(self, limits: Limits) -> Repairs:
        """One round, by one process at a time; the others return at once with nothing done."""
        values = {
            "dead_after": limits.dead_after,
            "lost_after": limits.lost_after,
            "leeway": limits.leeway,
            "chunk": limits.chunk,
            "published": self.writer.outbox,
        }

        def act(conn: Connection[Any]) -> Repairs:
            row = conn.execute(sql("repair/lock_repairs")).fetchone()
            if row is None or not row[0]:
                return Repairs()
            requeued, failed = self._take_back(conn, values)
            woken = self._wake(conn, "repair/wake_tasks", values)
            republished = 0
            if self.writer.outbox:
                republished = self._wake(conn, "repair/republish_tasks", values)
                republished += self._adopt(conn, values)
            forgotten = conn.execute(sql("repair/forget_sessions"), values).rowcount
            self._tidy(conn)
            crashpoint("repair.in_transaction")
            return Repairs(
                requeued=requeued,
                failed=failed,
                woken=woken,
                republished=republished,
                sessions=forgotten,
            )

        return self.database.run(act)

    def _tidy(self, conn: Connection[Any]) -> None:
        """Once an hour is often enough."""
        if time.monotonic() - self._tidied > TIDY_EVERY:
            conn.execute(sql("admission/forget_buckets"))
            self._tidied = time.monotonic()

    def _take_back(self, conn: Connection[Any], values: dict[str, Any]) -> tuple[int, int]:
        rows = conn.execute(sql("repair/take_back_tasks"), values).fetchall()
        requeued = [row for row in rows if row[4] == "queued"]
        self.writer.wake(
            conn,
            due_rows(
                (run, stage, idx, attempt, q) for run, stage, idx, attempt, _, q, _ in requeued
            ),
        )
        events = [
            (
                run,
                Event(
                    "task_lost" if status == "queued" else "task_failed",
                    stage,
                    idx,
                    attempt,
                    _told(error),
                ),
            )
            for run, stage, idx, attempt, status, _, error in rows
        ]
        self.writer.events(conn, events)
        return len(requeued), len(rows) - len(requeued)

    def _wake(self, conn: Connection[Any], name: str, values: dict[str, Any]) -> int:
        rows = due_rows(conn.execute(sql(name), values).fetchall())
        self.writer.wake(conn, rows)
        return len(rows)

    def _adopt(self, conn: Connection[Any], values: dict[str, Any]) -> int:
        """Once after the start: publish what another kind of queue has left due."""
        if self._adopted:
            return 0
        count = self._wake(conn, "repair/adopt_tasks", values)
        self._adopted = count == 0
        return count

    def _requeue(self, name: str, values: dict[str, Any]) -> int:
        return self.database.run(lambda conn: self._wake(conn, name, values))

    def forgotten(self, limit: int) -> list[tuple[int, int]]:
        return [
            (run, stage)
            for run, stage in self.database.fetch("repair/list_forgotten", {"limit": limit})
        ]

    def unswept(self, limit: int) -> list[int]:
        return [run for (run,) in self.database.fetch("repair/list_unswept", {"limit": limit})]

    def sweep(self, run: int) -> bool:
        return self.database.execute("jobs/sweep_run", {"run_id": run}) == 1

    def quarantine(self, queue: str, message_id: str, body: bytes, reason: str) -> None:
        values = {"queue": queue, "message_id": message_id, "body": body, "reason": reason}
        self.database.execute("repair/add_quarantine", values)


def _session(worker: Worker) -> dict[str, Any]:
    return {
        "session": worker.session,
        "host": worker.host,
        "pid": worker.pid,
        "role": worker.role,
        "queues": list(worker.queues),
    }


def _told(error: bytes) -> dict[str, Any]:
    described = ERROR.validate_json(error)
    return {name: described[name] for name in ("type", "message", "code")}
