"""What parts of the product are told of the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from core.housekeeping import Keeping
from services.raster.models import Tier
from services.raster.options import Lossless, RasterOptions

if TYPE_CHECKING:
    from triggers.http.crowd import CrowdLimits
    from triggers.http.services import SettingLine
    from triggers.wiring import Settings


def keeping(given: Settings) -> Keeping:
    return Keeping(
        jobs=None if given.keep_jobs_days is None else timedelta(days=given.keep_jobs_days),
        details=timedelta(days=given.keep_details_days),
        audit=timedelta(days=given.keep_audit_days),
        blobs=timedelta(hours=given.keep_temporary_hours),
    )


def crowd(given: Settings) -> CrowdLimits:
    from triggers.http.crowd import CrowdLimits  # noqa: PLC0415 - only the web app needs it

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
    return (raster,)


def told(given: Settings) -> list[SettingLine]:
    """Every setting under its name in the environment. Of a secret it tells whether it is set."""
    from triggers.http.services import SettingLine  # noqa: PLC0415 - nor for this

    lines: list[SettingLine] = []
    for name, field in type(given).model_fields.items():
        value, alias = getattr(given, name), field.validation_alias
        shown = "set" if isinstance(value, SecretStr) else "" if value is None else str(value)
        named = alias if isinstance(alias, str) else f"CM_{name.upper()}"
        lines.append(SettingLine(named, shown, is_default=value == field.default))
    return lines
