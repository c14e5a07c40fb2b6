"""Look what the sources have, and decide what is fetched and what is built next.

It decides from what lies there, not from what was ordered before: a worker that dies, a scan that is
repeated, or two at once leave nothing behind that the next one does not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.weather.cache import Cache
from services.weather.hourfile import HourFile, Pools
from services.weather.models import MODELS, Frozen, Model, ModelName
from services.weather.patch import Desk
from services.weather.sources import NotPublished, SourceFailed, Sources
from services.weather.tilecache import records, shelf, stock
from services.weather.tilecache.building import TileOrder
from services.weather.tilecache.ingest import HourOrder
from services.weather.tilecache.records import Seen
from services.weather.tilecache.region import Region, wish
from services.weather.tilecache.shelf import Slot, TileKey
from services.weather.tilecache.stock import Stock, wanting

ABSENT_IN_A_ROW = 3
"""Hours are published in order: after so many that are not there, the later ones are not asked for."""


class Scope(Frozen):
    """What a scan is about."""

    regions: tuple[Region, ...]
    models: tuple[ModelName, ...] = ()
    """All that the regions name when empty."""
    run: datetime | None = None
    """This run only; otherwise the newest ones."""
    most_pending: int = 500

    def chosen(self) -> list[Model]:
        named = {name for region in self.regions for name in region.models}
        return [
            model
            for name, model in MODELS.items()
            if name in named and (not self.models or name in self.models)
        ]

    def runs(self, model: Model, now: datetime) -> list[datetime]:
        """Newest first."""
        if self.run is not None:
            return [self.run]
        count = max(region.runs for region in self.regions if model.name in region.models)
        newest = model.cycle_at(now)
        return [newest - timedelta(hours=n * model.every) for n in range(count)]


def scan(desk: Desk, scope: Scope, now: datetime) -> list[HourOrder]:
    """What is to be fetched, newest runs first, and no more of a model than may be pending."""
    for region in scope.regions:
        records.follow(desk.blobs, region, now)
    for model in scope.chosen():
        look_at(desk, scope, model, now)
    have = stock.look(desk.blobs)
    return [
        order
        for model in scope.chosen()
        for order in _lacking(have, scope, model, now)[: scope.most_pending]
    ]


def look_at(desk: Desk, scope: Scope, model: Model, now: datetime) -> None:
    """Note which hours the sources have. Those that failed lately are left alone for a while (R158)."""
    status = shelf.read(desk.blobs, shelf.source(model.name), records.SourceStatus)
    if status is not None and now < status.again:
        return
    pools = Pools.of(desk.options.lines, 1)
    try:
        for run in scope.runs(model, now):
            hours = sorted(
                {h for each in wish(scope.regions, model, run).hours.values() for h in each}
            )
            shelf.keep(
                desk.blobs, shelf.seen(model.name, run), _seen(desk, model, run, hours, pools, now)
            )
    except SourceFailed as error:
        records.note_source(desk.blobs, model.name, str(error), now)
    else:
        records.note_source(desk.blobs, model.name, "", now)
    finally:
        pools.close()


def _seen(
    desk: Desk, model: Model, run: datetime, hours: Sequence[int], pools: Pools, now: datetime
) -> Seen:
    """Hours that were seen before are not asked for again (R157)."""
    before = shelf.read(desk.blobs, shelf.seen(model.name, run), Seen)
    known = set() if before is None else set(before.hours)
    sources, absent, reason = Sources(model, desk.internet, desk.check), 0, ""
    for hour in hours:
        desk.check()
        if hour in known:
            absent = 0
            continue
        cache = Cache(desk.blobs, model.name, run, hour)
        try:
            HourFile(sources, cache, run, hour, pools, desk.check).inventory()
        except NotPublished as error:
            absent, reason = absent + 1, reason or str(error)
            if absent == ABSENT_IN_A_ROW:
                break
        except SourceFailed:
            told = Seen(
                model=model.name, run=run, hours=tuple(sorted(known)), reason=reason, at=now
            )
            shelf.keep(desk.blobs, shelf.seen(model.name, run), told)
            raise
        else:
            known.add(hour)
            absent = 0
    return Seen(model=model.name, run=run, hours=tuple(sorted(known)), reason=reason, at=now)


def _lacking(have: Stock, scope: Scope, model: Model, now: datetime) -> list[HourOrder]:
    found: list[HourOrder] = []
    for run in scope.runs(model, now):
        there = have.seen.get((model.name, run))
        for hour in () if there is None else there.hours:
            variables = tuple(
                variable
                for variable, hours in wish(scope.regions, model, run).hours.items()
                if hour in hours
                and _is_due(have, scope.regions, Slot(model.name, run, variable, hour), now)
            )
            if variables:
                found.append(HourOrder(model=model.name, run=run, hour=hour, variables=variables))
    return found


def _is_due(have: Stock, regions: Iterable[Region], slot: Slot, now: datetime) -> bool:
    """Neither kept, nor in every tile already, nor failed a moment ago."""
    failure = have.failures.get(slot)
    if slot in have.gribs or (failure is not None and now < failure.again):
        return False
    return any(slot.hour not in have.hours(key) for key, _ in wanting(regions, slot))


def to_build(have: Stock, scope: Scope) -> list[TileOrder]:
    """The tiles that lack hours of which GRIB files are at hand, whoever fetched them and whenever."""
    models = {model.name for model in scope.chosen()}
    lacking: dict[TileKey, tuple[Region, list[int]]] = {}
    for slot in sorted(have.gribs):
        if slot.model not in models or scope.run not in (None, slot.run):
            continue
        for key, region in wanting(scope.regions, slot):
            if slot.hour not in have.hours(key):
                lacking.setdefault(key, (region, []))[1].append(slot.hour)
    return [
        TileOrder(
            region=region,
            model=key.model,
            run=key.run,
            variable=key.variable,
            hours=tuple(sorted(hours)),
        )
        for key, (region, hours) in lacking.items()
    ]
