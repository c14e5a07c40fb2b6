"""Which cycle serves a time span, and which messages of it are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pydantic import AwareDatetime, Field

from core.errors import BadInput
from services.weather import rain
from services.weather.derive import Variable, published, way
from services.weather.hourfile import HourFile
from services.weather.idx import Inventory, Span
from services.weather.models import Frozen, Model, Raw, model_named
from services.weather.rain import Term
from services.weather.sources import NotPublished, SourceFailed
from services.weather.wants import Want, instant, sums

LONGEST = 16 * 24
SKIPPED = 0.25
"""A cycle younger than this share of the usual delay cannot be there yet, and is not asked for."""

Files = Callable[[datetime, int], HourFile]


class Asked(Frozen):
    """What a patch shall hold, apart from its place."""

    model: str
    start: AwareDatetime
    hours: int = Field(default=24, ge=0, le=LONGEST)
    step: int | None = Field(default=None, ge=1, le=24)
    """Hours between times; those that the model has when not given."""
    variables: tuple[Variable, ...]
    cycle: AwareDatetime | None = None
    """This cycle and no other."""

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=self.hours)


class Rain(Frozen):
    """How the precipitation of one time is reckoned, and over how many hours it fell."""

    terms: tuple[Term, ...]
    hours: float


class Plan(Frozen):
    """One cycle, its hours, and what is needed of them."""

    asked: Asked
    cycle: AwareDatetime
    due: AwareDatetime
    """The newest cycle that is usually whole by then."""
    hours: tuple[int, ...]
    rain: tuple[Rain, ...] = ()
    skipped: tuple[str, ...] = ()
    """Why cycles that were due were not taken."""

    @property
    def model(self) -> Model:
        return model_named(self.asked.model)

    @property
    def times(self) -> list[datetime]:
        return [self.cycle + timedelta(hours=hour) for hour in self.hours]

    @property
    def fallback(self) -> bool:
        return self.cycle < self.due

    def wants(self) -> dict[int, list[Want]]:
        """By the file that holds them."""
        found: dict[int, list[Want]] = {hour: [] for hour in self.hours}
        for hour in self.hours:
            found[hour] += [instant(raw, hour) for raw in raws(self.model, self.asked.variables)]
        for each in self.rain:
            for term in each.terms:
                want = Want(Raw.RAIN, term.span)
                found.setdefault(want.hour, []).append(want)
        return {hour: list(dict.fromkeys(wants)) for hour, wants in sorted(found.items()) if wants}


def raws(model: Model, variables: Iterable[Variable]) -> list[Raw]:
    """The fields of a moment; rain is no such field."""
    needed = [raw for variable in variables for raw in way(model, variable).needs]
    found = [raw for each in needed for raw in published(model, each) or ()]
    return [raw for raw in dict.fromkeys(found) if raw is not Raw.RAIN]


def choose(asked: Asked, files: Files, back: int, now: datetime, pool: Executor) -> Plan:
    """The newest whole cycle. An older one keeps the valid times: its hours are further ahead (R145)."""
    model = model_named(asked.model)
    for variable in asked.variables:
        way(model, variable)
    newest = asked.cycle or model.cycle_at(min(asked.start, now).astimezone(UTC))
    due = asked.cycle or _due(model, newest, now)
    times = _times(asked, model, newest)
    skipped: dict[datetime, str] = {}
    for older in range(1 if asked.cycle else back + 1):
        cycle = newest - timedelta(hours=older * model.every)
        try:
            hours = _hours(model, cycle, times, now)
            found = _looked(model, cycle, hours, asked, files, pool)
        except (NotPublished, SourceFailed) as error:
            skipped[cycle] = str(error)
            continue
        why = tuple(said for each, said in skipped.items() if each <= due)
        return Plan(asked=asked, cycle=cycle, due=due, hours=hours, rain=found, skipped=why)
    raise NotPublished(
        f"no cycle of {model.name} serves {asked.start:%Y-%m-%d %H:%M}: {'; '.join(skipped.values())}"
    )


def _due(model: Model, newest: datetime, now: datetime) -> datetime:
    cycle = newest
    while cycle + timedelta(hours=model.late) > now:
        cycle -= timedelta(hours=model.every)
    return cycle


def _times(asked: Asked, model: Model, newest: datetime) -> list[datetime]:
    """Those around the span that the newest cycle has, or every so many hours."""
    start = (asked.start - newest) / timedelta(hours=1)
    end = (asked.end - newest) / timedelta(hours=1)
    expected = model.expected(newest)
    if not expected or end > expected[-1]:
        last = newest + timedelta(hours=expected[-1] if expected else 0)
        raise BadInput(
            f"{model.name} of {newest:%Y-%m-%d %H}z ends at {last:%Y-%m-%d %H}z; ask for less"
        )
    if start < 0:
        raise BadInput(f"the cycle {newest:%Y-%m-%d %H}z begins after {asked.start:%Y-%m-%d %H:%M}")
    before = [hour for hour in expected if hour <= start] or expected
    first = before[-1] if expected[0] <= start else expected[0]
    last = next(hour for hour in expected if hour >= max(end, first))
    if asked.step is None:
        hours = [hour for hour in expected if first <= hour <= last]
    else:
        hours = list(range(first, last + asked.step, asked.step))
        if hours[-1] - asked.step >= end:
            hours.pop()
        if missing := sorted(set(hours) - set(expected)):
            raise BadInput(
                f"{model.name} has no hour {missing[0]} after {newest:%Y-%m-%d %H}z; leave step_hours away, or choose another"
            )
    return [newest + timedelta(hours=hour) for hour in hours]


def _hours(
    model: Model, cycle: datetime, times: Sequence[datetime], now: datetime
) -> tuple[int, ...]:
    """The cycle's hours at these times; NotPublished when it has not all of them, or cannot have them yet."""
    name = f"{model.name} {cycle:%Y-%m-%d %H}z"
    if now < cycle + timedelta(hours=model.late * SKIPPED):
        raise NotPublished(f"{name} is not due yet")
    hours = tuple(round((time - cycle) / timedelta(hours=1)) for time in times)
    if missing := set(hours) - set(model.expected(cycle)):
        raise NotPublished(f"{name} has no hour {min(missing)}")
    return hours


def _looked(
    model: Model,
    cycle: datetime,
    hours: tuple[int, ...],
    asked: Asked,
    files: Files,
    pool: Executor,
) -> tuple[Rain, ...]:
    """Whether everything is there: the last hour first, because a cycle that is being published lacks that."""
    wet = Variable.PRECIPITATION in asked.variables
    earlier = _before(model, cycle, hours[0]) if wet else None
    needed = [*([] if earlier in (None, 0) else [earlier]), *hours]
    files(cycle, hours[-1]).inventory()
    looked = pool.map(lambda hour: files(cycle, hour).inventory(), needed)
    found = dict(zip(needed, looked, strict=True))
    for hour in hours:
        files(cycle, hour).refuse_missing(
            [instant(raw, hour) for raw in raws(model, asked.variables)]
        )
    return _rain(model, cycle, [earlier or 0, *hours], found) if wet else ()


def _before(model: Model, cycle: datetime, hour: int) -> int:
    """The hour of the cycle before this one: rain of the first time fell since then."""
    return max((each for each in model.expected(cycle) if each < hour), default=0)


def _rain(
    model: Model, cycle: datetime, moments: Sequence[int], found: Mapping[int, Inventory]
) -> tuple[Rain, ...]:
    known = [span for hour, inventory in found.items() for span in sums(model, inventory, hour)]
    made: list[Rain] = []
    for before, hour in pairwise(moments):
        terms = rain.way(known, Span(before * 60, hour * 60))
        if terms is None:
            raise NotPublished(
                f"{model.name} {cycle:%Y-%m-%d %H}z has no sums of rain that tell the hours {before} to {hour}"
            )
        made.append(Rain(terms=tuple(terms), hours=hour - before))
    return tuple(made)
