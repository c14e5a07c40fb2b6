"""The plan of a run: its job type's stages as stored, so that new code never changes a running job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from core.queues import QueueName
from core.stages import AnyStage, Shape
from core.states import Step
from core.tasks import PLAN, TaskKey


class Carried(BaseModel):
    """What a stage takes over from an earlier run of its job."""

    model_config = ConfigDict(frozen=True)

    run: int
    """The run whose tasks they are."""
    whole: bool = False
    """The stage closed there and counts as closed here; else only what its tasks completed is taken over."""
    only: int | None = None
    """Of the tasks that failed, the one that is due again; None when all are."""


class PlannedStage(BaseModel):
    """One stage of a run, by numbers and names only."""

    model_config = ConfigDict(frozen=True)

    name: str
    shape: Shape
    reads: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    queue: QueueName = QueueName.LIGHT
    attempts: int = 3
    timeout: timedelta = timedelta(minutes=10)
    within: timedelta | None = None
    """How long the whole stage may take once it is open."""
    tolerated: float = 0.0
    planned: bool = False
    """Whether opening it takes a planning task, on the control queue."""
    direct: bool = False
    """Whether its tasks come one from each task of the stage it reads first."""
    carried: Carried | None = None

    @property
    def step(self) -> Step:
        return Step(after=self.after, reads=self.reads)

    def home(self, run: int) -> int:
        """The run under which this stage's tasks are kept: another one, if it was carried over whole."""
        return self.carried.run if self.carried is not None and self.carried.whole else run

    def outline(self) -> tuple[object, ...]:
        """What must be equal for one run to go on from another."""
        return self.name, self.shape, self.reads, self.after, self.direct


def origin_of(key: TaskKey, plan: Sequence[PlannedStage]) -> TaskKey | None:
    """The task of an earlier fan-out that this one goes on from."""
    planned = plan[key.stage]
    if not planned.direct or key.idx == PLAN:
        return None
    source = planned.reads[0]
    return TaskKey(plan[source].home(key.run), source, key.idx)


def plan_of(stages: Sequence[AnyStage]) -> list[PlannedStage]:
    number = {stage: n for n, stage in enumerate(stages)}

    def order(n: int, stage: AnyStage) -> tuple[int, ...]:
        if stage.after is not None:
            return tuple(number[other] for other in stage.after)
        return () if stage.sources or n == 0 else (n - 1,)

    return [
        PlannedStage(
            name=stage.name,
            shape=stage.shape,
            reads=tuple(number[source] for source in stage.sources),
            after=order(n, stage),
            queue=stage.queue,
            attempts=stage.retry.attempts,
            timeout=stage.timeout,
            within=stage.within,
            tolerated=stage.on_failure.tolerated,
            planned=stage.needs_planning,
            direct=stage.is_direct,
        )
        for n, stage in enumerate(stages)
    ]
