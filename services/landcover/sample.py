"""Land cover of the made-up earth: WorldCover's tiles at their real addresses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.landcover import worldcover
from services.landcover.worldcover import TILE, Cover
from services.remote.sample import MadeUp
from services.terrain import sample

SLOT = 256 << 10
NAME = re.compile(r"([NS])(\d\d)([EW])(\d{3})")
PATCHES = (Cover.TREES, Cover.SHRUBS, Cover.GRASS, Cover.CROPS, Cover.TREES, Cover.GRASS)
BARE_ABOVE = 1250.0


def cover(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[Any]:
    """Patches a kilometre or so across, and bare hill tops."""
    wave = np.sin(2 * np.pi * 53 * lon) + np.sin(2 * np.pi * 47 * lat)
    index = ((wave + 2) / 4 * (len(PATCHES) - 1e-6)).astype(np.intp)
    found = np.array(PATCHES, np.uint8)[index]
    return np.where(sample.height(lon, lat) > BARE_ABOVE, np.uint8(Cover.BARE), found)


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
