"""What a fire meets: fuel and ground, the weather hour by hour, and where it begins.

Arrays of a landscape have a row per line of cells, the first in the north. Cells are square, in metres.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import BadInput
from services.fire import fuel_models
from services.fire.rothermel import Array, Moisture, Wind, refuse_unknown, rise_of, wind_adjustment

MOST_CELLS = 50_000_000
HOUR = 60.0
DRIEST, WETTEST = 0.0, 4.0
STRONGEST = 120.0
"""m/s; what is above is not wind but another unit, or a missing value."""


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """Fuel model codes of every cell, and the ground below and the canopy above them."""

    cell: float
    codes: Array
    rise_east: Array
    rise_north: Array
    cover: Array | float = 0.0
    height: Array | float = 0.0

    @classmethod
    def of(
        cls,
        cell: float,
        codes: Array,
        slope: Array | float = 0.0,
        aspect: Array | float = 0.0,
        cover: Array | float = 0.0,
        height: Array | float = 0.0,
    ) -> Landscape:
        """Slope is rise over run, aspect the azimuth the ground falls towards, cover a share, height metres."""
        codes = np.asarray(codes)
        if codes.ndim != 2 or not 0 < codes.size <= MOST_CELLS:
            raise BadInput(f"a landscape has 1 to {MOST_CELLS} cells in rows, not {codes.shape}")
        if not (np.isfinite(cell) and cell > 0):
            raise BadInput(f"a cell is some metres wide, not {cell}")
        refuse_unknown(codes)
        for name, given in {
            "slope": slope,
            "aspect": aspect,
            "cover": cover,
            "height": height,
        }.items():
            _refuse_missing(name, given)
            if np.ndim(given) and np.shape(given) != codes.shape:
                raise BadInput(f"{name} has {np.shape(given)} cells and fuel {codes.shape}")
        east, north = (_kept(part, codes.shape) for part in rise_of(slope, aspect))
        return cls(float(cell), locked(codes.astype(np.uint8)), east, north, cover, height)

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def burns(self) -> Array:
        return fuel_models.table()[:, 0][self.codes] > 0

    @property
    def sheltered(self) -> Array:
        """The wind at the flames as a share of that at 20 ft."""
        if np.ndim(self.cover) == 0 and np.ndim(self.height) == 0:
            every = np.arange(fuel_models.CODES)
            by_code = wind_adjustment(every, self.cover, self.height)
            return by_code.astype(np.float32)[self.codes]
        return wind_adjustment(self.codes, self.cover, self.height).astype(np.float32)

    def with_codes(self, codes: Array) -> Landscape:
        return replace(self, codes=locked(codes.astype(np.uint8)))


@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """Wind at 10 m (m/s, where it blows to) and fuel moisture, on a grid of its own over the whole landscape.

    `wind` is (steps, rows, columns, 2), `moisture` (steps, rows, columns, 5). A step lasts `minutes`; the first begins
    when the fire does.
    """

    wind: Array
    moisture: Array
    minutes: float = HOUR

    @classmethod
    def of(cls, wind: Wind, moisture: Moisture, minutes: float = HOUR) -> Weather:
        """Parts may be numbers, (steps,) or (steps, rows, columns)."""
        parts = [np.asarray(part, float) for part in (*wind, *moisture)]
        parts = [part.reshape(-1, 1, 1) if part.ndim < 2 else part for part in parts]
        if any(part.ndim != 3 for part in parts):
            raise BadInput("weather is a number, a number per step, or a grid per step")
        try:
            parts = np.broadcast_arrays(*parts)
        except ValueError as error:
            raise BadInput(f"the parts of the weather have unlike shapes: {error}") from error
        for name, part in zip((*Wind._fields, *Moisture._fields), parts, strict=True):
            _refuse_missing(name, part)
        if np.hypot(parts[0], parts[1]).max() > STRONGEST:
            raise BadInput(f"wind is in m/s and below {STRONGEST}")
        if (
            min(part.min() for part in parts[2:]) < DRIEST
            or max(part.max() for part in parts[2:]) > WETTEST
        ):
            raise BadInput("moisture is water per dry weight, from 0 to 4, not percent")
        if not minutes > 0:
            raise BadInput(f"a step of weather lasts some minutes, not {minutes}")
        wind_, wet = np.stack(parts[:2], -1), np.stack(parts[2:], -1)
        return cls(locked(wind_.astype(np.float32)), locked(wet.astype(np.float32)), float(minutes))

    @property
    def lasts(self) -> float:
        """Minutes."""
        return self.wind.shape[0] * self.minutes

    def mean_wind(self, until: float) -> tuple[float, float]:
        """To the east and to the north, over the landscape and the first minutes."""
        steps = max(1, int(np.ceil(until / self.minutes)))
        east, north = self.wind[:steps].mean(axis=(0, 1, 2))
        return float(east), float(north)


@dataclass(frozen=True, slots=True, eq=False)
class Ignition:
    """Cells that burn, by row and column, and from which minute on."""

    rows: Array
    columns: Array
    minutes: Array

    @classmethod
    def at(cls, cells: Iterable[tuple[int, int]], minute: float = 0.0) -> Ignition:
        return cls.of((row, column, minute) for row, column in cells)

    @classmethod
    def of(cls, cells: Iterable[tuple[int, int, float]]) -> Ignition:
        given = np.array(list(cells), float).reshape(-1, 3)
        if not np.isfinite(given).all() or (given[:, 2] < 0).any():
            raise BadInput("a fire begins in a cell and at a minute, which is not negative")
        return cls(given[:, 0].astype(np.int64), given[:, 1].astype(np.int64), given[:, 2].copy())

    @classmethod
    def of_mask(cls, burning: Array, minute: float = 0.0) -> Ignition:
        """An existing fire: all its cells, from one minute on."""
        rows, columns = np.nonzero(burning)
        return cls(rows, columns, np.full(rows.size, float(minute)))

    def plus(self, other: Ignition) -> Ignition:
        pairs = (
            (self.rows, other.rows),
            (self.columns, other.columns),
            (self.minutes, other.minutes),
        )
        return Ignition(*(np.concatenate(pair) for pair in pairs))


def _refuse_missing(name: str, values: Array | float) -> None:
    if not np.isfinite(values).all():
        raise BadInput(f"{name} has cells without a value; nothing is assumed in their place")


def _kept(values: Array, shape: tuple[int, ...]) -> Array:
    return locked(np.ascontiguousarray(np.broadcast_to(values, shape), np.float32))


def locked(values: Any) -> Array:
    """An array that is a value: nobody writes into it."""
    values.flags.writeable = False
    return values
