"""Build tiles of what the GRIB cache has."""

from datetime import UTC, datetime

from pydantic import AwareDatetime

from core import HEAVY, Context, JobBase, Results, fan_in, fan_out, keep_going, minutes, single
from services.weather import patch
from services.weather.models import ModelName
from services.weather.tilecache import building, records, rounds, scanning, stock
from services.weather.tilecache.building import Built, TileOrder
from services.weather.tilecache.region import Region
from services.weather.tilecache.rounds import Round
from services.weather.tilecache.scanning import Scope


class BuildTile(JobBase):
    """Add to a region's tiles whatever hours the GRIB cache has and they lack, a tile a task. No source is asked."""

    region: Region
    """Where, how fine, and of what."""
    model: ModelName | None = None
    """Only this one of the region's models."""
    run: AwareDatetime | None = None
    """Only this run; all in the GRIB cache when not given."""

    @single
    def choose(self, ctx: Context) -> list[TileOrder]:
        records.follow(ctx.blobs, self.region, datetime.now(UTC))
        models = () if self.model is None else (self.model,)
        scope = Scope(regions=(self.region,), models=models, run=self.run)
        return scanning.to_build(stock.look(ctx.blobs), scope)

    @fan_out(choose, queue=HEAVY, timeout=minutes(30), on_failure=keep_going())
    def build(self, ctx: Context, order: TileOrder) -> Built:
        return building.build(patch.desk(ctx), order, datetime.now(UTC))

    @fan_in(build)
    def tell(self, ctx: Context, built: Results[Built]) -> Round:
        return rounds.told(built, [])
