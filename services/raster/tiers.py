"""What each tier is made of: its compression, and whether it applies to a raster at all."""

from dataclasses import dataclass

from services.raster import blocks
from services.raster.models import RasterInfo, Tier
from services.raster.options import RasterOptions

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
    resampling: str | None = None
    """How overviews are made, where that shall not follow from what the cells mean."""

    @property
    def lossless(self) -> bool:
        return self.quality is None

    def options(self, info: RasterInfo, width: int, height: int) -> dict[str, str | int]:
        """For GDAL's COG driver, and an output of so many cells."""
        block = blocks.size_of(width, height, info.cell_bytes)
        usual: dict[str, str | int] = {
            "COMPRESS": self.compression,
            "BLOCKSIZE": block,
            "OVERVIEWS": "IGNORE_EXISTING"
            if blocks.has_overviews(width, height, block)
            else "NONE",
            "OVERVIEW_RESAMPLING": self.resampling or _resampling(info),
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
            # Higher levels cost half again and save next to nothing on imagery.
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
    if info.has_alpha and (info.has_mask or info.nodata is not None):
        return "it says twice which cells are empty, by alpha and otherwise; JPEG keeps one mask"
    return None


def _resampling(info: RasterInfo) -> str:
    return "MODE" if info.is_categorical else "AVERAGE"


def predictor(info: RasterInfo) -> str:
    """Differences help pictures, not classes; floats need their own kind."""
    if info.dtype.startswith("float"):
        return "FLOATING_POINT"
    return "NO" if info.is_categorical else "STANDARD"


def in_order(tiers: list[Tier]) -> list[Tier]:
    return [tier for tier in ORDER if tier in tiers]
