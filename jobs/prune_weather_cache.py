"""Keep the cache of forecasts small."""

from datetime import UTC, datetime, timedelta

from pydantic import Field

from core import Context, JobBase, minutes, single
from services.storage.pruning import Pruned
from services.weather import cache
from services.weather.options import WeatherOptions


class PruneWeatherCache(JobBase, schedule="17 * * * *"):
    """Remove messages of forecasts whose cycle was long ago."""

    keep_hours: float | None = Field(default=None, gt=0)
    """How many hours a cycle is kept; what the installation has set (`CM_WEATHER_KEEP_HOURS`) when not given."""

    @single(timeout=minutes(30))
    def prune(self, ctx: Context) -> Pruned:
        hours = self.keep_hours or ctx.option(WeatherOptions).keep_hours
        return cache.prune(ctx.blobs, timedelta(hours=hours), datetime.now(UTC), ctx.check)
