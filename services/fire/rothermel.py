"""How fire behaves on the surface: Rothermel's equations over whole arrays.

Everything broadcasts. Moistures are shares of dry weight, slope is rise over run, azimuths are degrees clockwise from
north, wind is that of 10 m above ground in m/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from core.errors import BadInput
from core.imports import one_at_a_time
from services.fire import fuel_models

Array = np.ndarray[Any, np.dtype[Any]]
Values = Array | float

FEET_PER_METRE = 1 / 0.3048
SHELTERING = 0.05
"""A canopy that fills less of the space over the ground shelters nothing."""
LOWEST_CANOPY = 6.0
"""Feet."""


class Moisture(NamedTuple):
    """Water per dry weight: of dead fuel by the hours it takes to follow the air, of live herbs and live wood."""

    one_hour: Values
    ten_hours: Values
    hundred_hours: Values
    herbs: Values
    wood: Values


class Wind(NamedTuple):
    """Where the air goes to, as the u and v of a weather model (m/s, 10 m above ground)."""

    east: Values
    north: Values

    @classmethod
    def out_of(cls, azimuth: Values, speed: Values) -> Wind:
        """From where it comes, as people say it."""
        angle = np.radians(azimuth)
        return cls(-np.sin(angle) * speed, -np.cos(angle) * speed)

    @property
    def speed(self) -> Array:
        return np.hypot(self.east, self.north)


class Ground(NamedTuple):
    """Slope, the azimuth it falls towards, and the trees above: cover as a share, height in metres."""

    slope: Values = 0.0
    aspect: Values = 0.0
    cover: Values = 0.0
    height: Values = 0.0


FLAT = Ground()


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """The head of the fire in each place, and the ellipse it is the tip of."""

    rate: Array
    """m/min along the ground."""
    azimuth: Array
    """Where the head runs to; 0 where all directions are alike."""
    eccentricity: Array
    intensity: Array
    """Byram's, kW/m."""

    @property
    def flame_length(self) -> Array:
        return flame_length(self.intensity)

    @property
    def length_to_width(self) -> Array:
        return 1 / np.sqrt(1 - self.eccentricity**2)

    def towards(self, azimuth: Values) -> Array:
        """The rate (m/min) at which fire started at a point moves in a direction."""
        along = np.cos(np.radians(np.asarray(azimuth) - self.azimuth))
        return self.rate * (1 - self.eccentricity) / (1 - self.eccentricity * along)


def flame_length(intensity: Array) -> Array:
    """Byram 1959: metres of flame for kW per metre of front."""
    return 0.0775 * np.asarray(intensity) ** 0.46


def behaviour(
    codes: Array | int,
    moisture: Moisture,
    wind: Wind,
    ground: Ground = FLAT,
) -> Behaviour:
    """What fire does in each place. Codes that are no fuel give a rate of 0."""
    with one_at_a_time:
        from services.fire import kernels  # noqa: PLC0415 - compiles

    codes = np.asarray(codes)
    refuse_unknown(codes)
    together = np.broadcast_arrays(codes, *moisture, *wind, *ground)
    of = together[0].shape
    flat = [np.ascontiguousarray(part, float).ravel() for part in together]
    rise = np.column_stack(rise_of(flat[8], flat[9]))
    sheltered = wind_adjustment(flat[0].astype(int), flat[10], flat[11])
    out = np.empty((flat[0].size, 5))
    kernels.heads(
        fuel_models.table(),
        flat[0].astype(np.int64),
        np.column_stack(flat[1:6]),
        np.column_stack(flat[6:8]),
        sheltered,
        rise,
        out,
    )
    rate, east, north, eccentricity, intensity = (column.reshape(of) for column in out.T)
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    azimuth = np.where(azimuth >= 360, 0.0, azimuth)  # of a tiny negative angle
    return Behaviour(rate, azimuth, eccentricity, intensity)


def rise_of(slope: Values, aspect: Values) -> tuple[Array, Array]:
    """How much the ground rises per metre to the east and to the north."""
    angle = np.radians(aspect)
    return -np.sin(angle) * slope, -np.cos(angle) * slope


def wind_adjustment(codes: Array, cover: Values, height: Values) -> Array:
    """The wind at the flames as a share of that at 20 ft (Andrews 2012): under trees, or over the fuel itself."""
    depth = fuel_models.table()[codes, 10]
    high = np.asarray(height, float) * FEET_PER_METRE
    filled = np.asarray(cover, float) / 3
    with np.errstate(divide="ignore", invalid="ignore"):
        under = 0.555 / (np.sqrt(filled * high) * np.log((20 + 0.36 * high) / (0.13 * high)))
        over = 1.83 / np.log((20 + 0.36 * depth) / (0.13 * depth))
    is_sheltered = (filled >= SHELTERING) & (high >= LOWEST_CANOPY)
    return np.where(is_sheltered, under, np.where(depth > 0, over, 0.0))


def refuse_unknown(codes: Array) -> None:
    if codes.dtype.kind not in "iu":
        raise BadInput(f"fuel model codes are whole numbers, not {codes.dtype}")
    unknown = sorted(int(code) for code in np.unique(codes) if not fuel_models.is_known(int(code)))
    if unknown:
        raise BadInput(f"no fuel model has the code {unknown[0]}; known are 1 to 13, 101 to 204")
