"""The outline of a raster's data: closed, few corners, in degrees, and true wherever on earth it lies."""

import json
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.io import MemoryFile

from services.raster import footprint, place
from services.raster.environment import gdal
from services.raster.models import Grid

SIZE = 200


def grid(crs: str, west: float, north: float, cell: float, size: int = SIZE) -> Grid:
    profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8"}
    with gdal(), MemoryFile() as memory:
        placed = {"crs": crs, "transform": Affine(cell, 0, west, 0, -cell, north)}
        with memory.open(**profile, **placed) as dataset:
            return place.grid_of(dataset, place.parse(crs))


DEGREES = grid("EPSG:4326", 20.0, 10.0, 0.01)
ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE]


def outlined(valid: np.ndarray, where: Grid = DEGREES) -> shapely.Geometry:
    """The outline, after what every outline must be has been checked."""
    found = footprint.outline(valid, where)
    assert found is not None
    checked(found)
    return shapely.geometry.shape(found)


def checked(found: dict[str, Any]) -> None:
    json.dumps(found, allow_nan=False)
    shape = shapely.geometry.shape(found)
    assert shape.is_valid
    assert shapely.get_num_coordinates(shape) <= footprint.VERTICES
    assert -180 <= shape.bounds[0] <= shape.bounds[2] <= 180
    assert -90 <= shape.bounds[1] <= shape.bounds[3] <= 90
    for part in shapely.get_parts(shape):
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)


def test_a_full_raster_has_no_outline_beside_its_box() -> None:
    assert footprint.outline(np.ones((SIZE, SIZE), bool), DEGREES) is None


def test_a_few_invalid_cells_do_not_count() -> None:
    valid = np.ones((SIZE, SIZE), bool)
    valid[::40, ::40] = False
    assert footprint.outline(valid, DEGREES) is None


def test_nothing_valid_has_no_outline() -> None:
    assert footprint.outline(np.zeros((SIZE, SIZE), bool), DEGREES) is None


def test_a_collar_is_left_out() -> None:
    valid = np.zeros((SIZE, SIZE), bool)
    valid[50:150, 20:180] = True
    assert outlined(valid).bounds == pytest.approx((20.2, 8.5, 21.8, 9.5))


def test_a_decimated_look_gives_the_same_place() -> None:
    valid = np.zeros((SIZE // 4, SIZE // 4), bool)
    valid[12:38, 5:45] = True
    assert outlined(valid).bounds == pytest.approx((20.2, 8.48, 21.8, 9.52))


def test_a_look_finer_than_the_outline_ends_where_the_raster_ends() -> None:
    where = grid("EPSG:4326", 20.0, 10.0, 0.01, 1001)
    valid = np.ones((1001, 1001), bool)
    valid[:, :500] = False
    assert outlined(valid, where).bounds == pytest.approx((25.0, -0.01, 30.01, 10.0), abs=0.03)


def test_noise_is_outlined_soon_and_simply() -> None:
    noise = np.random.default_rng(1).random((1024, 1024)) < 0.5
    assert outlined(noise).area > 0


def test_a_slanted_scene_has_the_corners_of_its_swath() -> None:
    valid = np.abs(COLUMNS - ROWS) < 60
    found = outlined(valid)
    assert found.area == pytest.approx(valid.mean() * 4, rel=0.02)
    assert shapely.get_num_coordinates(found) < 20


def test_a_large_hole_stays_and_a_pinhole_does_not() -> None:
    valid = np.ones((SIZE, SIZE), bool)
    valid[50:120, 50:120] = False
    valid[150:152, 150:152] = False
    found = outlined(valid)
    assert len(found.interiors) == 1
    assert found.area == pytest.approx(4 - 0.49, rel=0.01)


def test_a_ragged_edge_is_drawn_with_few_corners() -> None:
    rng = np.random.default_rng(7)
    blobs = np.hypot(ROWS - 100, COLUMNS - 100) < 70 + rng.normal(0, 12, (SIZE, SIZE))
    assert outlined(blobs).area == pytest.approx(blobs.mean() * 4, rel=0.1)


def test_two_islands_are_two_polygons() -> None:
    valid = np.zeros((SIZE, SIZE), bool)
    valid[10:60, 10:60] = valid[120:190, 120:190] = True
    assert outlined(valid).geom_type == "MultiPolygon"


def test_specks_alone_are_still_outlined() -> None:
    valid = np.zeros((SIZE, SIZE), bool)
    valid[100, 100] = True
    assert outlined(valid).area > 0


def test_a_utm_raster_is_outlined_where_it_lies() -> None:
    where = grid("EPSG:32736", 161_000.0, 9_796_000.0, 30.0)
    found = outlined(COLUMNS < 100, where)
    west, south, east, north = where.bounds_lonlat
    assert found.bounds == pytest.approx((west, south, (west + east) / 2, north), abs=0.002)


def test_an_outline_is_cut_at_the_180th_meridian() -> None:
    """R72."""
    where = grid("EPSG:32660", 600_000, 5_800_000, 2000)
    found = footprint.outline(COLUMNS + ROWS > 100, where)
    checked(found)
    assert found["type"] == "MultiPolygon"
    west, south, east, north = footprint.bounds(found)
    assert west > 170
    assert east < -170
    assert (south, north) == pytest.approx((where.bounds_lonlat[1], where.bounds_lonlat[3]), abs=1)


def test_longitudes_from_0_to_360_are_brought_home() -> None:
    where = grid("EPSG:4326", 0.0, 90.0, 1.8)
    valid = (COLUMNS >= 90) & (COLUMNS < 110) & (ROWS > 20) & (ROWS < 40)
    found = footprint.outline(valid, where)
    checked(found)
    assert footprint.bounds(found)[::2] == pytest.approx((162.0, -162.0))


def test_data_round_the_pole_reaches_it() -> None:
    where = grid("EPSG:3031", -3_000_000, 3_000_000, 30_000)
    found = outlined(np.hypot(ROWS - 100, COLUMNS - 100) < 80, where)
    assert found.bounds[:3] == pytest.approx((-180, -90, 180))
    assert found.bounds[3] == pytest.approx(-67.6, abs=1)
    assert found.contains(shapely.Point(77.0, -80.0))


def test_a_sheet_beside_the_pole_does_not_reach_it() -> None:
    where = grid("EPSG:3031", -3_000_000, 3_000_000, 30_000)
    valid = (ROWS > 20) & (ROWS < 60) & (COLUMNS > 120) & (COLUMNS < 180)
    found = outlined(valid, where)
    assert found.bounds[1] > -90
    assert 0 < found.bounds[0] < found.bounds[2] < 90


def test_the_box_of_an_outline_that_crosses_nothing_is_plain() -> None:
    shape = shapely.geometry.mapping(shapely.box(1, 2, 3, 4))
    assert footprint.bounds(shape) == (1, 2, 3, 4)
    assert footprint.bounds(shapely.geometry.mapping(shapely.box(-180, -9, 180, 9)))[::2] == (
        -180,
        180,
    )
