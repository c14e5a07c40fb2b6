"""Geometry of the small pictures in the pages: numbers in, coordinates out. Templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.insights.overview import SLICES, StageBand, TaskBar, Throughput, Timeline
from core.insights.views import StageView

NODE_WIDTH, NODE_HEIGHT, GAP_X, GAP_Y, EDGE = 168, 56, 44, 16, 2
SPARK_WIDTH, SPARK_HEIGHT, SPARK_BAR = 240, 40, 4
BAND_WIDTH, BAND_HEIGHT, LANE, MOST_LANES = 960, 40, 8, 24


@dataclass(frozen=True, slots=True)
class Node:
    """A stage as a box."""

    stage: StageView
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The stages of a job, each to the right of those it waits for."""

    width: int
    height: int
    nodes: list[Node]
    edges: list[str]


def graph(stages: Sequence[StageView]) -> Graph:
    places = {stage.name: stage for stage in stages}
    depth: dict[str, int] = {}
    for stage in stages:  # a stage stands behind everything it waits for
        before = [name for name in (*stage.reads, *stage.after) if name in places]
        depth[stage.name] = 1 + max((depth.get(name, 0) for name in before), default=-1)
    rows: dict[int, int] = {}
    nodes: dict[str, Node] = {}
    for stage in stages:
        column = depth[stage.name]
        row = rows[column] = rows.get(column, -1) + 1
        x, y = column * (NODE_WIDTH + GAP_X) + EDGE, row * (NODE_HEIGHT + GAP_Y) + EDGE
        nodes[stage.name] = Node(stage, x, y)
    edges = [
        _edge(nodes[name], nodes[stage.name])
        for stage in stages
        for name in dict.fromkeys((*stage.reads, *stage.after))
    ]
    columns, tallest = max(rows, default=0) + 1, max(rows.values(), default=0) + 1
    return Graph(
        columns * (NODE_WIDTH + GAP_X) - GAP_X + 2 * EDGE,
        tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y + 2 * EDGE,
        list(nodes.values()),
        edges,
    )


def _edge(start: Node, end: Node) -> str:
    x1, y1 = start.x + NODE_WIDTH, start.y + NODE_HEIGHT // 2
    x2, y2 = end.x, end.y + NODE_HEIGHT // 2
    bend = GAP_X // 2
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


@dataclass(frozen=True, slots=True)
class Stick:
    """One minute: how high its jobs reach, and how high the failed ones of them."""

    x: int
    top: float
    height: float
    failed_top: float
    failed_height: float


def sparkline(told: Throughput) -> list[Stick]:
    most = max((minute.ended for minute in told.minutes), default=0) or 1
    sticks: list[Stick] = []
    for n, minute in enumerate(told.minutes):
        height, failed = (
            round(SPARK_HEIGHT * part / most, 1) for part in (minute.ended, minute.failed)
        )
        sticks.append(
            Stick(n * SPARK_BAR, SPARK_HEIGHT - height, height, SPARK_HEIGHT - failed, failed)
        )
    return sticks


@dataclass(frozen=True, slots=True)
class Bar:
    """A task in a timeline."""

    task: TaskBar
    x: float
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A stage's part of a timeline: bars, one for each task, or the outline of how many ran."""

    band: StageBand
    height: int
    bars: list[Bar]
    outline: str
    failures: list[float]
    most: int


def timeline(told: Timeline) -> list[Drawn]:
    return [_drawn(band, told) for band in told.stages]


def _drawn(band: StageBand, told: Timeline) -> Drawn:
    most = max(band.busy, default=0)
    lanes = None if band.bars is None else _lanes(band.bars, told)
    if lanes is not None:
        height = max(bar.y for bar in lanes) + LANE if lanes else LANE
        return Drawn(band, height, lanes, "", [], most)
    width = BAND_WIDTH / SLICES
    failures = [round(n * width, 1) for n, failed in enumerate(band.failed) if failed]
    return Drawn(band, BAND_HEIGHT, [], _outline(band.busy, most), failures, most)


def _outline(busy: Sequence[int], most: int) -> str:
    """Steps, as high as many tasks were under way."""
    width = BAND_WIDTH / SLICES
    points = [f"M0 {BAND_HEIGHT}"]
    for n, running in enumerate(busy):
        y = BAND_HEIGHT - round((BAND_HEIGHT - 2) * running / (most or 1), 1)
        points.append(f"L{n * width:.0f} {y:g}L{(n + 1) * width:.0f} {y:g}")
    return "".join([*points, f"L{BAND_WIDTH} {BAND_HEIGHT}Z"])


def _lanes(tasks: Sequence[TaskBar], told: Timeline) -> list[Bar] | None:
    """Each task in the first lane that is free; None where that takes too many."""
    free: list[float] = []
    bars: list[Bar] = []
    for task in tasks:
        x = _place(task.started_at, told)
        end = _place(task.finished_at or told.end, told)
        width = max(end - x, 2.0)
        lane = next((n for n, until in enumerate(free) if until <= x), len(free))
        if lane == MOST_LANES:
            return None
        free[lane : lane + 1] = [x + width + 1]
        bars.append(Bar(task, round(x, 1), lane * LANE, round(width, 1)))
    return bars


def _place(moment: datetime, told: Timeline) -> float:
    share = (moment - told.begin) / (told.end - told.begin)
    return BAND_WIDTH * min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Views:
    """Where to look next: closer, wider, earlier, later."""

    closer: tuple[datetime, datetime]
    wider: tuple[datetime, datetime]
    earlier: tuple[datetime, datetime]
    later: tuple[datetime, datetime]


def views(told: Timeline) -> Views:
    length = told.end - told.begin
    quarter = max(length / 4, timedelta(milliseconds=250))
    return Views(
        (told.begin + quarter, told.end - quarter),
        (told.begin - length / 2, told.end + length / 2),
        (told.begin - length / 2, told.end - length / 2),
        (told.begin + length / 2, told.end + length / 2),
    )


def eta(stage: StageView, now: datetime) -> float | None:
    """Seconds until a stage is done, if it goes on as it went; None while nobody can know."""
    if stage.closed_at is not None or stage.opened_at is None or not 0.01 < stage.progress < 1:
        return None
    taken = (now - stage.opened_at).total_seconds()
    return max(0.0, taken * (1 - stage.progress) / stage.progress)
