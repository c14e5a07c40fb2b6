"""What each tier is made of: its compression, and whether it applies to a raster at all."""

from dataclasses import dataclass

from services.raster.models import RasterInfo, Tier
from services.raster.options import RasterOptions

BLOCK = 512
LARGEST_BLOCK = 16 << 20
"""A block holds the cells of all bands, and several are in memory at once."""
QUALITY = 85
ORDER = (Tier.ANALYSIS, Tier.ARCHIVE, Tier.VISUALIZATION)
"""Lossless tiers first: what is made of them needs no second look at the source."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How the COG of one tier is written."""

    tier: Tier
    compression: str
    level: int | None = None
    quality: int | None = None

    @property
    def lossless(self) -> bool:
        return self.quality is None

    def options(self, info: RasterInfo) -> dict[str, str | int]:
        """For GDAL's COG driver."""
        usual: dict[str, str | int] = {
            "COMPRESS": self.compression,
            "BLOCKSIZE": block_size(info),
            "OVERVIEW_RESAMPLING": "MODE" if info.is_categorical else "AVERAGE",
            "BIGTIFF": "IF_SAFER",
            "SPARSE_OK": "YES",
        }
        if self.quality is not None:
            return {**usual, "QUALITY": self.quality}
        return {**usual, "LEVEL": self.level or 1, "PREDICTOR": predictor(info)}


def profile_of(tier: Tier, options: RasterOptions, quality: int | None = None) -> Profile:
    match tier:
        case Tier.VISUALIZATION:
            return Profile(tier, "JPEG", quality=quality or QUALITY)
        case Tier.ANALYSIS:
            # Level 1 costs a third less time than the default and, on imagery, no space.
            return Profile(tier, options.compression.value, level=1)
        case Tier.ARCHIVE:
            # Kept for decades: small, and readable by everything.
            return Profile(tier, "DEFLATE", level=9)


def why_not(tier: Tier, info: RasterInfo) -> str | None:
    """Why a tier does not apply, in words; None where it does."""
    if tier is not Tier.VISUALIZATION:
        return None
    if info.is_categorical:
        return "JPEG would blur the classes into one another"
    if info.dtype != "uint8":
        return f"JPEG holds 8-bit cells, not {info.dtype}"
    if info.shown_bands not in (1, 3):
        return f"JPEG holds one or three bands, not {info.shown_bands}"
    return None


def predictor(info: RasterInfo) -> str:
    """Differences help pictures, not classes; floats need their own kind."""
    if info.dtype.startswith("float"):
        return "FLOATING_POINT"
    return "NO" if info.is_categorical else "STANDARD"


def block_size(info: RasterInfo) -> int:
    """Smaller where there are many bands, so that a block never fills the memory."""
    size = BLOCK
    while size > 128 and size * size * info.cell_bytes > LARGEST_BLOCK:
        size //= 2
    return size


def in_order(tiers: list[Tier]) -> list[Tier]:
    return [tier for tier in ORDER if tier in tiers]
