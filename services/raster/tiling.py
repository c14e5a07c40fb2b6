"""Cut a giant raster into tiles: a grid over the output, the same every time."""

from math import ceil
from typing import Any

from affine import Affine
from rasterio.warp import calculate_default_transform

from services.raster import place
from services.raster.models import Grid, RasterInfo, Tile
from services.raster.options import RasterOptions

BLOCK = 512
WIDEST = 131_072
"""Tiles of a raster kept in rows are wide and low, so that no row is read once per tile."""


def is_giant(info: RasterInfo, options: RasterOptions) -> bool:
    return info.grid.width * info.grid.height * info.cell_bytes > options.tile_above_gb * 1e9


def plan(
    info: RasterInfo,
    target_crs: str | None = None,
    *,
    size: int,
    overlap: int = 0,
) -> list[Tile]:
    """Tiles that cover the output, row by row. Neighbours share `overlap` cells on the east and south."""
    output = output_grid(info, target_crs)
    wide, high = _edges(info, output, size)
    columns = spans(output.width, wide, overlap)
    rows = spans(output.height, high, overlap)
    return [
        _tile(output, r, c, (left, right), (top, bottom))
        for r, (top, bottom) in enumerate(rows)
        for c, (left, right) in enumerate(columns)
    ]


def output_grid(info: RasterInfo, target_crs: str | None) -> Grid:
    """The grid of the whole output. Reprojected cells have another size, and there are more or fewer of them."""
    if target_crs is None or place.parse(target_crs) == place.parse(info.grid.crs):
        return north_up(info.grid)
    source, target = place.parse(info.grid.crs), place.parse(target_crs)
    found: Any = calculate_default_transform(
        source, target, info.grid.width, info.grid.height, *info.grid.bounds
    )
    transform, width, height = found
    return place.grid(transform, width, height, target)


def north_up(grid: Grid) -> Grid:
    if not grid.south_up:
        return grid
    a, _, c, _, e, f = grid.transform
    flipped = (a, 0.0, c, 0.0, -e, f + e * grid.height)
    return grid.model_copy(update={"transform": flipped})


def spans(length: int, edge: int, overlap: int) -> list[tuple[int, int]]:
    """Cut a length into edges; a rest too short to be worth a tile belongs to the one before it."""
    shortest = max(overlap, BLOCK, edge // 4)
    count = max(1, ceil(length / edge))
    if count > 1 and length - (count - 1) * edge < shortest:
        count -= 1
    ends = [*((n + 1) * edge + overlap for n in range(count - 1)), length]
    return [(n * edge, min(end, length)) for n, end in enumerate(ends)]


def _edges(info: RasterInfo, output: Grid, size: int) -> tuple[int, int]:
    """Columns and rows of a tile: multiples of the block, `size` squared cells in all."""
    if not info.striped or output.crs != info.grid.crs:
        return size, size
    wide = min(max(size, _up(output.width)), WIDEST)
    return wide, max(BLOCK, size * size // wide // BLOCK * BLOCK)


def _up(length: int) -> int:
    return ceil(length / BLOCK) * BLOCK


def _tile(output: Grid, row: int, column: int, x: tuple[int, int], y: tuple[int, int]) -> Tile:
    corner = Affine(*output.transform) @ Affine.translation(x[0], y[0])
    return Tile(
        id=f"r{row:03d}c{column:03d}",
        row=row,
        column=column,
        offset=(x[0], y[0]),
        width=x[1] - x[0],
        height=y[1] - y[0],
        transform=place.six(corner),
    )
