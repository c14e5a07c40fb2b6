"""A made-up earth: hills and lakes everywhere, oceans roughly where they are, and the DEM's tiles of it at their real addresses."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.remote.noise import Noise
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
LEVEL, RELIEF = 760.0, 280.0
"""Metres: how high hills are in the middle, and how far they are from it."""
LAKES = 330.0
SLOT = 3 << 20
NAME = re.compile(r"([NS])(\d\d)_00_([EW])(\d{3})_00")


def height(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[Any]:
    """Metres, in steps of an eighth; lakes are level."""
    return np.round(np.maximum(LEVEL + RELIEF * _hills().at(lon, lat), LAKES) * 8) / 8


@cache
def _hills() -> Noise:
    return Noise(22, 0.2, largest=2)


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
