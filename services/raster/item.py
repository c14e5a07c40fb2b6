"""Describe a COG as a STAC item (1.1, with the projection, raster and file extensions)."""

from datetime import UTC, datetime
from typing import Any

from rasterio.enums import WktVersion

from services.raster import place
from services.raster.models import COG_TYPE, Band, Cog, Grid, RasterInfo

EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]


def item(
    info: RasterInfo,
    cog: Cog,
    collection: str,
    item_id: str,
    taken: datetime | None = None,
) -> dict[str, Any]:
    """The item for one COG. STAC wants a time: `taken`, else the file's own, else that of processing.

    `coremachine:datetime_source` says which of the three it is.
    """
    now = datetime.now(UTC)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": item_id,
        "collection": collection,
        "geometry": place.outline(cog.grid.bounds_lonlat),
        "bbox": list(cog.grid.bounds_lonlat),
        "properties": {**_when(info, taken, now), **_what(info), **_projection(cog.grid)},
        "links": [{"rel": "collection", "type": "application/json", "href": "./collection.json"}],
        "assets": {"data": _asset(info, cog)},
    }


def _when(info: RasterInfo, taken: datetime | None, now: datetime) -> dict[str, str]:
    times = {"given": taken, "file": info.taken, "processing": now}
    source, moment = next((name, time) for name, time in times.items() if time)
    return {
        "datetime": _utc(moment),
        "created": _utc(now),
        "coremachine:datetime_source": source,
    }


def _what(info: RasterInfo) -> dict[str, Any]:
    return {
        "coremachine:raster_type": info.raster_type.value,
        "coremachine:raster_type_reason": info.reason,
        "coremachine:source": str(info.source),
    }


def _projection(grid: Grid) -> dict[str, Any]:
    placed = {
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
    }
    if len(grid.crs.split(":")) == 2 and "[" not in grid.crs:
        return {"proj:code": grid.crs, **placed}
    wkt = place.parse(grid.crs).to_wkt(version=WktVersion.WKT2_2019)
    return {"proj:code": None, "proj:wkt2": wkt, **placed}


def _asset(info: RasterInfo, cog: Cog) -> dict[str, Any]:
    return {
        "href": str(cog.ref),
        "type": COG_TYPE,
        "title": f"{cog.tier.capitalize()} COG",
        "roles": ["data", cog.tier.value],
        "file:size": cog.size,
        # A multihash: 0x12 stands for SHA-256, 0x20 for its 32 bytes.
        "file:checksum": f"1220{cog.sha256}",
        "bands": [_band(band, cog) for band in info.bands] + _alpha(info, cog),
    }


def _alpha(info: RasterInfo, cog: Cog) -> list[dict[str, Any]]:
    """The band that reprojection added to say which cells are covered."""
    added = cog.band_count - len(info.bands)
    return [{"name": "alpha", "data_type": cog.dtype}] * added


def _band(band: Band, cog: Cog) -> dict[str, Any]:
    scaled = {"raster:scale": band.scale, "raster:offset": band.offset}
    found = {
        "name": band.name,
        "data_type": cog.dtype,
        "nodata": cog.model_dump(mode="json")["nodata"],
        "unit": band.unit,
        "statistics": _statistics(band),
    }
    kept = {key: value for key, value in found.items() if value is not None}
    return {**kept, **(scaled if (band.scale, band.offset) != (1.0, 0.0) else {})}


def _statistics(band: Band) -> dict[str, float]:
    """Of the source's cells. STAC has no way to say that there are none but the valid share."""
    found = band.statistics
    return {
        key: value
        for key, value in {
            "minimum": found.minimum,
            "maximum": found.maximum,
            "mean": found.mean,
            "valid_percent": 100 * found.valid_share,
        }.items()
        if value is not None
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
