"""Cut a part out of a raster, north up and cell by cell, with its mask and its colours: nothing is resampled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from services.raster import place
from services.raster.models import RasterInfo, Tile

SCRATCH = {
    "TILED": "YES",
    "BLOCKXSIZE": 512,
    "BLOCKYSIZE": 512,
    "COMPRESS": "ZSTD",
    "ZSTD_LEVEL": 1,
    "SPARSE_OK": "TRUE",
    "BIGTIFF": "IF_SAFER",
}
"""How what is only kept for a while is written: quickly, and not where it is empty."""
ROWS = 512
AT_ONCE = 128 << 20
"""Bytes of cells that are read in one go."""


def cut(dataset: DatasetReader, info: RasterInfo, tile: Tile, file: Path) -> None:
    with rasterio.open(file, "w", **_profile(dataset, info, tile), **SCRATCH) as target:
        describe(target, dataset)
        for window in _parts(tile, info.cell_bytes):
            copy(target, window, dataset, _source_of(window, tile, info), info)


def describe(target: DatasetWriter, dataset: DatasetReader) -> None:
    """What the bands are called and what they mean, before any cell is written."""
    target.update_tags(**dataset.tags())
    target.colorinterp = dataset.colorinterp
    target.descriptions = dataset.descriptions
    target.units = dataset.units
    target.scales, target.offsets = dataset.scales, dataset.offsets
    if ColorInterp.palette in dataset.colorinterp:
        target.write_colormap(1, dataset.colormap(1))


def has_mask(dataset: DatasetReader) -> bool:
    """Whether the file carries a mask of its own, beside nodata and alpha."""
    flags = set(dataset.mask_flag_enums[0])
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def copy(
    target: DatasetWriter, to: Window, dataset: DatasetReader, source: Window, info: RasterInfo
) -> None:
    target.write(_north_up(dataset.read(window=source), info), window=to)
    if info.has_mask:
        target.write_mask(_north_up(dataset.read_masks(1, window=source), info), window=to)


def _profile(dataset: DatasetReader, info: RasterInfo, tile: Tile) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "width": tile.width,
        "height": tile.height,
        "count": dataset.count,
        "dtype": dataset.dtypes[0],
        "nodata": dataset.nodata,
        "crs": place.parse(info.grid.crs),
        "transform": Affine(*tile.transform),
    }


def _parts(tile: Tile, cell_bytes: int) -> Iterator[Window]:
    """In the cells of the tile: whole rows of blocks where they are not too heavy."""
    wide = max(AT_ONCE // (ROWS * cell_bytes) // ROWS * ROWS, ROWS)
    for y in range(0, tile.height, ROWS):
        for x in range(0, tile.width, wide):
            yield _window(x, y, min(wide, tile.width - x), min(ROWS, tile.height - y))


def _source_of(window: Window, tile: Tile, info: RasterInfo) -> Window:
    x, y = window.col_off + tile.offset[0], window.row_off + tile.offset[1]
    if info.grid.south_up:
        y = info.grid.height - y - window.height
    return _window(x, y, window.width, window.height)


def _north_up(cells: np.ndarray, info: RasterInfo) -> np.ndarray:
    return cells[..., ::-1, :] if info.grid.south_up else cells


def _window(x: float, y: float, width: float, height: float) -> Window:
    return Window(x, y, width, height)  # type: ignore[call-arg]
