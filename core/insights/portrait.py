"""Draws views from records: the pure half of the insights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic_core import from_json

from core.insights.reading import JobRecord, StageRecord, TaskCount, TaskRecord
from core.insights.views import (
    Counts,
    ErrorView,
    JobError,
    JobTypeView,
    JobView,
    PlanLine,
    StageView,
    TaskDetail,
    TaskSummary,
    TaskView,
)
from core.job import JobBase
from core.plan import PlannedStage, origin_of
from core.stages import Shape
from core.states import JobStatus, StageStatus
from core.tasks import PLAN, Payload


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many tasks of a stage have each status, and how far those under way are, added up."""

    counts: Counts = field(default_factory=Counts)
    under_way: float = 0.0

    @classmethod
    def by_stage(cls, rows: Sequence[TaskCount]) -> Mapping[int, StageCount]:
        counts: dict[int, dict[str, int]] = defaultdict(dict)
        under_way: dict[int, float] = defaultdict(float)
        for row in rows:
            counts[row.stage][row.status] = row.tasks
            under_way[row.stage] += row.under_way
        return {stage: cls(Counts(**given), under_way[stage]) for stage, given in counts.items()}

    def progress(self, total: int) -> float:
        return min(1.0, (self.counts.ended + self.under_way) / total) if total else 0.0


class Portrait:
    """A job as people see it. Stages that have closed know their counts; those of others are given."""

    def __init__(self, record: JobRecord, counted: Mapping[int, StageCount]) -> None:
        self.record = record
        self.plan = record.run.plan
        self.opened = {stage.stage: stage for stage in record.stages}
        self.counted = counted

    @property
    def view(self) -> JobView:
        record, run = self.record, self.record.run
        stages = [self._stage(n, planned) for n, planned in enumerate(self.plan)]
        return JobView(
            job_id=run.job_id,
            job_type=run.job_type,
            status=run.status,
            run=run.number,
            priority=run.priority,
            deadline=record.deadline,
            parameters=_inline(run.parameters),
            parameters_ref=run.parameters.ref,
            progress=self._progress(stages),
            stages=stages,
            task_summary=_summary(stages),
            result=_inline(record.result),
            result_streamed=self._is_streamed,
            error=None if record.error is None else JobError(**record.error),
            created_at=record.created_at,
            started_at=record.started_at,
            finished_at=record.finished_at,
            last_event=record.events,
        )

    @property
    def _is_streamed(self) -> bool:
        done = self.record.run.status in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)
        return done and (self.record.result.ref is not None or self.plan[-1].shape is Shape.FAN_OUT)

    def _progress(self, stages: Sequence[StageView]) -> float:
        """Every stage counts the same, for nobody knows yet how many tasks the later ones will have."""
        if self.record.run.status is JobStatus.COMPLETED:
            return 1.0
        return round(sum(stage.progress for stage in stages) / len(stages), 4)

    def _stage(self, number: int, planned: PlannedStage) -> StageView:
        names = [stage.name for stage in self.plan]
        return StageView(
            number=number,
            name=planned.name,
            shape=planned.shape,
            queue=planned.queue,
            reads=[names[n] for n in planned.reads],
            after=[names[n] for n in planned.after],
            **self._standing(self.opened.get(number)),
        )

    def _standing(self, record: StageRecord | None) -> dict[str, Any]:
        if record is None:
            return {"status": "not_opened"}
        closed = record.status is StageStatus.CLOSED
        count = _tally(record) if closed else self.counted.get(record.stage, StageCount())
        total = max(record.total, count.counts.total)
        return {
            "status": record.status,
            "verdict": record.verdict,
            "total": total,
            "counts": count.counts,
            "progress": 1.0 if closed else round(count.progress(total), 4),
            "opened_at": record.opened_at,
            "closed_at": record.closed_at,
        }


def _tally(record: StageRecord) -> StageCount:
    return StageCount(
        Counts(
            completed=record.completed,
            failed=record.failed,
            cancelled=record.cancelled,
            skipped=record.skipped,
        )
    )


def _summary(stages: Sequence[StageView]) -> TaskSummary:
    by_status: Counter[str] = Counter()
    for stage in stages:
        by_status.update(stage.counts.model_dump())
    return TaskSummary(
        total=sum(stage.total for stage in stages),
        by_status=Counts(**by_status),
        by_stage={stage.name: stage.counts for stage in stages},
    )


def _inline(payload: Payload) -> Any:
    return None if payload.data is None else from_json(payload.data)


def task_view(task: TaskRecord, plan: Sequence[PlannedStage]) -> TaskView:
    return TaskView(**_standing_of(task, plan))


def task_detail(task: TaskRecord, plan: Sequence[PlannedStage], *, verbose: bool) -> TaskDetail:
    return TaskDetail(
        **_standing_of(task, plan),
        arguments=_inline(task.arguments),
        arguments_ref=task.arguments.ref,
        result=_inline(task.result),
        result_ref=task.result.ref,
        trace=task.error.get("trace") if verbose and task.error else None,
    )


def _standing_of(task: TaskRecord, plan: Sequence[PlannedStage]) -> dict[str, Any]:
    key, planned, origin = task.key, plan[task.key.stage], origin_of(task.key, plan)
    return {
        "task_id": str(key),
        "stage": planned.name,
        "index": None if key.idx == PLAN else key.idx,
        "status": task.status,
        "attempt": task.attempt,
        "failures": task.failures,
        "queue": task.queue,
        "worker": task.session,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "deadline": task.deadline,
        "due_at": task.due_at,
        "needs_decision": task.asks,
        "progress": task.progress,
        "note": task.note,
        "error": None if task.error is None else ErrorView(**task.error),
        "origin": None if origin is None else str(origin),
    }


@cache
def job_type_view(job: type[JobBase]) -> JobTypeView:
    """A class does not change, and its schema takes milliseconds: nobody may change what they are given."""
    return JobTypeView(
        job_type=job.job_type,
        description=(job.__doc__ or "").strip(),
        parameters=job.model_json_schema(),
        stages=plan_lines(job),
        schedule=job.schedules[0].cron if job.schedules else None,
        **_limits(job),
        priority=job.priority,
        reverses=None if job.reverses is None else job.reverses.job_type,
    )


def _limits(job: type[JobBase]) -> dict[str, Any]:
    turns = job.concurrency
    return {
        "concurrency": None if turns is None else str(turns),
        "at_most": None if turns is None else turns.at_most,
        "key_rate": None if turns is None or turns.rate is None else str(turns.rate),
        "rate": None if job.rate is None else str(job.rate),
        "timeout_seconds": None if job.timeout is None else job.timeout.total_seconds(),
    }


def plan_lines(job: type[JobBase]) -> list[PlanLine]:
    """The stages of a job type, in the order they were written."""
    names = [planned.name for planned in job.plan]
    return [
        PlanLine(
            name=planned.name,
            shape=planned.shape,
            reads=[names[n] for n in planned.reads],
            after=[names[n] for n in planned.after],
            queue=planned.queue,
            attempts=planned.attempts,
            timeout_seconds=planned.timeout.total_seconds(),
            within_seconds=None if planned.within is None else planned.within.total_seconds(),
            tolerated=planned.tolerated,
            description=(stage.__doc__ or "").strip(),
        )
        for planned, stage in zip(job.plan, job.stages, strict=True)
    ]
