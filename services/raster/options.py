"""What an installation sets for raster work."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from services.raster.models import Frozen, Tier


class Lossless(StrEnum):
    """How an analysis COG is compressed: what every reader knows, or what is faster and smaller."""

    DEFLATE = "DEFLATE"
    ZSTD = "ZSTD"


PRICES = {Tier.VISUALIZATION: 0.018, Tier.ANALYSIS: 0.018, Tier.ARCHIVE: 0.002}


class RasterOptions(Frozen):
    """Limits and prices of raster work; a task asks its context for them."""

    cache_mb: int = Field(default=256, ge=16)
    """GDAL's block cache, of the whole process."""
    tile_above_gb: float = Field(default=2.0, gt=0)
    """A raster with more cells than fit so many gigabytes is cut into tiles, a task each."""
    tile_size: int = Field(default=8192, ge=512, multiple_of=512)
    """Cells along the edge of such a tile."""
    compression: Lossless = Lossless.DEFLATE
    """Of the analysis tier."""
    prices: dict[Tier, float] = PRICES
    """What a gigabyte costs to keep for a month, by tier."""
    currency: str = "USD"
    scratch: Path | None = None
    """Where temporary files are put; the system's place when unset."""

    @property
    def cache_bytes(self) -> int:
        return self.cache_mb << 20

    def monthly_cost(self, tier: Tier, size: int) -> float:
        return round(self.prices.get(tier, 0.0) * size / 1e9, 6)
