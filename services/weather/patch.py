"""A patch: the weather of a place and a time, from as few bytes as the messages have."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.blobs import Blobs
from core.context import Context
from core.errors import BadInput
from core.internet import Internet
from services.geo.gridspec import GridSpec
from services.weather import rain
from services.weather.cache import Cache
from services.weather.derive import WINDS, Variable, components, published, way
from services.weather.hourfile import Cut, HourFile, Pools
from services.weather.models import Model, Raw, model_named
from services.weather.options import WeatherOptions
from services.weather.plan import Asked, Plan, choose, raws
from services.weather.sources import Sources
from services.weather.wants import Want, instant

FILES = 8
"""Files of a forecast that are worked on at once: their messages are what memory holds."""
MOST_NUMBERS = 250_000_000
DOWN = 0.5
"""Millimetres by which sums may go down before it is told; packing alone makes tenths."""
Floats = NDArray[np.float32]


def _go_on() -> None: ...


def _ignore(fraction: float, note: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What a patch is made with."""

    blobs: Blobs
    internet: Internet
    options: WeatherOptions = field(default_factory=WeatherOptions)
    check: Callable[[], None] = _go_on
    report: Callable[[float, str], None] = _ignore


def desk(ctx: Context) -> Desk:
    """What a task has."""
    return Desk(ctx.blobs, ctx.option(Internet), ctx.option(WeatherOptions), ctx.check, ctx.report)


class Patch(NamedTuple):
    """The weather on a grid. Every variable has the shape (times, rows, columns)."""

    spec: GridSpec
    plan: Plan
    variables: Mapping[Variable, Floats]
    warnings: list[str]
    sources: list[str]
    """Those that were read, for what the cache did not have."""
    bytes: int
    """Read from sources, inventories included."""
    requests: int


class _Work(NamedTuple):
    """The files at hand, each made once."""

    desk: Desk
    sources: Sources
    pools: Pools
    hours: ThreadPoolExecutor
    files: dict[tuple[datetime, int], HourFile]

    def file(self, cycle: datetime, hour: int) -> HourFile:
        if (cycle, hour) not in self.files:
            cache = Cache(self.desk.blobs, self.sources.model.name, cycle, hour)
            self.files[cycle, hour] = HourFile(
                self.sources, cache, cycle, hour, self.pools, self.desk.check
            )
        return self.files[cycle, hour]


def plan(desk: Desk, asked: Asked, now: datetime) -> Plan:
    """Which cycle and which messages; nothing but inventories is read."""
    with _working(desk, model_named(asked.model), asked.hours + 1) as work:
        return choose(asked, work.file, desk.options.cycles_back, now, work.hours)


def build(desk: Desk, planned: Plan, spec: GridSpec) -> Patch:
    """The patch of a plan."""
    with _working(desk, planned.model, len(planned.wants())) as work:
        return _built(work, planned, spec)


def make(desk: Desk, asked: Asked, spec: GridSpec, now: datetime) -> Patch:
    """Both, without reading anything twice."""
    with _working(desk, model_named(asked.model), asked.hours + 1) as work:
        planned = choose(asked, work.file, desk.options.cycles_back, now, work.hours)
        return _built(work, planned, spec)


@contextmanager
def _working(desk: Desk, model: Model, files: int) -> Generator[_Work]:
    """When it ends, everything that was fetched is kept."""
    pools = Pools.of(desk.options.lines, min(FILES, files))
    hours = ThreadPoolExecutor(FILES, "weather-file")
    try:
        yield _Work(desk, Sources(model, desk.internet, desk.check), pools, hours, {})
    finally:
        hours.shutdown(cancel_futures=True)
        pools.close()


def _built(work: _Work, planned: Plan, spec: GridSpec) -> Patch:
    refuse(planned.model, spec, len(planned.hours) * len(planned.asked.variables))
    maker = _Maker(work, planned, spec)
    made = maker.run()
    files = list(work.files.values())
    troubles = [str(trouble) for file in files for trouble in file.troubles]
    return Patch(
        spec,
        planned,
        made,
        [*planned.skipped, *dict.fromkeys(troubles), *maker.warnings],
        sorted({name for file in files if (name := file.read_from)}),
        work.sources.bytes,
        work.sources.requests,
    )


def refuse(model: Model, spec: GridSpec, fields: int) -> None:
    """What is too large, or lies where the model has nothing."""
    if spec.width * spec.height * fields > MOST_NUMBERS:
        raise BadInput(
            f"that is more than {MOST_NUMBERS:,} numbers; ask for less, or for larger cells"
        )
    if not model.covers(spec.bbox):
        raise BadInput(f"{model.name} does not cover {spec.bbox}; gfs and ecmwf cover the earth")


class _Maker:
    """Fills the variables hour by hour, whichever comes first."""

    def __init__(self, work: _Work, planned: Plan, spec: GridSpec) -> None:
        self.work, self.plan, self.spec = work, planned, spec
        self.model = planned.model
        shape = (len(planned.hours), *spec.shape)
        self.variables = {v: np.empty(shape, np.float32) for v in planned.asked.variables}
        self.sums: dict[Want, Floats] = {}
        self.warnings: list[str] = []

    def run(self) -> dict[Variable, Floats]:
        wants = self.plan.wants()
        running = [self.work.hours.submit(self._hour, hour, each) for hour, each in wants.items()]
        try:
            for done, each in enumerate(running, 1):
                each.result()
                self.work.desk.check()
                self.work.desk.report(done / len(running), f"{done} of {len(running)} hours")
        finally:
            for each in running:
                each.cancel()
        if Variable.PRECIPITATION in self.variables:
            self._rain()
        return self.variables

    def _hour(self, hour: int, wants: Sequence[Want]) -> None:
        """One file: every variable of its time, and sums that are still to be reckoned with."""
        cut = self.work.file(self.plan.cycle, hour).take(wants, self.spec)
        for want in wants:
            if want.raw is Raw.RAIN:
                scale = self.model.messages[Raw.RAIN].scale
                self.sums[want] = cut.weights.apply(cut.values[want]) * np.float32(scale)
        if hour not in self.plan.hours:
            return
        fields = _fields(self.model, cut, hour, raws(self.model, self.plan.asked.variables))
        at = self.plan.hours.index(hour)
        for variable, target in self.variables.items():
            if variable is not Variable.PRECIPITATION:
                target[at] = way(self.model, variable).make(fields)

    def _rain(self) -> None:
        sums = {want.span: values for want, values in self.sums.items()}
        worst = 0.0
        for at, each in enumerate(self.plan.rain):
            fallen = rain.total(each.terms, sums, self.spec.shape)
            self.variables[Variable.PRECIPITATION][at] = fallen.amount
            worst = max(worst, fallen.below_zero)
        if worst > DOWN:
            self.warnings.append(
                f"sums of rain go down by up to {worst:.1f} mm; counted as no rain"
            )


def _fields(model: Model, cut: Cut, hour: int, wanted: Sequence[Raw]) -> dict[Raw, Floats]:
    """On the grid, winds turned to east and north."""
    raw = {each: cut.values[instant(each, hour)] for each in wanted}
    if Raw.SPEED in raw and published(model, Raw.U) == (Raw.SPEED, Raw.DIRECTION):
        u, v = components(raw.pop(Raw.SPEED), raw.pop(Raw.DIRECTION))
        return {**_applied(cut, raw), Raw.U: cut.weights.apply(u), Raw.V: cut.weights.apply(v)}
    fields = _applied(cut, raw)
    if set(WINDS) <= set(fields):
        fields[Raw.U], fields[Raw.V] = cut.weights.turned(fields[Raw.U], fields[Raw.V])
    return fields


def _applied(cut: Cut, raw: Mapping[Raw, Floats]) -> dict[Raw, Floats]:
    return {each: cut.weights.apply(values) for each, values in raw.items()}
