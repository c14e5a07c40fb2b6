"""What a new run takes over from the one before it: decided from the plan and from how its stages ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain

from core.errors import NotReplayable, PlanChanged
from core.plan import Carried, PlannedStage
from core.ports import RunRow, StageRow
from core.states import JobStatus, Verdict
from core.tasks import PLAN

Rows = Mapping[int, StageRow]


def resubmitted(old: RunRow, rows: Rows, plan: Sequence[PlannedStage]) -> list[PlannedStage]:
    """The failed part again: stages that held are carried over, and of the others the tasks that completed.

    Where the run ended with errors that were tolerated, those are the failed part; where it ended well, all is.
    """
    if old.status is JobStatus.COMPLETED:
        return list(plan)
    tolerant = old.status is JobStatus.COMPLETED_WITH_ERRORS
    again = {n for n, row in rows.items() if tolerant and row.verdict is Verdict.ERRORS}
    return _carried(old, rows, plan, again=again)


def replayed(
    old: RunRow, rows: Rows, plan: Sequence[PlannedStage], stage: int
) -> list[PlannedStage]:
    """A stage and everything that depends on it from their beginning; what it depends on is carried over."""
    for n in sorted(_before(plan, stage)):
        if not _held(rows.get(n)):
            raise NotReplayable(
                f"{plan[stage].name} depends on {plan[n].name}, which did not close well in run {old.number}; "
                f"replay from {plan[n].name}, or resubmit the job"
            )
    return _carried(old, rows, plan, fresh={stage})


def retried(
    old: RunRow, rows: Rows, plan: Sequence[PlannedStage], stage: int, idx: int
) -> list[PlannedStage]:
    """One failed task again, with those of its stage that never came to run; other failed ones stay failed."""
    if idx == PLAN:
        return _carried(old, rows, plan, fresh={stage})
    return _carried(old, rows, plan, again={stage}, only=idx)


def _carried(
    old: RunRow,
    rows: Rows,
    plan: Sequence[PlannedStage],
    *,
    again: AbstractSet[int] = frozenset(),
    fresh: AbstractSet[int] = frozenset(),
    only: int | None = None,
) -> list[PlannedStage]:
    if [stage.outline() for stage in plan] != [stage.outline() for stage in old.plan]:
        raise PlanChanged(
            f"{old.job_type} has other stages now than run {old.number} had; resubmit it from the start"
        )
    unsettled = again | fresh | {n for n in range(len(plan)) if not _held(rows.get(n))}
    fresh = fresh | _behind(plan, unsettled)

    def taken(n: int, stage: PlannedStage) -> PlannedStage:
        row, home = rows.get(n), old.plan[n].home(old.run)
        if row is None or n in fresh:
            return stage
        if n not in unsettled:
            return _from(stage, Carried(run=home, whole=True))
        if row.total:  # its tasks are all written
            return _from(stage, Carried(run=home, only=only if n in again else None))
        return _from(stage, old.plan[n].carried)  # it was being carried over itself, or planned

    return [taken(n, stage) for n, stage in enumerate(plan)]


def _from(stage: PlannedStage, carried: Carried | None) -> PlannedStage:
    """The stage as it is planned when it takes something over: what is not whole is planned by copying."""
    if carried is None:
        return stage
    planned = stage.planned or not carried.whole
    return stage.model_copy(update={"carried": carried, "planned": planned})


def _held(row: StageRow | None) -> bool:
    return row is not None and row.verdict is not None and row.verdict.holds


def _behind(plan: Sequence[PlannedStage], stages: AbstractSet[int]) -> set[int]:
    """Every stage that depends on one of these. Stages stand behind those they depend on."""
    found: set[int] = set()
    for n, stage in enumerate(plan):
        if any(other in stages or other in found for other in chain(stage.reads, stage.after)):
            found.add(n)
    return found


def _before(plan: Sequence[PlannedStage], stage: int) -> set[int]:
    """Every stage that this one depends on."""
    found: set[int] = set()
    for n in reversed(range(stage + 1)):
        if n == stage or n in found:
            found.update(plan[n].reads + plan[n].after)
    return found
