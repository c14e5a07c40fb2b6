"""Slope and aspect of surfaces that are known, at every width that the DEM's cells have."""

from itertools import pairwise

import numpy as np
import pytest

from services.geo.gridspec import GridSpec
from services.terrain import glo30, patch, slopes
from services.terrain.elevations import Span
from tests.support.surfaces import around, elevations

LATITUDES = [0.0, 45.0, 62.0, 80.0, -33.0]
HALF = np.degrees(np.arctan(0.5))


@pytest.mark.parametrize("lat", LATITUDES)
@pytest.mark.parametrize("cell", [30, 300])
def test_a_plane_is_as_steep_everywhere_and_falls_one_way(lat: float, cell: float) -> None:
    """A slope of 3 to the east and 4 to the north in 10 is one of 5 in 10, and falls to the south-west."""
    source = around(10, lat, lambda x, y: 1000 + 0.3 * x + 0.4 * y)
    found = patch.of(source, GridSpec.around(10, lat, 1_500, cell, metric=True))
    np.testing.assert_allclose(found.slope, HALF, atol=0.05)
    np.testing.assert_allclose(found.aspect, 180 + np.degrees(np.arctan2(3, 4)), atol=0.1)
    np.testing.assert_allclose(found.east, 0.3, atol=0.001)
    np.testing.assert_allclose(found.north, 0.4, atol=0.001)


@pytest.mark.parametrize("lat", LATITUDES)
def test_a_cone_falls_away_from_its_tip(lat: float) -> None:
    source = around(10, lat, lambda x, y: 3000 - 0.5 * np.hypot(x, y))
    spec = GridSpec.around(10, lat, 1_500, 0.0005)
    found = patch.of(source, spec)
    lon, lats = spec.lonlat()
    scale = np.cos(np.radians(lats))
    away = np.hypot((lon - 10) * scale, lats - lat) * 111_000 > 300
    towards = np.degrees(np.arctan2((lon - 10) * scale, lats - lat)) % 360
    apart = (found.aspect - towards + 180) % 360 - 180
    np.testing.assert_allclose(apart[away], 0, atol=1.5)
    np.testing.assert_allclose(found.slope[away], HALF, atol=0.3)


def test_large_cells_keep_the_steepness_of_what_is_in_them() -> None:
    """On cells of a kilometre, ridges of 400 m would be flat if slope were reckoned there."""
    source = around(10, 45, lambda x, y: 50 * np.sin(2 * np.pi * x / 400))
    found = patch.of(source, GridSpec.around(10, 45, 3_000, 1_000, metric=True))
    assert found.slope.min() > 20
    assert np.abs(found.east).max() < 0.1
    assert np.abs(found.elevation).max() < 10


def test_flat_land_falls_nowhere() -> None:
    found = patch.of(
        elevations(lambda lon, lat: 0 * (lon + lat)), GridSpec.around(5, 50, 900, 0.01)
    )
    assert np.isnan(found.aspect).all()
    assert not found.slope.any()


@pytest.mark.parametrize("lat", [50.0, 60.0, -50.0, 80.0])
def test_where_cells_become_wider_there_is_no_seam(lat: float) -> None:
    source = around(10, lat, lambda x, y: 1000 + 0.3 * x + 0.4 * y)
    found = patch.of(source, GridSpec.around(10, lat, 900, 30, metric=True))
    np.testing.assert_allclose(found.slope, HALF, atol=0.05)


def test_at_the_180th_meridian_there_is_no_seam() -> None:
    """R147."""
    source = around(180, -17, lambda x, y: 1000 + 0.3 * x + 0.4 * y)
    for metric, cell in ((False, 1 / 3600), (True, 30)):
        found = patch.of(source, GridSpec.around(180, -17, 900, cell, metric=metric))
        np.testing.assert_allclose(found.slope, HALF, atol=0.05)


@pytest.mark.parametrize("lat", [89.99, -89.99])
def test_at_a_pole_there_is_terrain(lat: float) -> None:
    """R147: a dome around the pole falls away from it on all sides."""
    source = elevations(lambda lon, lats: 3000 - (90 - np.abs(lats)) * 111_690 * 0.2 + 0 * lon)
    spec = GridSpec.around(0, lat, 3_000, 500, metric=True)
    found = patch.of(source, spec)
    assert np.isfinite(found.elevation).all()
    np.testing.assert_allclose(np.median(found.slope), np.degrees(np.arctan(0.2)), atol=0.1)
    falls = found.aspect[0, 0]
    assert falls == pytest.approx(180 if lat > 0 else 0, abs=3) or falls > 357


def test_parts_of_a_place_are_as_the_whole(monkeypatch) -> None:
    source = elevations(lambda lon, lat: 500 * np.sin(lon * 300) * np.cos(lat * 200))
    spec = GridSpec.around(10, 50, 2_000, 60, metric=True)
    whole = patch.of(source, spec)
    monkeypatch.setattr(patch, "EDGE", 20)
    monkeypatch.setattr(patch, "MOST_CELLS", 300)
    parts = patch.of(source, spec)
    for one, other in zip(whole[1:7], parts[1:7], strict=True):
        np.testing.assert_allclose(one, other, atol=0.2)  # places are off by centimetres


def test_tiles_are_named_and_laid_out_as_published() -> None:
    assert glo30.name(0, 6) == "N00_00_E006_00"
    assert glo30.name(-12, -77) == "S12_00_W077_00"
    widths = [glo30.columns_of(south) for south in (0, 49, 50, 60, 70, 80, 85)]
    assert widths == [3600, 3600, 2400, 1800, 1200, 720, 360]
    assert [glo30.columns_of(s) for s in (-1, -50, -51, -61, -86)] == [3600, 3600, 2400, 1800, 360]
    first = glo30.grid(60, 10)
    assert first.west == 10 - 1 / 3600
    assert first.north == 61 + 0.5 / 3600
    assert all(wide >= narrow for wide, narrow in pairwise(widths))


def test_a_relief_reads_every_tile_that_it_touches() -> None:
    relief = elevations(lambda lon, lat: lon * 1000 + lat).relief(
        Span(3602, 3598, 9.999, 10.001), 3600
    )
    lon = (relief.left + np.arange(relief.heights.shape[1])) / 3600
    lat = (relief.top - np.arange(relief.heights.shape[0])) / 3600
    np.testing.assert_allclose(relief.heights, lon[None] * 1000 + lat[:, None], rtol=1e-6)
    assert not relief.sea.any()
    assert slopes.gradient(relief).east.shape == (3, relief.heights.shape[1] - 2)
