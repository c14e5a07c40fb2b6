"""A grid of tiles over the output: every cell once, no slivers, the same every time."""

from itertools import pairwise, product
from math import ceil

import pytest
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from services.raster import place, tiling
from services.raster.models import Band, Grid, RasterInfo, RasterType, Statistics
from services.raster.options import RasterOptions
from tests.support.rasters import SOURCE, UTM

edges = st.integers(1, 16).map(lambda n: 512 * n)


def grid(width: int, height: int, crs: str = UTM, step: float = 10.0) -> Grid:
    transform = Affine(step, 0, 500_000, 0, -step, 9_800_000)
    if crs == "EPSG:4326":
        transform = Affine(step, 0, 10, 0, -step, 60)
    return place.grid(transform, width, height, place.parse(crs))


def info(found: Grid, *, block: tuple[int, int] = (512, 512), dtype: str = "uint8") -> RasterInfo:
    nothing = Statistics(minimum=None, maximum=None, mean=None, valid_share=0.0)
    return RasterInfo(
        source=SOURCE,
        size=1,
        driver="GTiff",
        grid=found,
        dtype=dtype,
        block=block,
        bands=[Band(name="b1", color="gray", statistics=nothing)],
        raster_type=RasterType.CONTINUOUS,
        reason="made up",
    )


@given(st.integers(1, 40_000), edges, st.integers(0, 4096))
@settings(max_examples=300)
def test_spans_cover_a_length_with_exact_overlaps_and_no_sliver(length, edge, overlap):
    """R71."""
    assume(overlap < edge)
    found = tiling.spans(length, edge, overlap)
    assert (found[0][0], found[-1][1]) == (0, length)
    for (left, right), (following, _) in pairwise(found):
        assert following - left == edge
        assert right - following == min(overlap, length - following)
    if len(found) > 1:
        assert all(end - start > overlap for start, end in found)
        assert all(end - start >= edge // 4 for start, end in found)


@given(st.integers(1, 9_000), st.integers(1, 9_000), edges, st.integers(0, 1024))
@settings(max_examples=100)
def test_tiles_cover_every_cell_and_begin_at_blocks(width, height, size, overlap):
    """R70: edges are multiples of the block, so that no block is read by two tiles without overlap."""
    assume(overlap < size)
    found = info(grid(width, height))
    tiles = tiling.plan(found, size=size, overlap=overlap)
    assert tiles == tiling.plan(found, size=size, overlap=overlap)
    assert len({tile.id for tile in tiles}) == len(tiles)
    rows, columns = {t.row for t in tiles}, {t.column for t in tiles}
    assert len(rows) * len(columns) == len(tiles)
    for tile in tiles:
        assert all(at % 512 == 0 for at in tile.offset)
        assert tile.offset[0] + tile.width <= width
        assert tile.offset[1] + tile.height <= height
    if overlap == 0:
        assert sum(tile.width * tile.height for tile in tiles) == width * height


@given(st.integers(513, 9_000), st.integers(513, 9_000), edges)
@settings(max_examples=50)
def test_a_tile_lies_where_its_cells_lie(width, height, size):
    found = info(grid(width, height))
    for tile in tiling.plan(found, size=size):
        x, y = Affine(*found.grid.transform) @ tile.offset
        assert (tile.transform[2], tile.transform[5]) == pytest.approx((x, y))


def test_a_reprojected_raster_is_planned_in_cells_of_the_output():
    """R70: source pixel counts would tear or repeat what is reprojected."""
    source = grid(20_000, 20_000, "EPSG:4326", 0.001)
    output = tiling.output_grid(info(source), "EPSG:3035")
    assert output.crs == "EPSG:3035"
    assert (output.width, output.height) != (source.width, source.height)
    tiles = tiling.plan(info(source), "EPSG:3035", size=4096)
    assert max(t.offset[0] + t.width for t in tiles) == output.width
    assert max(t.offset[1] + t.height for t in tiles) == output.height


def test_the_same_crs_asked_for_by_name_changes_nothing():
    source = grid(2000, 1000)
    assert tiling.output_grid(info(source), UTM) == source


def test_a_south_up_raster_is_planned_north_up():
    transform = Affine(10, 0, 500_000, 0, 10, 9_800_000)
    source = place.grid(transform, 2000, 1000, place.parse(UTM))
    output = tiling.output_grid(info(source), None)
    assert output.transform == (10, 0, 500_000, 0, -10, 9_810_000)
    assert (output.bounds, output.width) == (source.bounds, source.width)


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (300_000, 20_000)])
def test_a_striped_raster_is_cut_into_low_wide_tiles_of_the_same_weight(width, height):
    """No row is read once per tile, unless it is wider than any tile may be."""
    tiles = tiling.plan(info(grid(width, height), block=(1, width)), size=8192)
    assert len({tile.column for tile in tiles}) == ceil(width / tiling.WIDEST)
    assert all(tile.width * tile.height <= 1.5 * 8192 * 8192 for tile in tiles)


def test_a_giant_is_told_by_what_its_cells_fill():
    options = RasterOptions(tile_above_gb=0.1)
    assert not tiling.is_giant(info(grid(10_000, 10_000)), options)
    assert tiling.is_giant(info(grid(10_000, 10_001)), options)
    assert tiling.is_giant(info(grid(10_000, 2_600), dtype="float32"), options)


def test_three_hundred_thousand_columns_are_planned_at_once():
    tiles = tiling.plan(info(grid(300_000, 150_000, step=1)), size=8192)
    assert len(tiles) == 37 * 19
    corners = {tile.offset for tile in tiles}
    assert corners == set(product(range(0, 37 * 8192, 8192), range(0, 19 * 8192, 8192)))


def test_an_overlap_as_large_as_a_tile_is_refused():
    with pytest.raises(BadInput, match="needs tiles of more than 512"):
        tiling.plan(info(grid(5000, 5000)), size=512, overlap=512)


def test_low_tiles_of_a_striped_raster_are_higher_than_their_overlap():
    tiles = tiling.plan(info(grid(200_000, 5000), block=(1, 200_000)), size=1024, overlap=1000)
    assert min(tile.height for tile in tiles) > 1000
