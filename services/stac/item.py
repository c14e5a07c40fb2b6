"""Describe the COGs of a raster as one STAC item (1.1), with an asset for each tier."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import rasterio
from rasterio.enums import WktVersion

from core.catalog import Document, span
from services.raster import place
from services.raster.footprint import bounds
from services.raster.models import COG_TYPE, Cog, Grid, RasterInfo, Tier
from services.stac import rules
from services.stac.bands import bands

PUBLISHED = "https://stac-extensions.github.io/{}/schema.json"
ALWAYS = ("projection/v2.0.0", "raster/v2.0.0", "file/v2.1.0")
BEST = (Tier.ANALYSIS, Tier.ARCHIVE, Tier.VISUALIZATION)
"""Which tier stands for the item as a whole: what keeps all values before what only looks like them."""
DEGREE = 111_320.0
"""Metres along the equator."""


def item(
    info: RasterInfo,
    cogs: Sequence[Cog],
    collection: str,
    item_id: str,
    *,
    taken: datetime | None = None,
    renders: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> Document:
    """The item. Its place and projection are those of the best COG; `properties` are added, and count more."""
    best = min(cogs, key=lambda cog: BEST.index(cog.tier))
    assets = {cog.tier.value: _asset(info, cog, best) for cog in cogs}
    costs = {cog.tier.value: cog.monthly_cost for cog in cogs if cog.monthly_cost is not None}
    more = {
        "processing:lineage": f"Cloud Optimized GeoTIFF made from {info.source}",
        "processing:software": {"GDAL": rasterio.__gdal_version__},
        "coremachine:bytes": {cog.tier.value: cog.size for cog in cogs},
        **({"coremachine:monthly_cost": costs} if costs else {}),
        **({"renders": renders} if renders else {}),
        **(properties or {}),
    }
    return document(
        info,
        best.grid,
        assets,
        collection,
        item_id,
        footprint=best.footprint,
        taken=taken,
        properties=more,
    )


def document(
    info: RasterInfo,
    grid: Grid,
    assets: Document,
    collection: str,
    item_id: str,
    *,
    footprint: Document | None = None,
    taken: datetime | None = None,
    properties: dict[str, Any] | None = None,
) -> Document:
    """An item whose projection is that of the grid, and whose place too, where no footprint is known."""
    said = {**_properties(info, grid, taken), **(properties or {})}
    found = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _extensions(said, assets),
        "id": item_id,
        "collection": collection,
        **_place(footprint, grid),
        "properties": said,
        "links": [{"rel": "collection", "type": "application/json", "href": "./collection.json"}],
        "assets": assets,
    }
    span(found)  # what it says of time holds together
    return found


def _extensions(said: Document, assets: Document) -> list[str]:
    """Those whose fields are there."""
    named = any("eo:common_name" in band for asset in assets.values() for band in asset["bands"])
    more = {
        "processing/v1.2.0": any(name.startswith("processing:") for name in said),
        "eo/v2.0.0": named,
        "render/v2.0.0": "renders" in said,
    }
    return [
        PUBLISHED.format(name) for name in (*ALWAYS, *(n for n, there in more.items() if there))
    ]


def _place(outline: Document | None, grid: Grid) -> Document:
    """Where there is data, which may be the whole box."""
    if outline is None:
        box = grid.bounds_lonlat
        return {"geometry": place.outline(box), "bbox": list(box)}
    return {"geometry": outline, "bbox": list(bounds(outline))}


def _properties(info: RasterInfo, grid: Grid, taken: datetime | None) -> Document:
    now = datetime.now(UTC)
    own = {
        "raster_type": info.raster_type.value,
        "raster_type_reason": info.reason,
        "source": str(info.source),
        "source_md5": info.md5,
        "source_etag": info.etag or None,
        "warnings": info.warnings or None,
    }
    return {
        **rules.when(taken, info.taken, now),
        "created": rules.utc(now),
        "gsd": resolution(grid),
        **projection(grid),
        **{f"coremachine:{name}": value for name, value in own.items() if value is not None},
    }


def _asset(info: RasterInfo, cog: Cog, best: Cog) -> Document:
    return {
        "href": str(cog.ref),
        "type": COG_TYPE,
        "title": f"{cog.tier.capitalize()} COG",
        "roles": _roles(cog, best),
        "file:size": cog.size,
        # A multihash: 0x12 stands for SHA-256, 0x20 for its 32 bytes.
        "file:checksum": f"1220{cog.sha256}",
        "raster:spatial_resolution": resolution(cog.grid),
        "bands": bands(info, cog.dtype, cog.model_dump(mode="json")["nodata"], cog.band_count),
        **(projection(cog.grid) if cog.grid != best.grid else {}),
    }


def _roles(cog: Cog, best: Cog) -> list[str]:
    visual = ["visual"] if cog.tier is Tier.VISUALIZATION else []
    return [*(["data"] if cog is best else []), *visual, cog.tier.value]


def projection(grid: Grid) -> Document:
    """The grid, as the projection extension has it."""
    placed = {
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
    }
    if len(grid.crs.split(":")) == 2 and "[" not in grid.crs:
        return {"proj:code": grid.crs, **placed}
    wkt = place.parse(grid.crs).to_wkt(version=WktVersion.WKT2_2019)
    return {"proj:code": None, "proj:wkt2": wkt, **placed}


def resolution(grid: Grid) -> float:
    """The edge of a cell in metres, as far as one number can say it."""
    crs = place.parse(grid.crs)
    metres = DEGREE if crs.is_geographic else crs.linear_units_factor[1]
    return round(sum(grid.pixel_size) / 2 * metres, 6)
