"""Surfaces whose slope and aspect are known, in place of the DEM's tiles."""

from collections.abc import Callable

import numpy as np

from services.geo.projecting import wrapped
from services.remote.products import Window
from services.terrain import glo30
from services.terrain.elevations import Elevations, Piece

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Elevation at longitudes and latitudes."""


def elevations(surface: Surface) -> Elevations:
    def piece(south: int, west: int, window: Window) -> np.ndarray:
        lon, lat = lattice(south, west, window)
        return surface(lon, lat).astype(np.float32)

    return Elevations(piece)


def lattice(south: int, west: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
    columns = glo30.columns_of(south)
    lat = south + 1 - np.arange(window.top, window.bottom) / glo30.ROWS
    lon = west + np.arange(window.left, window.right) / columns
    return np.meshgrid(lon, lat)


def around(lon: float, lat: float, surface: Surface) -> Elevations:
    """A surface over metres east and north of a point, on the ellipsoid's tangent there."""
    wide, high = metres(lat)

    def there(lons: np.ndarray, lats: np.ndarray) -> np.ndarray:
        return surface(wrapped(lons - lon) * metres(lats)[0], (lats - lat) * high)

    assert wide > 0
    return elevations(there)


def metres(lat: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a degree of longitude and of latitude, from the radii of curvature of WGS84."""
    a, f = 6378137.0, 1 / 298.257223563
    e2, phi = f * (2 - f), np.radians(lat)
    prime = a / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    meridian = a * (1 - e2) / (1 - e2 * np.sin(phi) ** 2) ** 1.5
    return np.pi / 180 * prime * np.cos(phi), np.pi / 180 * meridian


__all__ = ["Piece", "around", "elevations", "lattice", "metres"]
