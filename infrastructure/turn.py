"""One worker's turn at a run's books, in PostgreSQL: a transaction that holds the run's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from psycopg import Connection

from core.ports import NewRun, RunRow, StageRow
from core.queues import QueueName
from core.stages import Shape
from core.states import JobStatus, StageStatus, Tally, Verdict
from core.tasks import PLAN, Event, TaskError, TaskKey
from infrastructure.database import sql
from infrastructure.rows import PLAN as STAGES
from infrastructure.rows import error_text, text
from infrastructure.terms import add_dependencies, run_columns
from infrastructure.writing import Writer

ENDED = {
    JobStatus.COMPLETED: "job_completed",
    JobStatus.COMPLETED_WITH_ERRORS: "job_completed_with_errors",
    JobStatus.FAILED: "job_failed",
    JobStatus.CANCELLED: "job_cancelled",
}


class PostgresTurn:
    """Writes into an open transaction. Events are kept and written last, in one statement."""

    def __init__(
        self, conn: Connection[Any], run: RunRow, writer: Writer, *, waits: bool = False
    ) -> None:
        self.conn = conn
        self.run = run
        self.waits = waits
        self.writer = writer
        self._events: list[Event] = []

    def stages(self) -> Mapping[int, StageRow]:
        rows = self.conn.execute(sql("stages/list_stages"), {"run_id": self.run.run}).fetchall()
        return {
            stage: StageRow(
                stage, StageStatus(status), total, None if verdict is None else Verdict(verdict)
            )
            for stage, status, total, verdict in rows
        }

    def close(self, stage: int, verdict: Verdict, tally: Tally) -> None:
        counts = {
            "completed": tally.completed,
            "failed": tally.failed,
            "cancelled": tally.cancelled,
            "skipped": tally.skipped,
        }
        values = {"run_id": self.run.run, "stage": stage, "verdict": verdict, **counts}
        closed = self.conn.execute(sql("stages/close_stage"), values).rowcount
        assert closed == 1, "whoever closes a stage holds its lock and has seen it open"
        self.record(
            Event(
                "stage_closed",
                stage,
                data={"name": self._name(stage), "verdict": verdict, **counts},
            )
        )

    def skip(self, stage: int) -> None:
        self._add_stage(stage, StageStatus.CLOSED, total=0, verdict=Verdict.SKIPPED)
        self.record(Event("stage_skipped", stage, data={"name": self._name(stage)}))

    def open(self, stage: int) -> None:
        planned = self.run.plan[stage]
        if planned.planned:
            self._add_stage(stage, StageStatus.EXPANDING, total=0)
            self._add_task(stage, PLAN, QueueName.JOBS)
        else:
            self._add_stage(stage, StageStatus.OPEN, total=1)
            self._add_task(stage, 0, planned.queue)
        self.record(Event("stage_opened", stage, data={"name": planned.name}))

    def finish(
        self,
        status: JobStatus,
        why: TaskError | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        last = len(self.run.plan) - 1
        self.conn.execute(sql("stages/cancel_stages"), {"run_id": self.run.run})
        values = {
            "run_id": self.run.run,
            "home": self.run.plan[last].home(self.run.run),
            "status": status,
            "last": last,
            "has_result": self.run.plan[last].shape is not Shape.FAN_OUT,
            "why": error_text(why),
        }
        self.conn.execute(sql("jobs/finish_run"), values)
        self.record(Event(ENDED[status], data={"run": self.run.number, **(told or {})}))
        self.run = replace(self.run, status=status)

    def is_overdue(self) -> bool:
        row = self.conn.execute(sql("admission/is_overdue"), {"run_id": self.run.run}).fetchone()
        return row is not None and bool(row[0])

    def expire(self, stage: int, why: TaskError) -> bool:
        values = {"run_id": self.run.run, "stage": stage, "error": error_text(why)}
        return self.conn.execute(sql("admission/expire_stage"), values).rowcount == 1

    def move(self, status: JobStatus) -> None:
        self.conn.execute(sql("admission/shift_deadlines"), {"run_id": self.run.run})
        self.conn.execute(sql("control/move_run"), {"run_id": self.run.run, "status": status})
        self.run = replace(self.run, status=status)

    def carry(self, stage: int) -> None:
        source = self.run.plan[stage].home(self.run.run)
        values = {"run_id": self.run.run, "stage": stage, "source": source}
        row = self.conn.execute(sql("control/carry_stage"), values).fetchone()
        assert row is not None, "only a stage that closed is carried over whole"
        data = {"name": self._name(stage), "verdict": row[0], "from": source}
        self.record(Event("stage_carried", stage, data=data))

    def record(self, event: Event) -> None:
        self._events.append(event)

    def write_events(self) -> None:
        self.writer.events(self.conn, [(self.run.run, event) for event in self._events])

    def _name(self, stage: int) -> str:
        return self.run.plan[stage].name

    def _add_stage(
        self, stage: int, status: StageStatus, total: int, verdict: Verdict | None = None
    ) -> None:
        planned = self.run.plan[stage]
        values = {
            "run_id": self.run.run,
            "stage": stage,
            "name": planned.name,
            "status": status,
            "verdict": verdict,
            "queue": planned.queue,
            "total": total,
            "attempts": planned.attempts,
            "timeout": planned.timeout,
            "within": planned.within,
            "tolerated": planned.tolerated,
        }
        self.conn.execute(sql("stages/add_stage"), values)

    def _add_task(self, stage: int, idx: int, queue: QueueName) -> None:
        paused = self.run.status is JobStatus.PAUSED
        values = {
            "run_id": self.run.run,
            "stage": stage,
            "priority": self.run.priority,
            "queue": queue,
            "status": "waiting" if paused else "queued",
            "published": self.writer.outbox and not paused,
            "idx": [idx],
            "arguments": [None],
            "refs": [None],
        }
        self.conn.execute(sql("tasks/add_tasks"), values)
        if not paused:
            self.writer.wake(self.conn, [(TaskKey(self.run.run, stage, idx), 0, queue)])


def add_run(conn: Connection[Any], new: NewRun, number: int, writer: Writer) -> PostgresTurn:
    """Write down a job's next run, which stands for the job from now on."""
    values = {
        "job_id": new.job_id,
        "job_type": new.job_type,
        "number": number,
        "request": new.request,
        "plan": STAGES.dump_json(list(new.plan)).decode(),
        "parameters": text(new.parameters.data),
        "parameters_ref": new.parameters.ref,
        "priority": new.priority,
        **run_columns(new.terms, new.after),
    }
    row = conn.execute(sql("jobs/add_run"), values).fetchone()
    assert row is not None
    if new.trace is not None:
        conn.execute(sql("jobs/keep_trace"), {"run_id": row[0], "trace": new.trace})
    if new.after.jobs:
        add_dependencies(conn, row[0], new.after)
    run = RunRow(
        row[0],
        new.job_id,
        new.job_type,
        number,
        JobStatus.QUEUED,
        new.plan,
        new.parameters,
        new.priority,
    )
    return PostgresTurn(conn, run, writer, waits=not row[1])
