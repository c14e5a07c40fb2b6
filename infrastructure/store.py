"""The store in PostgreSQL: submitting and moving jobs, claiming and settling tasks."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg import Connection

from core.crashpoints import crashpoint
from core.errors import BadResult, JobNotFound
from core.ports import Closing, NewRun, RunRow, Submission, Turn
from core.queues import QueueName
from core.results import Failure
from core.runs import needs_new_run
from core.stages import Decision
from core.states import StageStatus, Tally
from core.tasks import Claim, Event, NewTask, Outcome, Payload, Released, TaskError, TaskKey, Wakeup
from infrastructure.admission import Admitting
from infrastructure.control import PostgresSteering
from infrastructure.database import Statements, sql
from infrastructure.joined import Joined
from infrastructure.rows import (
    ERROR,
    claim_row,
    current_row,
    error_text,
    key_columns,
    named,
    run_row,
    settle_columns,
    settle_events,
    text,
)
from infrastructure.turn import PostgresTurn, add_run
from infrastructure.upkeep import Upkeep
from infrastructure.writing import Writer

BUCKET = 128


class PostgresStore(Upkeep, PostgresSteering, Admitting):
    """core.ports.Store over a Database. Every method is one transaction, and safe to repeat."""

    def __init__(self, database: Statements, *, outbox: bool = False) -> None:
        super().__init__(database, Writer(outbox=outbox))

    def within(self, conn: Connection[Any]) -> PostgresStore:
        """The same store, whose writes become true with the transaction that is open there."""
        return PostgresStore(Joined(conn), outbox=self.writer.outbox)

    # submitting and moving

    @contextmanager
    def submit(self, new: NewRun, *, force: bool) -> Generator[tuple[Submission, Turn | None]]:
        with self.database.transaction() as conn:
            conn.execute(sql("jobs/lock_job"), {"job_id": new.job_id})
            row = conn.execute(sql("jobs/get_current_run"), {"job_id": new.job_id}).fetchone()
            current = None if row is None else current_row(row)
            if current is not None and (
                current.request == new.request
                or not needs_new_run(current.run, force=force, deleting=current.deleting)
            ):
                again = current.request == new.request
                yield Submission(current.run, is_new=again, waits=again), None
                return
            number = 1 if current is None else current.run.number + 1
            turn = add_run(conn, new, number, self.writer)
            yield Submission(turn.run, is_new=True, waits=turn.waits), turn
            turn.write_events()

    def run(self, run: int) -> RunRow:
        rows = self.database.fetch("jobs/get_run", {"run_id": run})
        if not rows:
            raise JobNotFound(f"There is no run {run}; its job may have been deleted")
        return run_row(rows[0])

    def trace(self, run: int) -> str | None:
        rows = self.database.fetch("jobs/get_trace", {"run_id": run})
        return rows[0][0] if rows else None

    @contextmanager
    def turn(self, run: int) -> Generator[PostgresTurn]:
        with self.database.transaction() as conn:
            turn = self._locked(conn, run)
            yield turn
            turn.write_events()

    def _locked(self, conn: Connection[Any], run: int) -> PostgresTurn:
        row = conn.execute(sql("jobs/lock_run"), {"run_id": run}).fetchone()
        if row is None:
            raise JobNotFound(f"There is no run {run}; its job may have been deleted")
        return PostgresTurn(conn, run_row(row), self.writer)

    def maybe_done(self, run: int, stage: int, near: Collection[int]) -> bool:
        buckets = sorted({idx // BUCKET if idx >= 0 else 0 for idx in near})[:8]
        values = {"run_id": run, "stage": stage, "near": buckets}
        return bool(self.database.fetch("stages/is_done", values)[0][0])

    @contextmanager
    def closing(self, run: int, stage: int) -> Generator[Closing | None]:
        values = {"run_id": run, "stage": stage}
        with self.database.transaction() as conn:
            conn.execute(sql("stages/lock_stage"), {"run_id": str(run), "stage": str(stage)})
            # The run before its stages, as in a turn that cancels them: two failing branches must not embrace.
            run_found = conn.execute(sql("jobs/lock_run"), values).fetchone()
            row = conn.execute(sql("stages/get_closable"), values).fetchone()
            if run_found is None or row is None:
                yield None
                return
            counted = conn.execute(sql("stages/tally_stage"), values).fetchone()
            assert counted is not None
            turn = PostgresTurn(conn, run_row(run_found), self.writer)
            *tally, idle = counted
            yield Closing(turn, Tally(*tally), row[0] == StageStatus.OPEN, idle or 0.0)
            turn.write_events()

    # tasks

    def claim_due(self, queue: QueueName, session: UUID, limit: int) -> list[Claim]:
        return self._claim("tasks/claim_due", {"queue": queue, "session": session, "limit": limit})

    def claim_named(self, wakeups: Sequence[Wakeup], session: UUID) -> list[Claim]:
        columns = key_columns((wakeup.key, wakeup.attempt) for wakeup in wakeups)
        return self._claim("tasks/claim_named", {"session": session, **columns})

    def _claim(self, name: str, values: dict[str, Any]) -> list[Claim]:
        def act(conn: Connection[Any]) -> list[Claim]:
            claims = [claim_row(row) for row in conn.execute(sql(name), values).fetchall()]
            runs = sorted({claim.key.run for claim in claims})
            if runs and self._start(conn, runs):
                claims = self._refuse(conn, claims)
            return sorted(claims, key=lambda claim: claim.key)

        return self.database.run(act)

    def _start(self, conn: Connection[Any], runs: list[int]) -> bool:
        """Begin what was only queued; whether there are runs of which nothing may be begun."""
        rows = conn.execute(sql("jobs/start_runs"), {"runs": runs}).fetchall()
        self.writer.tell(conn, [(job, number) for run, job, number in rows if run is None])
        return any(run is not None for run, _, _ in rows)

    def _refuse(self, conn: Connection[Any], claims: list[Claim]) -> list[Claim]:
        """Those of the claims that may be kept: the others are of runs that are paused or have ended."""
        columns = key_columns((claim.key, claim.attempt) for claim in claims)
        rows = conn.execute(sql("tasks/refuse_claims"), columns).fetchall()
        refused = {TaskKey(*row) for row in rows}
        return [claim for claim in claims if claim.key not in refused]

    def settle(self, session: UUID, outcomes: Sequence[Outcome]) -> set[TaskKey]:
        values = {"session": session, "published": self.writer.outbox, **settle_columns(outcomes)}

        def act(conn: Connection[Any]) -> set[TaskKey]:
            accepted = {
                TaskKey(*row) for row in conn.execute(sql("tasks/settle_tasks"), values).fetchall()
            }
            released = [
                o.claim
                for o in outcomes
                if o.claim.key in accepted and isinstance(o.ending, Released)
            ]
            self.writer.wake(conn, [(claim.key, claim.attempt, claim.queue) for claim in released])
            self.writer.events(conn, settle_events(outcomes, accepted))
            crashpoint("complete.in_transaction")
            return accepted

        return self.database.run(act)

    def add_tasks(self, claim: Claim, session: UUID, tasks: Sequence[NewTask]) -> bool:
        def act(conn: Connection[Any]) -> bool:
            held = self._planning(conn, claim, session)
            if held is None:
                return False
            run, queue = claim.key.run, held[1]
            values = {
                "run_id": run,
                "stage": claim.key.stage,
                "priority": held[0],
                "queue": queue,
                "status": "queued",
                "published": self.writer.outbox,
                "idx": [task.idx for task in tasks],
                "arguments": [text(task.arguments.data) for task in tasks],
                "refs": [task.arguments.ref for task in tasks],
            }
            added = conn.execute(sql("tasks/add_tasks"), values).fetchall()
            self.writer.wake(
                conn, [(TaskKey(run, claim.key.stage, idx), 0, queue) for (idx,) in added]
            )
            return True

        return self.database.run(act)

    def copy_tasks(
        self, claim: Claim, session: UUID, source: tuple[int, int], after: int, limit: int
    ) -> int | None:
        def act(conn: Connection[Any]) -> int | None:
            held = self._planning(conn, claim, session)
            if held is None:
                return None
            run, stage = claim.key.run, claim.key.stage
            values = {
                "run_id": run,
                "stage": stage,
                "source_run": source[0],
                "source": source[1],
                "after": after,
                "limit": limit,
                "priority": held[0],
                "queue": held[1],
                "published": self.writer.outbox,
            }
            row = conn.execute(sql("tasks/copy_tasks"), values).fetchone()
            assert row is not None
            self.writer.wake(conn, [(TaskKey(run, stage, idx), 0, held[1]) for idx in row[1] or ()])
            return row[0]

        return self.database.run(act)

    def open_planned(
        self, claim: Claim, session: UUID, expected: int | None, *, skip: bool = False
    ) -> bool:
        def act(conn: Connection[Any]) -> bool:
            held = self._planning(conn, claim, session)
            if held is None:
                return False
            if skip:
                self._add_skipped(conn, claim)
            row = conn.execute(sql("stages/open_stage"), named(claim)).fetchone()
            if row is None:
                return False
            if expected is not None and row[0] != expected:
                raise BadResult(
                    f"planned again, the stage has {expected} elements, but {row[0]} tasks are written: "
                    "`each` must give the same list whenever it is asked"
                )
            conn.execute(sql("tasks/end_planning"), named(claim))
            opened = Event("stage_planned", claim.key.stage, data={"tasks": 0 if skip else row[0]})
            self.writer.events(conn, [(claim.key.run, opened)])
            return True

        return self.database.run(act)

    def _add_skipped(self, conn: Connection[Any], claim: Claim) -> None:
        values = {
            "run_id": claim.key.run,
            "stage": claim.key.stage,
            "priority": 0,
            "queue": QueueName.JOBS,
            "status": "skipped",
            "published": False,
            "idx": [0],
            "arguments": [None],
            "refs": [None],
        }
        conn.execute(sql("tasks/add_tasks"), values)

    def drop_queued(self, run: int, stage: int | None, limit: int) -> int:
        return self.database.execute(
            "tasks/drop_queued", {"run_id": run, "stage": stage, "limit": limit}
        )

    def decide_gate(self, key: TaskKey, decision: Decision) -> bool:
        rejected = TaskError("Rejected", f"rejected by {decision.by}: {decision.note}", "rejected")
        values = {
            **key._asdict(),
            "run_id": key.run,
            "approved": decision.approved,
            "decision": decision.model_dump_json(),
            "error": error_text(rejected),
        }

        def act(conn: Connection[Any]) -> bool:
            if conn.execute(sql("tasks/decide_gate"), values).rowcount == 0:
                return False
            what = "gate_approved" if decision.approved else "gate_rejected"
            data = {"by": decision.by, "note": decision.note}
            self.writer.events(conn, [(key.run, Event(what, key.stage, key.idx, data=data))])
            return True

        return self.database.run(act)

    def checkpoint(self, claim: Claim, name: str) -> Payload | None:
        rows = self.database.fetch("tasks/get_checkpoint", {**named(claim), "name": name})
        return Payload(*rows[0]) if rows else None

    def keep_checkpoint(self, claim: Claim, name: str, value: Payload) -> None:
        values = {**named(claim), "name": name, "value": text(value.data), "ref": value.ref}
        self.database.execute("tasks/keep_checkpoint", values)

    def error_before(self, claim: Claim) -> TaskError | None:
        rows = self.database.fetch("tasks/get_error", named(claim))
        return TaskError(**ERROR.validate_json(rows[0][0])) if rows and rows[0][0] else None

    # what tasks read

    def results(self, run: int, stage: int, after: int, limit: int) -> list[tuple[int, Payload]]:
        values = {"run_id": run, "stage": stage, "after": after, "limit": limit}
        return [
            (idx, Payload(data, ref))
            for idx, data, ref in self.database.fetch("tasks/list_results", values)
        ]

    def counts(self, run: int, stage: int) -> Tally:
        row = self.database.fetch("stages/tally_stage", {"run_id": run, "stage": stage})[0]
        return Tally(*row[:4])

    def failures(self, run: int, stage: int) -> Iterator[Failure]:
        rows = self.database.fetch("tasks/list_failures", {"run_id": run, "stage": stage})
        return (Failure(idx, message) for idx, message in rows)
