"""The bands of a COG as STAC 1.1 tells of them."""

from typing import Any

from core.catalog import Document
from services.raster.models import Band, RasterInfo, RasterType

COMMON = frozenset(
    {
        "pan",
        "coastal",
        "blue",
        "green",
        "green05",
        "yellow",
        "red",
        "rededge",
        "rededge071",
        "rededge075",
        "rededge078",
        "nir",
        "nir08",
        "nir09",
        "cirrus",
        "swir16",
        "swir22",
        "lwir",
        "lwir11",
        "lwir12",
    }
)
"""The names that the eo extension knows."""
FOURTH = 3


def bands(info: RasterInfo, dtype: str, nodata: Any, count: int) -> list[Document]:
    """Of a file with so many bands, made of this raster. What it has more is the alpha band that warping adds."""
    alpha: Document = {"name": "alpha", "data_type": dtype}
    told = [_band(info, at, dtype, nodata) for at in range(len(info.bands))]
    return [*told, *[alpha] * (count - len(told))][:count]


def _band(info: RasterInfo, at: int, dtype: str, nodata: Any) -> Document:
    band = info.bands[at]
    found = {
        "name": band.name,
        "eo:common_name": _common_name(info, at),
        "data_type": dtype,
        "nodata": nodata,
        "unit": band.unit,
        "statistics": _statistics(band),
    }
    kept = {key: value for key, value in found.items() if value is not None}
    scaled = {"raster:scale": band.scale, "raster:offset": band.offset}
    return {**kept, **(scaled if (band.scale, band.offset) != (1.0, 0.0) else {})}


def _common_name(info: RasterInfo, at: int) -> str | None:
    """As the file colours the band, as it names it, or as its type says where it says neither."""
    band = info.bands[at]
    for name in (band.color, band.name.lower()):
        if name in COMMON:
            return name
    return "nir" if info.raster_type is RasterType.NIR and at == FOURTH else None


def _statistics(band: Band) -> dict[str, float]:
    """Of the source's cells. STAC has no way to say that there are none but the valid share."""
    found = band.statistics
    return {
        key: value
        for key, value in {
            "minimum": found.minimum,
            "maximum": found.maximum,
            "mean": found.mean,
            "stddev": found.stddev,
            "valid_percent": 100 * found.valid_share,
        }.items()
        if value is not None
    }
