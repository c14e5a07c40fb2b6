"""Draws a run's timeline from what the reader counts."""

from __future__ import annotations

from collections.abc import Sequence

from core.insights.overview import FEW, BarRow, OverviewReader, StageBand, TaskBar, Window, band
from core.ports import RunRow
from core.tasks import TaskKey


def bands(reader: OverviewReader, run: RunRow, shown: Window) -> list[StageBand]:
    """One band for each stage that did something then, and the tasks one by one where they are few."""
    homes = [planned.home(run.run) for planned in run.plan]
    spans = reader.spans(homes, shown)
    few = sum(span.tasks for span in spans) <= FEW
    bars = reader.bars(homes, shown, FEW) if spans and few else None
    return [
        band(
            number,
            run.plan[number].name,
            [span for span in spans if span.stage == number],
            None if bars is None else _of(number, bars),
        )
        for number in sorted({span.stage for span in spans})
    ]


def _of(stage: int, bars: Sequence[BarRow]) -> list[TaskBar]:
    return [
        TaskBar(
            task_id=str(TaskKey(bar.run, bar.stage, bar.idx)),
            status=bar.status,
            attempt=bar.attempt,
            started_at=bar.started_at,
            finished_at=bar.finished_at,
        )
        for bar in bars
        if bar.stage == stage
    ]
