"""A dataset as its COG shall show it: with a CRS, north up, reprojected where that was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from typing import Any

from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from services.raster import place
from services.raster.models import RasterInfo, Tile

View = DatasetReader | WarpedVRT


@contextmanager
def view(
    dataset: DatasetReader, info: RasterInfo, target_crs: str | None, tile: Tile | None = None
) -> Iterator[View]:
    """The dataset itself where nothing has to change, so that its mask and every value stay."""
    source_crs = place.parse(info.grid.crs)
    wanted = place.parse(target_crs) if target_crs else source_crs
    if tile is None and wanted == source_crs == dataset.crs and not info.grid.south_up:
        yield dataset
        return
    shape = _same_cells(dataset) if wanted == source_crs else _new_cells(info)
    with WarpedVRT(
        dataset,
        src_crs=source_crs,
        crs=wanted,
        **{**shape, **(_of(tile) if tile else {})},
        **_empty(info, wanted != source_crs),
    ) as vrt:
        yield vrt


@contextmanager
def masked(shown: View, *, lossless: bool) -> Iterator[View]:
    """For JPEG, which has no room for nodata: the valid cells told by an alpha band instead."""
    if lossless or shown.nodata is None:
        yield shown
        return
    with WarpedVRT(shown, add_alpha=True, resampling=Resampling.nearest) as vrt:
        yield vrt


def _of(tile: Tile) -> dict[str, Any]:
    return {"width": tile.width, "height": tile.height, "transform": Affine(*tile.transform)}


def _same_cells(dataset: DatasetReader) -> dict[str, Any]:
    """The same cells, the northernmost row first."""
    grid = dataset.transform
    if grid.e > 0:
        grid = Affine(grid.a, 0, grid.c, 0, -grid.e, grid.f + grid.e * dataset.height)
    size = {"width": dataset.width, "height": dataset.height}
    return {**size, "transform": grid, "resampling": Resampling.nearest}


def _new_cells(info: RasterInfo) -> dict[str, Any]:
    classes = info.is_categorical
    return {"resampling": Resampling.nearest if classes else Resampling.bilinear}


def _empty(info: RasterInfo, reprojected: bool) -> dict[str, Any]:
    """How cells that the source does not cover stay empty: by nodata, else NaN, else an alpha band."""
    if info.nodata is not None or info.has_alpha or not (reprojected or info.has_mask):
        return {}
    if info.dtype.startswith("float") and not info.has_mask:
        return {"nodata": nan}
    return {"add_alpha": True}
