"""Grids: the same place gives the same cells, whatever floats, meridians and poles do."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Geod

from core.errors import BadInput
from services.geo.gridspec import GridSpec

CELLS = st.sampled_from([Fraction(1, 100), Fraction(1, 3600), Fraction(1, 4), Fraction(3, 100)])
LONS = st.floats(-180, 180)
LATS = st.floats(-90, 90)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Up to two degrees each way, across whatever lies there."""
    west, south = draw(LONS), draw(st.floats(-90, 89.5))
    east = west + draw(st.floats(0, 2))
    north = min(90.0, south + draw(st.floats(0, 2)))
    return west, south, east if east <= 180 else east - 360, north


@given(boxes(), CELLS)
def test_a_grid_covers_its_box_with_less_than_a_cell_to_spare(box, cell) -> None:
    """R148: the shape comes from integers, never from the difference of two floats."""
    west, south, east, north = box
    east += 360 if east < west else 0
    grid = GridSpec.from_bbox(box, cell)
    size, slack = float(cell), 1e-8
    offset = round((grid.west - west) / 360) * 360
    assert grid.west - offset <= west + slack
    assert grid.east - offset >= east - slack
    assert grid.south <= south + slack
    assert grid.north >= north - slack
    assert grid.width * size < east - west + 2 * size + slack
    assert grid.height * size < north - south + 2 * size + slack
    assert len(grid.xs()) == grid.width
    assert len(grid.ys()) == grid.height


@given(boxes(), CELLS)
def test_asking_for_what_a_grid_covers_gives_the_grid(box, cell) -> None:
    grid = GridSpec.from_bbox(box, cell)
    again = GridSpec.from_bbox(grid.bbox, cell)
    assert again == grid
    assert again.name == grid.name


@given(boxes(), boxes(), CELLS, CELLS)
def test_equal_names_mean_equal_grids(one, other, fine, coarse) -> None:
    a, b = GridSpec.from_bbox(one, fine), GridSpec.from_bbox(other, coarse)
    assert (a.name == b.name) == (a == b)


@given(boxes(), CELLS)
def test_a_grid_comes_back_from_json_as_it_was(box, cell) -> None:
    grid = GridSpec.from_bbox(box, cell)
    assert GridSpec.model_validate_json(grid.model_dump_json()) == grid


@given(LONS, LATS, st.sampled_from([Fraction(1, 100), Fraction(1, 4)]))
def test_the_middle_of_every_cell_lies_in_that_cell(lon, lat, cell) -> None:
    grid = GridSpec.around(lon, lat, 3_000, cell)
    for row in {0, grid.height // 2, grid.height - 1}:
        for column in {0, grid.width // 2, grid.width - 1}:
            assert grid.cell_at(grid.xs()[column], grid.ys()[row]) == (row, column)


@given(LONS, LATS, st.floats(500, 300_000))
def test_a_circle_lies_inside_the_grid_around_it(lon, lat, radius) -> None:
    grid = GridSpec.around(lon, lat, radius, Fraction(1, 4))
    _circle_lies_in(grid, lon, lat, radius)


@given(LONS, LATS, st.floats(500, 20_000))
@example(math.nextafter(180, 0), 0.0, 500.0)
def test_a_circle_lies_inside_the_metric_grid_around_it(lon, lat, radius) -> None:
    """UTM's scale differs from 1 by less than a hundredth; the circle asked for is a hundredth smaller."""
    grid = GridSpec.around(lon, lat, radius, 100, metric=True)
    _circle_lies_in(grid, lon, lat, radius * 0.99)


def _circle_lies_in(grid: GridSpec, lon: float, lat: float, radius: float) -> None:
    for bearing in range(0, 360, 30):
        there = Geod(ellps="WGS84").fwd(lon, lat, bearing, radius * 0.999)
        if there[1] < 90 - 1e-9:
            assert grid.cell_of(there[0], there[1]) is not None, bearing


@given(boxes(), st.sampled_from([90, 250, 1000]))
def test_a_metric_grid_covers_the_corners_of_its_box(box, metres) -> None:
    west, south, east, north = box
    grid = GridSpec.from_bbox(box, metres, metric=True)
    for lon in (west, east):
        for lat in (south, north):
            row_column = grid.padded(1).cell_of(lon, lat)
            assert row_column is not None


@given(boxes(), CELLS, st.integers(1, 5))
def test_a_grid_is_found_in_a_larger_one_of_its_lattice(box, cell, cells) -> None:
    grid = GridSpec.from_bbox(box, cell)
    larger = grid.padded(cells)
    found = grid.slices_in(larger)
    assert found is not None
    rows, columns = found
    assert np.array_equal(larger.ys()[rows], grid.ys())
    assert np.allclose((larger.xs()[columns] - grid.xs()) % 360 % 360, 0)


def test_sums_of_floats_do_not_add_a_column() -> None:
    """R148: 0.1 + 0.2 is 0.30000000000000004, which lies a cell further for whoever takes it at its word."""
    grid = GridSpec.from_bbox((0.1, 0.1, 0.1 + 0.2, 0.1 + 0.2), 0.1)
    assert grid.shape == (2, 2)
    assert grid.bounds == (0.1, 0.1, 0.3, 0.3)


def test_a_box_across_the_180th_meridian_is_one_grid() -> None:
    """R147: not two, and not the rest of the world."""
    grid = GridSpec.from_bbox((179.5, -17, -179.5, -16), 0.25)
    assert grid.shape == (4, 4)
    assert (grid.west, grid.east) == (179.5, 180.5)
    assert grid.bbox == (179.5, -17.0, -179.5, -16.0)
    assert grid.crosses_antimeridian
    lon, _ = grid.lonlat()
    assert lon[0].tolist() == [179.625, 179.875, -179.875, -179.625]
    assert grid.cell_of(-179.6, -16.1) == (0, 3)


def test_longitudes_of_0_to_360_name_the_same_grid() -> None:
    """R147."""
    assert GridSpec.from_bbox((236, 37, 238, 39), 0.25) == GridSpec.from_bbox(
        (-124, 37, -122, 39), 0.25
    )


def test_a_box_across_0_is_one_grid() -> None:
    """R147."""
    assert GridSpec.from_bbox((359.5, 51, 0.5, 52), 0.25) == GridSpec.from_bbox(
        (-0.5, 51, 0.5, 52), 0.25
    )


def test_a_circle_that_holds_a_pole_goes_all_the_way_around() -> None:
    """R147."""
    grid = GridSpec.around(10, 89.95, 20_000, 0.25)
    assert (grid.west, grid.east, grid.north) == (-180.0, 180.0, 90.0)
    assert grid.height <= 2


@pytest.mark.parametrize("lat", [89.9, -89.9])
def test_at_the_poles_metres_lie_on_a_plane_of_their_own(lat: float) -> None:
    grid = GridSpec.around(-100, lat, 30_000, 500, metric=True)
    assert grid.crs.startswith("+proj=aeqd")
    assert grid.bbox[0::2] == (-180.0, 180.0)
    assert grid.cell_of(80, lat) is not None  # across the pole


def test_the_equator_and_the_first_meridian_are_lines_of_every_lattice() -> None:
    grid = GridSpec.from_bbox((-0.005, -0.005, 0.005, 0.005), 0.01)
    assert grid.shape == (2, 2)
    assert grid.cell_of(0, 0) == (0, 1)


def test_names_tell_the_place() -> None:
    assert GridSpec.from_bbox((29.9, -2, 30.1, -1.9), 0.01).name == "s2e29.9-0.01deg-20x10"
    assert GridSpec.from_bbox((29.9, -2, 30.1, -1.9), 1 / 3600).name == "s2e29.9-1sec-720x360"
    assert GridSpec.around(30.06, -1.94, 1000, 100, metric=True).name.startswith("utm36s-x")


def test_the_world_is_one_ring() -> None:
    grid = GridSpec.from_bbox((-180, -90, 180, 90), 0.25)
    assert grid.shape == (720, 1440)
    assert grid.bbox == (-180.0, -90.0, 180.0, 90.0)


def test_cells_know_their_metres() -> None:
    wide, high = GridSpec.from_bbox((0, 59.99, 0.01, 60), 0.01).cell_metres()
    assert wide[0] == pytest.approx(558, abs=2)
    assert high[0] == pytest.approx(1114, abs=2)


@pytest.mark.parametrize(
    ("bbox", "cell"),
    [
        ((0, 1, 1, 0), 0.1),
        ((0, 0, 1), 0.1),
        ((0, 0, float("nan"), 1), 0.1),
        ((0, -91, 1, 0), 0.1),
        ((0, 0, 1, 1), 0.07),
        ((-180, -90, 180, 90), 0.001),
    ],
)
def test_what_makes_no_grid_is_refused(bbox, cell) -> None:
    with pytest.raises(BadInput):
        GridSpec.from_bbox(bbox, cell)
