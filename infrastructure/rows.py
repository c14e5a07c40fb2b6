"""Rows of the database as values of core, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from core.plan import PlannedStage
from core.ports import RunRow
from core.queues import QueueName
from core.states import JobStatus
from core.tasks import (
    Again,
    Asked,
    Claim,
    Completed,
    Event,
    Failed,
    Outcome,
    Payload,
    Released,
    TaskError,
    TaskKey,
)

PLAN: TypeAdapter[list[PlannedStage]] = TypeAdapter(list[PlannedStage])
ERROR: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def run_row(row: Sequence[Any]) -> RunRow:
    run, job_id, job_type, number, status, plan, parameters, ref, priority, _request = row
    return RunRow(
        run=run,
        job_id=job_id,
        job_type=job_type,
        number=number,
        status=JobStatus(status),
        plan=PLAN.validate_json(plan),
        parameters=Payload(parameters, ref),
        priority=priority,
    )


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """A job's current run, and what else decides whether another one begins."""

    run: RunRow
    request: UUID
    deleting: bool


def current_row(row: Sequence[Any]) -> CurrentRun:
    *_, request, deleting = row
    return CurrentRun(run_row(row[:-1]), request, deleting)


def named(claim: Claim) -> dict[str, int]:
    """The key and the attempt of a claim, as statements name them."""
    return {
        "run_id": claim.key.run,
        "stage": claim.key.stage,
        "idx": claim.key.idx,
        "attempt": claim.attempt,
    }


def claim_row(row: Sequence[Any]) -> Claim:
    run, stage, idx, attempt, failures, queue, arguments, ref = row
    return Claim(
        TaskKey(run, stage, idx), attempt, failures, QueueName(queue), Payload(arguments, ref)
    )


def text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def error_text(error: TaskError | None) -> str | None:
    return None if error is None else ERROR.dump_json(error.as_dict()).decode()


def key_columns(keys: Iterable[tuple[TaskKey, int]]) -> dict[str, list[int]]:
    """Task keys with their attempts, as the arrays a statement unnests."""
    listed = list(keys)
    return {
        "run": [key.run for key, _ in listed],
        "stage": [key.stage for key, _ in listed],
        "idx": [key.idx for key, _ in listed],
        "attempt": [attempt for _, attempt in listed],
    }


def settle_columns(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    """Outcomes as the arrays that settle_tasks unnests."""
    columns: dict[str, list[Any]] = dict(
        key_columns((o.claim.key, o.claim.attempt) for o in outcomes)
    )
    rows = [_settled(outcome) for outcome in outcomes]
    names = ("status", "counted", "delay", "result", "ref", "error")
    return columns | {name: [row[n] for row in rows] for n, name in enumerate(names)}


def _settled(outcome: Outcome) -> tuple[Any, ...]:
    """status, counted, delay, result, ref, error"""
    match outcome.ending:
        case Completed(result):
            return ("completed", 0, None, text(result.data), result.ref, None)
        case Failed(error):
            return ("failed", 1, None, None, None, error_text(error))
        case Again(delay, error, counted):
            return ("waiting", int(counted), delay, None, None, error_text(error))
        case Released():
            return ("queued", 0, None, None, None, None)
        case Asked(question):
            return ("waiting", 0, None, text(question.data), question.ref, None)


def settle_events(outcomes: Sequence[Outcome], accepted: set[TaskKey]) -> list[tuple[int, Event]]:
    """What the job's history keeps of outcomes: all but plain success and unharmed return."""
    return [
        (outcome.claim.key.run, event)
        for outcome in outcomes
        if outcome.claim.key in accepted and (event := _event(outcome)) is not None
    ]


def _event(outcome: Outcome) -> Event | None:
    key, attempt = outcome.claim.key, outcome.claim.attempt
    match outcome.ending:
        case Failed(error):
            data = {"type": error.type, "message": error.message, "code": error.code}
            return Event("task_failed", key.stage, key.idx, attempt, data)
        case Again(delay, error, counted):
            data = {
                "message": error.message,
                "seconds": round(delay.total_seconds(), 3),
                "counted": counted,
            }
            return Event("task_retried", key.stage, key.idx, attempt, data)
        case Asked():
            return Event("decision_needed", key.stage, key.idx, attempt)
        case Completed() | Released():
            return None
