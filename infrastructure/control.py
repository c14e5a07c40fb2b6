"""The part of the store that people steer jobs by, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg import Connection

from core.control.steering import Census, TaskTrace
from core.errors import JobNotFound
from core.plan import Carried
from core.ports import NewRun
from core.queues import QueueName
from core.states import TaskStatus
from core.tasks import Claim, Payload, TaskKey
from infrastructure.audit import note
from infrastructure.database import Database, sql
from infrastructure.rows import CurrentRun, current_row, named
from infrastructure.turn import PostgresTurn, add_run
from infrastructure.writing import Writer, due_rows


class PostgresJobTurn:
    """core.control.steering.JobTurn in an open transaction."""

    def __init__(
        self, conn: Connection[Any], writer: Writer, current: CurrentRun, *, started: bool
    ) -> None:
        self.conn = conn
        self.writer = writer
        self.current = PostgresTurn(conn, current.run, writer)
        self.request = current.request
        self.started = started
        self.deleting = current.deleting
        self._turns = [self.current]

    def begin(self, new: NewRun) -> PostgresTurn:
        turn = add_run(self.conn, new, self.current.run.number + 1, self.writer)
        self._turns.append(turn)
        return turn

    def task(self, key: TaskKey) -> TaskStatus | None:
        values = {"run_id": key.run, "stage": key.stage, "idx": key.idx}
        row = self.conn.execute(sql("control/get_task_status"), values).fetchone()
        return None if row is None else TaskStatus(row[0])

    def mark_deleting(self, by: str, *, outputs: bool) -> None:
        run = self.current.run
        values = {"job_id": run.job_id, "keeps": not outputs}
        self.conn.execute(sql("control/mark_deleting"), values)
        note(self.conn, by, "job_deleted", run.job_id, {"job_type": run.job_type})

    def write_events(self) -> None:
        for turn in self._turns:
            turn.write_events()


class PostgresSteering:
    """core.control.steering.Steering over a Database."""

    database: Database
    writer: Writer

    @contextmanager
    def job_turn(self, job_id: str) -> Generator[PostgresJobTurn]:
        with self.database.transaction() as conn:
            conn.execute(sql("jobs/lock_job"), {"job_id": job_id})
            row = conn.execute(sql("control/lock_current_run"), {"job_id": job_id}).fetchone()
            if row is None:
                raise JobNotFound(
                    f"There is no job {job_id!r}. GET /api/jobs lists those there are."
                )
            *columns, started, deleting = row
            turn = PostgresJobTurn(
                conn, self.writer, current_row([*columns, deleting]), started=started
            )
            yield turn
            turn.write_events()

    # pauses

    def hold(self, run: int, limit: int) -> int:
        return self.database.execute("control/hold_tasks", {"run_id": run, "limit": limit})

    def release(self, run: int, limit: int) -> int:
        values = {"run_id": run, "limit": limit, "published": self.writer.outbox}

        def act(conn: Connection[Any]) -> int:
            rows = due_rows(conn.execute(sql("control/release_tasks"), values).fetchall())
            self.writer.wake(conn, rows)
            return len(rows)

        return self.database.run(act)

    def unheld(self, limit: int) -> list[int]:
        return [run for (run,) in self.database.fetch("control/list_unheld", {"limit": limit})]

    def unreleased(self, limit: int) -> list[int]:
        return [run for (run,) in self.database.fetch("control/list_unreleased", {"limit": limit})]

    # runs that go on from others

    def carry_tasks(
        self, claim: Claim, session: UUID, carried: Carried, after: int, limit: int
    ) -> int | None:
        def act(conn: Connection[Any]) -> int | None:
            held = self._planning(conn, claim, session)
            if held is None:
                return None
            run, stage = claim.key.run, claim.key.stage
            values = {
                "run_id": run,
                "stage": stage,
                "source": carried.run,
                "only": carried.only,
                "after": after,
                "limit": limit,
                "priority": held[0],
                "queue": held[1],
                "published": self.writer.outbox,
            }
            row = conn.execute(sql("control/carry_tasks"), values).fetchone()
            assert row is not None
            self.writer.wake(conn, [(TaskKey(run, stage, idx), 0, held[1]) for idx in row[1] or ()])
            return row[0]

        return self.database.run(act)

    def _planning(
        self, conn: Connection[Any], claim: Claim, session: UUID
    ) -> tuple[int, QueueName] | None:
        """The priority and queue of the stage being planned, if this claim still owns its planning."""
        row = conn.execute(
            sql("tasks/hold_planning"), {"session": session, **named(claim)}
        ).fetchone()
        return None if row is None else (row[0], QueueName(row[1]))

    # deletion

    def deleting(self, limit: int) -> list[tuple[str, bool]]:
        rows = self.database.fetch("control/list_deleting", {"limit": limit})
        return [(job, not keeps) for job, keeps in rows]

    def census(self, job_id: str) -> Census:
        return Census(*self.database.fetch("control/take_census", {"job_id": job_id})[0])

    def run_payloads(self, job_id: str) -> list[tuple[int, list[Payload]]]:
        rows = self.database.fetch("control/list_run_payloads", {"job_id": job_id})
        return [
            (run, [Payload(asked, asked_ref), Payload(result, ref)])
            for run, asked, asked_ref, result, ref in rows
        ]

    def traces(self, job_id: str, after: TaskKey, limit: int) -> list[TaskTrace]:
        values = {
            "job_id": job_id,
            "run_id": after.run,
            "stage": after.stage,
            "idx": after.idx,
            "limit": limit,
        }
        rows = self.database.fetch("control/list_traces", values)
        return [
            TaskTrace(
                TaskKey(run, stage, idx), attempts, [Payload(result, ref), Payload(phases or b"[]")]
            )
            for run, stage, idx, attempts, result, ref, phases in rows
        ]

    def forget_tasks(self, job_id: str, keys: Sequence[TaskKey]) -> None:
        values = {
            "job_id": job_id,
            "run": [key.run for key in keys],
            "stage": [key.stage for key in keys],
            "idx": [key.idx for key in keys],
        }

        def act(conn: Connection[Any]) -> None:
            conn.execute(sql("control/forget_checkpoints"), values)
            conn.execute(sql("control/forget_lines"), values)
            conn.execute(sql("control/forget_tasks"), values)

        self.database.run(act)

    def forget_events(self, job_id: str, limit: int) -> int:
        return self.database.execute("control/forget_events", {"job_id": job_id, "limit": limit})

    def forget_job(self, job_id: str) -> bool:
        values = {"job_id": job_id}

        def act(conn: Connection[Any]) -> bool:
            if conn.execute(sql("control/forget_job"), values).rowcount == 0:
                return False
            conn.execute(sql("control/forget_stages"), values)
            conn.execute(sql("admission/forget_dependencies"), values)
            conn.execute(sql("control/forget_runs"), values)
            return True

        return self.database.run(act)
