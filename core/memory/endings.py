"""What an ending makes of a task's row, and what the job's history keeps of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from core.memory.books import NEVER, MemoryTask
from core.stages import Decision
from core.states import TaskStatus
from core.tasks import (
    NOTHING,
    Again,
    Asked,
    Completed,
    Ending,
    Event,
    Failed,
    Payload,
    Released,
    TaskError,
)


def ended(task: MemoryTask, ending: Ending, now: datetime) -> MemoryTask:
    """The task after its attempt ended so."""
    free = replace(task, session=None, deadline=None, result=NOTHING, error=None)
    match ending:
        case Completed(result):
            return replace(free, status=TaskStatus.COMPLETED, result=result, finished_at=now)
        case Failed(error):
            return replace(
                free,
                status=TaskStatus.FAILED,
                failures=task.failures + 1,
                error=error,
                finished_at=now,
            )
        case Again(delay, error, counted):
            return replace(
                free,
                status=TaskStatus.WAITING,
                failures=task.failures + counted,
                error=error,
                run_at=now + delay,
            )
        case Asked(question):
            return replace(free, status=TaskStatus.WAITING, result=question, run_at=NEVER)
        case Released():
            return replace(free, status=TaskStatus.QUEUED)


def decided(task: MemoryTask, decision: Decision, now: datetime) -> MemoryTask:
    """A gate's task after a person settled it. The attempt rises, so a late asker changes nothing."""
    settled = replace(task, attempt=task.attempt + 1, run_at=None, finished_at=now)
    if decision.approved:
        answer = Payload(decision.model_dump_json().encode())
        return replace(settled, status=TaskStatus.COMPLETED, result=answer)
    error = TaskError("Rejected", f"rejected by {decision.by}: {decision.note}", "rejected")
    return replace(settled, status=TaskStatus.FAILED, result=NOTHING, error=error)


def cancelled(task: MemoryTask, now: datetime) -> MemoryTask:
    return replace(
        task,
        status=TaskStatus.CANCELLED,
        session=None,
        deadline=None,
        run_at=None,
        finished_at=now,
    )


def event_of(task: MemoryTask, ending: Ending) -> Event | None:
    """All but plain success and unharmed return leave an event."""
    key, attempt = task.key, task.attempt
    match ending:
        case Failed(error):
            data = {"type": error.type, "message": error.message, "code": error.code}
            return Event("task_failed", key.stage, key.idx, attempt, data)
        case Again(delay, error, counted):
            seconds = round(delay.total_seconds(), 3)
            data = {"message": error.message, "seconds": seconds, "counted": counted}
            return Event("task_retried", key.stage, key.idx, attempt, data)
        case Asked():
            return Event("decision_needed", key.stage, key.idx, attempt)
        case Completed() | Released():
            return None
