"""Land cover of the made-up earth: WorldCover's tiles at their real addresses."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.landcover import worldcover
from services.landcover.worldcover import TILE, Cover
from services.remote.noise import Noise
from services.remote.sample import MadeUp
from services.terrain import sample

SLOT = 256 << 10
NAME = re.compile(r"([NS])(\d\d)([EW])(\d{3})")
FROM_DRY_TO_WET = (Cover.BARE, Cover.GRASS, Cover.GRASS, Cover.SHRUBS, Cover.TREES, Cover.TREES)
DRIEST, WETTEST = -2.0, 2.0
DRIER = 400.0
"""Metres upwards that make it drier by one."""


def cover(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[Any]:
    """Woods in valleys, grass above, bare hill tops, lakes; and patches in all of them."""
    height = sample.height(lon, lat)
    wet = _patches().at(lon, lat) + (sample.LEVEL - height) / DRIER
    kinds = np.array(FROM_DRY_TO_WET, np.uint8)
    index = (wet - DRIEST) / (WETTEST - DRIEST) * len(kinds)
    found = kinds[np.clip(index, 0, len(kinds) - 1).astype(np.intp)]
    return np.where(height > sample.LAKES, found, np.uint8(Cover.WATER))


@cache
def _patches() -> Noise:
    return Noise(108, 0.9, largest=6)


def find(path: str) -> MadeUp | None:
    """The tile at an address `host/path`."""
    found = NAME.search(path.rpartition("/")[2])
    if found is None:
        return None
    urls = [mirror.url(found[0]) for mirror in worldcover.PRODUCT.mirrors]
    south = int(found[2]) * (1 if found[1] == "N" else -1)
    west = int(found[4]) * (1 if found[3] == "E" else -1)
    there = f"https://{path}" in urls and not (south % TILE or west % TILE) and -60 <= south < 84
    return tile(south, west) if there and not _is_sea(south, west) else None


@lru_cache(maxsize=16)
def tile(south: int, west: int) -> MadeUp:
    return MadeUp(worldcover.grid(south, west), cover, "uint8", SLOT, points=False)


def _is_sea(south: int, west: int) -> bool:
    return all(
        sample.is_sea(south + row, west + column) for row in range(TILE) for column in range(TILE)
    )
