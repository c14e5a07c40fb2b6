"""A made-up earth: hills everywhere, oceans roughly where they are, and the DEM's tiles of it at their real addresses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.remote.sample import MadeUp
from services.terrain import glo30

OCEANS = (
    (-170, -60, -130, 50),
    (-45, -50, -20, 60),
    (-12, -30, 5, 4),
    (55, -45, 90, 5),
    (-180, 80, 180, 90),
)
"""West, south, east, north."""
WAVES = ((450.0, 2, 3.0), (180.0, 11, 9.0), (60.0, 40, 37.0), (12.0, 160, 151.0))
"""How high, and how often in a degree of longitude and of latitude: whole numbers, so that 180 degrees are no seam."""
LEVEL = 760.0
SLOT = 3 << 20
NAME = re.compile(r"([NS])(\d\d)_00_([EW])(\d{3})_00")


def height(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[Any]:
    """Metres, in steps of an eighth."""
    turn = 2 * np.pi
    found: Any = LEVEL
    for high, across, along in WAVES:
        found = found + high * np.sin(turn * across * lon) * np.sin(turn * along * lat + across)
    return np.round(found * 8) / 8


def is_sea(south: int, west: int) -> bool:
    """Whether all of a degree is sea."""
    return any(w <= west < e and s <= south < n for w, s, e, n in OCEANS)


def find(path: str) -> MadeUp | None:
    """The tile at an address `host/path`."""
    found = NAME.search(path)
    if found is None or f"https://{path}" not in _addresses(found[0]):
        return None
    south = int(found[2]) * (1 if found[1] == "N" else -1)
    west = int(found[4]) * (1 if found[3] == "E" else -1)
    inside = -90 <= south < 90 and -180 <= west < 180
    return tile(south, west) if inside and not is_sea(south, west) else None


@lru_cache(maxsize=64)
def tile(south: int, west: int) -> MadeUp:
    return MadeUp(glo30.grid(south, west), height, "float32", SLOT, points=True)


def _addresses(tile: str) -> list[str]:
    """Those of the coarser tiles too, which are only asked whether they are there."""
    mirrors = (*glo30.PRODUCT.mirrors, *glo30.COARSER.mirrors)
    return [mirror.url(tile) for mirror in mirrors]
