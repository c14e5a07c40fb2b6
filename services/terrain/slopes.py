"""How steep the land is and where it falls: Horn's method on the tiles' own cells, in metres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.geo.projecting import metres_per_degree
from services.terrain.elevations import Relief
from services.terrain.glo30 import ROWS

Floats = NDArray[np.float32]
FLAT = 1e-4
"""Rise over run below which the land falls nowhere."""


class Gradient(NamedTuple):
    """Rise over run towards east and towards north, of the inner cells of a relief."""

    east: Floats
    north: Floats


def gradient(relief: Relief) -> Gradient:
    """Of all cells but the outermost. A degree of longitude is as long as it is at each row."""
    z = relief.heights
    rows = relief.top - np.arange(1, z.shape[0] - 1)
    wide, high = metres_per_degree(rows / ROWS)
    with np.errstate(divide="ignore"):
        across = (relief.columns / (8 * wide)).astype(np.float32)[:, None]
    across[np.abs(rows) >= 90 * ROWS] = 0  # at a pole there is no east
    along = (ROWS / (8 * high)).astype(np.float32)[:, None]
    down = z[:-2] + 2 * z[1:-1] + z[2:]
    east = (down[:, 2:] - down[:, :-2]) * across
    side = z[:, :-2] + 2 * z[:, 1:-1] + z[:, 2:]
    north = (side[:-2] - side[2:]) * along
    return Gradient(east.astype(np.float32), north.astype(np.float32))


def steepness(east: Floats, north: Floats) -> Floats:
    """Degrees."""
    return np.degrees(np.arctan(np.hypot(east, north)))


def aspect(east: Floats, north: Floats) -> Floats:
    """Where the land falls: degrees clockwise from north, and NaN where it is flat."""
    towards = np.degrees(np.arctan2(-east, -north)) % 360
    return np.where(np.hypot(east, north) > FLAT, towards, np.nan).astype(np.float32)
