"""Tell a tile without any valid cell, without reading what is not there."""

from itertools import product

from rasterio.enums import Interleaving
from rasterio.io import DatasetReader

from services.raster.models import RasterInfo, Tile


def is_hollow(dataset: DatasetReader, info: RasterInfo, tile: Tile) -> bool:
    """Whether the file keeps no block at all where the tile lies. Such blocks read as nodata."""
    if dataset.driver != "GTiff" or info.nodata is None or info.grid.south_up:
        return False
    high, wide = dataset.block_shapes[0]
    x, y = tile.offset
    rows = range(y // high, (y + tile.height - 1) // high + 1)
    columns = range(x // wide, (x + tile.width - 1) // wide + 1)
    return not any(_kept(dataset, row, column) for row, column in product(rows, columns))


def is_empty(dataset: DatasetReader) -> bool:
    """Whether a sparse file that was just written has no block of valid cells."""
    if dataset.nodata is None:
        return False
    high, wide = dataset.block_shapes[0]
    rows, columns = range(-(-dataset.height // high)), range(-(-dataset.width // wide))
    return not any(_kept(dataset, row, column) for row, column in product(rows, columns))


def _kept(dataset: DatasetReader, row: int, column: int) -> bool:
    """Where each band has blocks of its own, one of any band counts."""
    apart = dataset.interleaving is Interleaving.band
    bands = dataset.indexes if apart else (1,)
    name = f"BLOCK_OFFSET_{column}_{row}"
    return any(dataset.get_tag_item(name, "TIFF", bidx=band) is not None for band in bands)
