"""A fire forecast in words: how far each of its steps is, and what it had to assume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.insights.views import EventView, JobView, StageView, TaskView
from core.watching.task_logs import LogLine
from jobs.fire_forecast import FireForecast
from services.fire.publishing import Made

TITLES = {
    FireForecast.locate.name: "The place",
    FireForecast.terrain.name: "Terrain",
    FireForecast.weather.name: "Weather",
    FireForecast.fuel.name: "What grows there",
    FireForecast.features.name: "All of it on one grid",
    FireForecast.spread.name: "Spreading",
    FireForecast.publish.name: "Maps, outlines and checks",
}
DOING = {
    FireForecast.locate.name: "finding the place",
    FireForecast.features.name: "putting it together",
    FireForecast.spread.name: "spreading",
    FireForecast.publish.name: "drawing maps",
}
SAID = {"stage_opened": "begins", "stage_closed": "ready"}
BEGINS = {
    "point": "where you said",
    "detections": "where satellites saw it burn",
    "assumed": "in the middle of the box; no fire is known there",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a forecast, for people."""

    title: str
    status: str
    progress: float
    note: str


@dataclass(frozen=True, slots=True)
class Ground:
    """One thing a forecast is made of, where it comes from, and whether something stands in for it."""

    title: str
    source: str
    fallback: str


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the log: what happened, or what a task wrote."""

    at: datetime
    level: str
    text: str


def log(events: Iterable[EventView], lines: Iterable[LogLine]) -> list[Told]:
    """Both, the newest first."""
    happened = [Told(each.at, "info", _event(each)) for each in events]
    wrote = [Told(each.at, each.level, each.message) for each in lines]
    return sorted([*happened, *wrote], key=lambda each: each.at, reverse=True)


def _event(event: EventView) -> str:
    what = SAID.get(event.what, event.what.replace("_", " "))
    return f"{TITLES.get(event.stage, event.stage)}: {what}" if event.stage else what


def steps(view: JobView, running: Iterable[TaskView]) -> list[Step]:
    notes = {task.stage: task.note for task in running if task.note}
    return [_step(stage, notes.get(stage.name, "")) for stage in view.stages]


def _step(stage: StageView, note: str) -> Step:
    if stage.closed_at is not None:
        status, said = str(stage.verdict or stage.status), "" if stage.verdict != "ok" else "ready"
    elif stage.opened_at is None:
        status, said = str(stage.status), ""
    else:
        status, said = str(stage.status), note or DOING.get(stage.name, "waiting for a worker")
    if stage.total > 1 and stage.opened_at is not None:
        said = f"{said}: {stage.counts.ended} of {stage.total} parts" if said else ""
    return Step(TITLES.get(stage.name, stage.name), status, stage.progress, said)


def grounds(made: Made) -> list[Ground]:
    """What stands in for what is missing is said here, whatever else the warnings say."""
    air, fuel = made.weather, made.fuel
    cycle = f"{air.model.value.upper()}, run of {air.cycle:%d %B, %H} UTC"
    older = "an older run: the newest is not whole yet" if air.fallback else ""
    share = f"{fuel.assumed * 100:.0f} % of it is assumed" if fuel.assumed else ""
    return [
        Ground("Begins", BEGINS.get(made.ignition, made.ignition), "" if made.ignition != "assumed" else "assumed"),
        Ground("Weather", cycle, older),
        Ground("Terrain", made.terrain.source, "a stand-in" if made.terrain.fallback else ""),
        Ground("Fuel", fuel.source, "one fuel is assumed everywhere" if fuel.fallback else share),
    ]  # fmt: skip
