"""Tiles of a giant raster as one thing: an index, a mosaic for other clients, and a small picture of it all."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import morecantile
import numpy as np
import rasterio
from affine import Affine
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.shutil import copy as gdal_copy
from rasterio.windows import Window

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.raster import blocks, cutting, place
from services.raster.environment import gdal
from services.raster.models import Built, Cog, Grid, RasterInfo, Tier, Tile, TileSet
from services.raster.options import RasterOptions
from services.raster.proof import facts_of, read_back
from services.raster.shipping import Shipment
from services.raster.source import opened
from services.raster.tiers import Profile, profile_of
from services.storage.spool import spooled

PICTURE = 4096
"""Across and down, the small picture has no more cells than this."""
WEIGHT = 128 << 20
SHOWN = (Tier.VISUALIZATION, Tier.ANALYSIS, Tier.ARCHIVE)
QUADKEY_ZOOM_ABOVE = 4
"""How many zoom levels above the finest one the mosaic is keyed."""

Report = Callable[[float, str], None]


def assemble(
    blobs: Blobs,
    built: Iterable[Built],
    info: RasterInfo,
    output: Grid,
    prefix: BlobRef,
    token: str,
    report: Report,
    options: RasterOptions,
) -> TileSet:
    """Write what makes the tiles one, and say what there is. A raster of empty tiles alone is an error."""
    all_built = list(built)
    full = [each for each in all_built if each.cogs]
    if not full:
        raise BadInput(f"{info.source} holds no valid cell, so there is nothing to publish")
    index = _write(blobs, f"{prefix}_tiles.geojson", "application/geo+json", _index(full, info))
    mosaic = _write(blobs, f"{prefix}_mosaic.json", "application/json", _mosaic(full, output))
    overview = _overview(
        blobs, full, output, BlobRef(f"{prefix}_overview.tif"), token, report, options
    )
    report(1.0, "stored")
    every = [cog for each in full for cog in each.cogs]
    tiers = {tier: [cog for cog in every if cog.tier is tier] for tier in _tiers(every)}
    return TileSet(
        grid=output,
        tiles=len(full),
        empty=len(all_built) - len(full),
        bytes=sum(cog.size for cog in every),
        tier_bytes={tier: sum(cog.size for cog in cogs) for tier, cogs in tiers.items()},
        index=index,
        mosaic=mosaic,
        overview=overview,
        monthly_cost=round(_cost(every), 6),
        tier_costs={tier: round(_cost(cogs), 6) for tier, cogs in tiers.items()},
    )


def _tiers(cogs: Sequence[Cog]) -> list[Tier]:
    return [tier for tier in Tier if any(cog.tier is tier for cog in cogs)]


def _cost(cogs: Sequence[Cog]) -> float:
    return sum(cog.monthly_cost or 0.0 for cog in cogs)


def shown(each: Built) -> Cog:
    """The COG of a tile that maps are made of."""
    return min(each.cogs, key=lambda cog: SHOWN.index(cog.tier))


def _write(blobs: Blobs, name: str, content_type: str, document: dict[str, Any]) -> BlobRef:
    ref = BlobRef(name)
    blobs.write(ref, json.dumps(document, allow_nan=False).encode(), content_type=content_type)
    return ref


def _index(full: Sequence[Built], info: RasterInfo) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [_feature(each, info) for each in full]}


def _feature(each: Built, info: RasterInfo) -> dict[str, Any]:
    tile, cog = _tile(each), shown(each)
    box = cog.grid.bounds_lonlat
    return {
        "type": "Feature",
        "id": tile.id,
        "bbox": list(box),
        "geometry": place.outline(box),
        "properties": {
            "href": str(cog.ref),
            "source": str(info.source),
            "window": [*tile.offset, tile.width, tile.height],
            "assets": {
                c.tier.value: {"href": str(c.ref), "file:size": c.size, "sha256": c.sha256}
                for c in each.cogs
            },
        },
    }


def _tile(each: Built) -> Tile:
    assert each.tile is not None, "a tile set is made of tiles"
    return each.tile


def _mosaic(full: Sequence[Built], output: Grid) -> dict[str, Any]:
    tms = morecantile.tms.get("WebMercatorQuad")
    west, south, east, north = output.bounds_lonlat
    across = (east - west) % 360 or 360.0
    finest = tms.zoom_for_res(across * 111_320 / max(output.width, 1))
    zoom = max(finest - QUADKEY_ZOOM_ABOVE, 0)
    tiles: dict[str, list[str]] = {}
    for each in full:
        cog = shown(each)
        for tile in tms.tiles(*cog.grid.bounds_lonlat, zooms=[zoom]):
            tiles.setdefault(tms.quadkey(tile), []).append(str(cog.ref))
    return {
        "mosaicjson": "0.0.3",
        "version": "1.0.0",
        "minzoom": zoom,
        "maxzoom": finest,
        "quadkey_zoom": zoom,
        "bounds": [west, south, east, north],
        "center": [_middle(west, east), (south + north) / 2, zoom],
        "tiles": tiles,
    }


def _middle(west: float, east: float) -> float:
    """The longitude between them, also across the 180th meridian."""
    middle = west + ((east - west) % 360 or 360.0) / 2
    return middle if middle <= 180 else middle - 360


def _overview(
    blobs: Blobs,
    full: Sequence[Built],
    output: Grid,
    target: BlobRef,
    token: str,
    report: Report,
    options: RasterOptions,
) -> Cog:
    """The tiles' own overviews, put side by side, and written as a COG."""
    profile = profile_of(Tier.ANALYSIS, options)
    shrink = _shrink(output, shown(full[0]))
    with TemporaryDirectory(prefix="overview-", dir=options.scratch) as folder:
        plain, file = Path(folder) / "plain.tif", Path(folder) / "cog.tif"
        with gdal(options.cache_bytes):
            _put_together(blobs, full, output, shrink, plain, report, options)
            with opened(plain, "the overview") as dataset:
                gdal_copy(dataset, str(file), driver="COG", **_options(profile, dataset))
                facts = facts_of(dataset)
        cog = read_back(file, target, facts, profile, options)
        with Shipment(blobs, file, blobs.staged(target, token)) as shipment:
            shipment.complete()
            shipment.finish(target)
    return cog


def _options(profile: Profile, dataset: DatasetReader) -> dict[str, str | int]:
    cell = np.dtype(dataset.dtypes[0]).itemsize * dataset.count
    block = blocks.size_of(dataset.width, dataset.height, cell)
    fixed = {"BLOCKSIZE": block, "OVERVIEW_RESAMPLING": "NEAREST"}
    return {"COMPRESS": profile.compression, "LEVEL": 1, **fixed}


def _shrink(output: Grid, cog: Cog) -> int:
    """A power of two, so that every tile begins at a whole cell of the picture."""
    cell = np.dtype(cog.dtype).itemsize * cog.band_count
    shrink = 1
    while (
        max(output.width, output.height) > PICTURE * shrink
        or output.width * output.height * cell > WEIGHT * shrink * shrink
    ):
        shrink *= 2
    return shrink


def _put_together(
    blobs: Blobs,
    full: Sequence[Built],
    output: Grid,
    shrink: int,
    plain: Path,
    report: Report,
    options: RasterOptions,
) -> None:
    size = {"width": ceil(output.width / shrink), "height": ceil(output.height / shrink)}
    target: DatasetWriter | None = None
    try:
        for done, (each, dataset) in enumerate(_datasets(blobs, full, options)):
            if target is None:
                target = rasterio.open(plain, "w", **_profile(dataset, output, shrink, size))
                cutting.describe(target, dataset)
            _paste(target, dataset, _tile(each), shrink)
            report(0.9 * (done + 1) / len(full), f"putting together tile {done + 1}/{len(full)}")
    finally:
        if target is not None:
            target.close()


def _datasets(
    blobs: Blobs, full: Sequence[Built], options: RasterOptions
) -> Iterator[tuple[Built, DatasetReader]]:
    for each in full:
        blob = blobs.info(shown(each).ref)
        with (
            spooled(blobs, blob, whole=False, scratch=options.scratch) as spool,
            opened(spool, blob.ref) as dataset,
        ):
            yield each, dataset


def _profile(
    dataset: DatasetReader, output: Grid, shrink: int, size: dict[str, int]
) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "dtype": dataset.dtypes[0],
        "count": dataset.count,
        "nodata": dataset.nodata,
        "crs": dataset.crs,
        "transform": Affine(*output.transform) @ Affine.scale(shrink),
        **cutting.SCRATCH,
        **size,
    }


def _paste(target: DatasetWriter, dataset: DatasetReader, tile: Tile, shrink: int) -> None:
    x, y = (at // shrink for at in tile.offset)
    wide = min(ceil(tile.width / shrink), target.width - x)
    high = min(ceil(tile.height / shrink), target.height - y)
    window = Window(x, y, wide, high)  # type: ignore[call-arg]
    target.write(dataset.read(out_shape=(dataset.count, high, wide)), window=window)
    if cutting.has_mask(dataset):
        target.write_mask(dataset.read_masks(1, out_shape=(high, wide)), window=window)
