"""The plan of a run: its job type's stages as stored, so that new code never changes a running job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from core.queues import QueueName
from core.stages import AnyStage, Shape
from core.states import Step


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

    @property
    def step(self) -> Step:
        return Step(after=self.after, reads=self.reads)


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
