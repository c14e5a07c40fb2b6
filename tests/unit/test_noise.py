"""The numbers that the made-up earth is drawn from."""

import numpy as np

from services.remote.noise import SIZE, Noise

NOISE = Noise(1, 0.2, largest=2)


def test_a_grid_and_single_places_give_the_same() -> None:
    lon, lat = np.linspace(-105.4, -105.2, 40)[None, :], np.linspace(40.1, 39.9, 30)[:, None]
    everywhere = np.broadcast_arrays(lon, lat)
    np.testing.assert_allclose(NOISE.at(lon, lat), NOISE.at(*everywhere), atol=1e-4)


def test_no_degree_is_a_seam() -> None:
    """R147: also not the 180th meridian."""
    lon = np.array([[179.9999, 180.0, -180.0, -179.9999]])
    west, here, there, east = NOISE.at(lon, np.array([[-17.0]]))[0]
    assert here == there
    assert abs(west - east) < 0.01


def test_equal_seeds_are_equal_and_it_is_smooth_between_the_numbers() -> None:
    fine = np.arange(0, 8 / SIZE, 1 / SIZE / 20)[None, :]
    line = NOISE.at(fine, np.array([[0.5]]))[0]
    np.testing.assert_array_equal(line, Noise(1, 0.2, largest=2).at(fine, np.array([[0.5]]))[0])
    steps = np.diff(line)
    assert np.abs(np.diff(steps)).max() < 0.2 * np.abs(steps).max()
