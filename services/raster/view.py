"""A dataset as its COG shall show it: reprojected, or with an alpha band where JPEG needs one."""

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
def reprojected(
    dataset: DatasetReader, info: RasterInfo, target_crs: str, tile: Tile | None = None
) -> Iterator[WarpedVRT]:
    classes = info.is_categorical
    with WarpedVRT(
        dataset,
        src_crs=place.parse(info.grid.crs),
        crs=place.parse(target_crs),
        resampling=Resampling.nearest if classes else Resampling.bilinear,
        **(_of(tile) if tile else {}),
        **_empty(info),
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


def _empty(info: RasterInfo) -> dict[str, Any]:
    """How cells that the source does not cover stay empty: by nodata, else NaN, else an alpha band."""
    if info.nodata is not None or info.has_alpha:
        return {}
    if info.dtype.startswith("float") and not info.has_mask:
        return {"nodata": nan}
    return {"add_alpha": True}
