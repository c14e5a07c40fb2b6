"""Tell a tile without any valid cell, without reading what is not there."""

from itertools import product

from rasterio.io import DatasetReader

from services.raster import place
from services.raster.models import RasterInfo, Tile


def is_hollow(dataset: DatasetReader, info: RasterInfo, tile: Tile, target_crs: str | None) -> bool:
    """Whether the file keeps no block at all where the tile lies. Such blocks read as nodata."""
    if dataset.driver != "GTiff" or info.nodata is None or info.grid.south_up:
        return False
    if target_crs and place.parse(target_crs) != place.parse(info.grid.crs):
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
    return dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1) is not None
