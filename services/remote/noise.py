"""What nature looks like from above, as far as numbers drawn at random can: the same for ever, repeated every degree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
SIZE = 720
"""Numbers along a degree, 150 metres apart; between them it is smooth."""


class Noise:
    """Values around 0, of deviation 1, as rough near by as from afar: the more `roughness`, the more small forms count.

    Nothing is larger than a `largest`-th of a degree.
    """

    def __init__(self, seed: int, roughness: float, largest: int) -> None:
        drawn = np.fft.rfft2(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))
        often = np.hypot(np.fft.fftfreq(SIZE, 1 / SIZE)[:, None], np.fft.rfftfreq(SIZE, 1 / SIZE))
        strength = np.where(often >= largest, np.maximum(often, 1) ** (roughness - 2), 0)
        table = np.fft.irfft2(drawn * strength, (SIZE, SIZE))
        self.table: Numbers = (table / table.std()).astype(np.float32)

    def at(self, lon: Numbers, lat: Numbers) -> Numbers:
        """By cubic splines. A row of longitudes and a column of latitudes are a grid, which takes a tenth of the time."""
        if lon.shape[0] == lat.shape[1] == 1:
            rows = _between(lat[:, 0, None], lambda found: self.table[found[:, 0]])
            across = _between(lon[0, :, None], lambda found: rows.T[found[:, 0]])
            return np.ascontiguousarray(across.T)
        return _between(lat, lambda row: _between(lon, lambda column: self.table[row, column]))


def _between(degrees: Numbers, take: Callable[[Numbers], Numbers]) -> Numbers:
    """Of each place the four numbers around it, by their weight."""
    place = degrees * SIZE
    first = np.floor(place).astype(np.intp)
    t = (place - first).astype(np.float32)
    weights = (1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3
    found = [weight / 6 * take((first + n - 1) % SIZE) for n, weight in enumerate(weights)]
    return found[0] + found[1] + found[2] + found[3]
