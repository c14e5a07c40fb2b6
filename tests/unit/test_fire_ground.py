"""The picture of the ground: hills by their shade, and fuels by their colours."""

import numpy as np
import pytest

from services.fire import ground
from services.fire.fuel_models import Barrier
from services.fire.landscape import Landscape

LEVEL = np.zeros((1, 4), np.float32)


def test_slopes_that_face_the_north_west_are_light_and_those_that_face_away_dark() -> None:
    """Rises towards the east and the south face the north-west, where the sun of maps stands."""
    east = np.array([[0.0, 0.2, -0.2, 0.2]], np.float32)
    north = np.array([[0.0, -0.2, 0.2, 0.2]], np.float32)
    level, towards, away, across = ground.shade(east, north)[0]
    assert level == pytest.approx(1)
    assert away < across < level < towards


def test_no_slope_is_so_steep_that_nothing_is_seen() -> None:
    steep = np.array([[-50.0, 50.0]], np.float32)
    light = ground.shade(steep, -steep)
    assert light.min() >= ground.DARKEST
    assert light.max() <= ground.LIGHTEST


def test_each_kind_of_ground_has_its_colour() -> None:
    codes = np.array([[102, 145, 183, Barrier.WATER]], np.uint8)
    grass, shrub, wood, water = ground.picture(Landscape(30.0, codes, LEVEL, LEVEL))[:, 0].T
    assert tuple(grass) == ground.GRASS
    assert tuple(shrub) == ground.SHRUB
    assert tuple(wood) == ground.WOOD
    assert water[2] == max(water), "water is blue"


def test_every_barrier_and_every_fuel_has_a_colour_of_its_kind() -> None:
    """A code without one would look like nothing that burns or stops a fire."""
    known = [*Barrier, *range(1, 14), 101, 109, 121, 124, 141, 149, 161, 165, 181, 189, 201, 204]
    codes = np.array([known], np.uint8)
    flat = np.zeros(codes.shape, np.float32)
    seen = ground.picture(Landscape(30.0, codes, flat, flat))[:, 0].T
    assert not (seen == ground.OTHER).all(axis=1).any()
