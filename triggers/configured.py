"""What parts of the product are told of the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr, TypeAdapter, ValidationError

from core.errors import BadInput
from core.imports import one_at_a_time
from core.insights.questions import Insights
from core.insights.reading import Reader
from core.upkeep.keeping import Keeping
from services.fire.options import FireOptions
from services.raster.models import Tier
from services.raster.options import Lossless, RasterOptions
from services.weather.options import WeatherOptions
from services.weather.tilecache.options import TileOptions
from services.weather.tilecache.region import Region

if TYPE_CHECKING:
    from core.lookout import Lookout
    from services.weather.tilecache.inventory import Inventory
    from triggers.http.door.crowd import CrowdLimits
    from triggers.http.services import SettingLine
    from triggers.wiring import Services, Settings

REGIONS = TypeAdapter(tuple[Region, ...])


def keeping(given: Settings) -> Keeping:
    return Keeping(
        jobs=None if given.keep_jobs_days is None else timedelta(days=given.keep_jobs_days),
        details=timedelta(days=given.keep_details_days),
        audit=timedelta(days=given.keep_audit_days),
        blobs=timedelta(hours=given.keep_temporary_hours),
    )


def crowd(given: Settings) -> CrowdLimits:
    with one_at_a_time:
        from triggers.http.door.crowd import CrowdLimits  # noqa: PLC0415 - only the web app needs it

    return CrowdLimits(
        given.max_requests,
        given.max_waiting_requests,
        given.request_patience_seconds,
        given.max_streams,
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
    tiles = TileOptions(regions=regions(given), most_pending=given.weather_most_pending)
    return raster, weather, tiles, FireOptions(firms_key=given.firms_key)


def regions(given: Settings) -> tuple[Region, ...]:
    """Raises BadInput, which says what is wrong with the setting."""
    try:
        return REGIONS.validate_json(given.weather_regions or "[]")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(
            f"CM_WEATHER_REGIONS is wrong at {where or 'its begin'}: {first['msg']}"
        ) from None


def insights(services: Services, reader: Reader, forecasts: Lookout[Inventory]) -> Insights:
    """With what is there of forecasts."""
    with one_at_a_time:
        from services.weather.tilecache.inventory import lines  # noqa: PLC0415 - only the web app asks

    return Insights(
        reader,
        services.registry,
        services.machine.blobs,
        dead_after=services.settings.dead_after_seconds,
        scales=services.observability.scales,
        inventory=lambda: lines(forecasts()),
    )


def told(given: Settings) -> list[SettingLine]:
    """Every setting under its name in the environment. Of a secret it tells whether it is set."""
    with one_at_a_time:
        from triggers.http.services import SettingLine  # noqa: PLC0415 - nor for this

    lines: list[SettingLine] = []
    for name, field in type(given).model_fields.items():
        value, alias = getattr(given, name), field.validation_alias
        shown = "set" if isinstance(value, SecretStr) else "" if value is None else str(value)
        named = alias if isinstance(alias, str) else f"CM_{name.upper()}"
        lines.append(SettingLine(named, shown, is_default=value == field.default))
    return lines
