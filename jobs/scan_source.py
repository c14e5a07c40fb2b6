"""Keep the tile cache up to date."""

from datetime import UTC, datetime

from pydantic import AwareDatetime

from core import (
    HEAVY,
    Concurrency,
    Context,
    JobBase,
    Results,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from services.weather import patch
from services.weather.models import ModelName
from services.weather.tilecache import building, ingest, rounds, scanning, stock
from services.weather.tilecache.building import Built, TileOrder
from services.weather.tilecache.ingest import HourOrder, Ingested
from services.weather.tilecache.options import TileOptions
from services.weather.tilecache.region import Region
from services.weather.tilecache.rounds import Round
from services.weather.tilecache.scanning import Scope


class ScanSource(
    JobBase, schedule="*/15 * * * *", concurrency=Concurrency("weather-tiles", shared=True)
):
    """Look which hours the sources have, fetch those that regions lack, an hour a task, and add them to the tiles."""

    region: Region | None = None
    """What to keep, and of where; the installation's regions (`CM_WEATHER_REGIONS`) when not given."""
    model: ModelName | None = None
    """Only this one of the region's models."""
    run: AwareDatetime | None = None
    """Only this run; the newest ones when not given."""

    def scope(self, ctx: Context) -> Scope:
        option = ctx.option(TileOptions)
        return Scope(
            regions=option.regions if self.region is None else (self.region,),
            models=() if self.model is None else (self.model,),
            run=self.run,
            most_pending=option.most_pending,
        )

    @single(timeout=minutes(20))
    def scan(self, ctx: Context) -> list[HourOrder]:
        return scanning.scan(patch.desk(ctx), self.scope(ctx), datetime.now(UTC))

    @fan_out(scan, timeout=minutes(10), on_failure=keep_going())
    def fetch(self, ctx: Context, order: HourOrder) -> Ingested:
        return ingest.ingest(patch.desk(ctx), order, datetime.now(UTC))

    @fan_in(fetch)
    def choose(self, ctx: Context, fetched: Results[Ingested]) -> list[TileOrder]:
        return scanning.to_build(stock.look(ctx.blobs), self.scope(ctx))

    @fan_out(choose, queue=HEAVY, timeout=minutes(30), on_failure=keep_going())
    def build(self, ctx: Context, order: TileOrder) -> Built:
        return building.build(patch.desk(ctx), order, datetime.now(UTC))

    @fan_in(build, fetch)
    def tell(self, ctx: Context, built: Results[Built], fetched: list[Ingested]) -> Round:
        return rounds.told(built, fetched)
