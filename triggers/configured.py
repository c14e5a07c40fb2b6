"""What parts of the product are told of the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from core.housekeeping import Keeping
from services.fire.options import FireOptions
from services.raster.models import Tier
from services.raster.options import Lossless, RasterOptions
from services.weather.options import WeatherOptions

if TYPE_CHECKING:
    from triggers.wiring import Settings


def keeping(given: Settings) -> Keeping:
    return Keeping(
        jobs=None if given.keep_jobs_days is None else timedelta(days=given.keep_jobs_days),
        details=timedelta(days=given.keep_details_days),
        blobs=timedelta(hours=given.keep_temporary_hours),
    )


def options(given: Settings) -> tuple[object, ...]:
    """What services are told of the settings, one value of each of their own kinds."""
    raster = RasterOptions(
        cache_mb=given.raster_cache_mb,
        tile_above_gb=given.tile_above_gb,
        tile_size=given.tile_size,
        compression=Lossless(given.analysis_compression),
        prices={
            Tier.VISUALIZATION: given.price_visualization,
            Tier.ANALYSIS: given.price_analysis,
            Tier.ARCHIVE: given.price_archive,
        },
        currency=given.currency,
        scratch=given.scratch,
    )
    weather = WeatherOptions(keep_hours=given.weather_keep_hours, lines=given.weather_lines)
    return raster, weather, FireOptions(firms_key=given.firms_key)
