"""Many fires instead of one: what is uncertain is drawn anew for each member, and what they do is added up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from core.errors import BadInput
from services.fire import fuel_models
from services.fire.landscape import Ignition, Landscape, Weather, locked
from services.fire.rothermel import Array
from services.fire.spread import DIRECTIONS, Spread, spread

FAMILIES = (
    (1, 2, 3), (4, 5, 6, 7), (8, 9, 10), (11, 12, 13), tuple(range(101, 110)),
    tuple(range(121, 125)), tuple(range(141, 150)), tuple(range(161, 166)),
    tuple(range(181, 190)), tuple(range(201, 205)),
)  # fmt: skip
"""Fuel models that maps mistake for each other: neighbours in a family."""
PATCH = 8
"""Cells; so large are the patches in which a map is wrong."""
MEMORY = 0.9
"""How much of the error of the wind in one step is still there in the next."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How far things are from what the inputs say. Shares are standard deviations of the logarithm."""

    wind_speed: float = 0.25
    wind_direction: float = 15.0
    """Degrees."""
    moisture: float = 0.15
    rate: float = 0.25
    """Of the rate of spread: what the model itself does not know."""
    fuel: float = 0.1
    """The share of patches whose fuel is a neighbouring model."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """What one member of an ensemble assumes."""

    landscape: Landscape
    weather: Weather
    factor: float


def member(
    landscape: Landscape,
    weather: Weather,
    seed: int,
    number: int,
    unsure: Uncertainty | None = None,
) -> Member:
    """The same for the same seed and number, whoever asks and in whichever order. Number 0 is undisturbed."""
    if number < 0 or seed < 0:
        raise BadInput("seeds and members are counted from 0")
    if number == 0:
        return Member(landscape, weather, 1.0)
    unsure = unsure or Uncertainty()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,))))
    factor = float(np.exp(unsure.rate * rng.standard_normal()))
    blown = _blown(weather.wind, rng, unsure)
    wetter = np.exp(unsure.moisture * rng.standard_normal(weather.moisture.shape[-1]))
    wet = np.clip(weather.moisture * wetter, 0.01, 4.0).astype(np.float32)
    codes = _mistaken(landscape.codes, rng, unsure.fuel)
    return Member(
        landscape.with_codes(codes),
        replace(weather, wind=locked(blown), moisture=locked(wet)),
        factor,
    )


def run(
    landscape: Landscape,
    weather: Weather,
    ignition: Ignition,
    until: float,
    *,
    seed: int,
    number: int,
    unsure: Uncertainty | None = None,
    directions: int = DIRECTIONS,
) -> Spread:
    """One member's fire."""
    one = member(landscape, weather, seed, number, unsure)
    return spread(
        one.landscape, one.weather, ignition, until, directions=directions, factor=one.factor
    )


def _blown(wind: Array, rng: np.random.Generator, unsure: Uncertainty) -> Array:
    """Faster or slower and turned, by errors that pass slowly; never by so much that calm becomes storm."""
    steps = wind.shape[0]
    faster = np.exp(unsure.wind_speed * _slow(rng, steps)).reshape(-1, 1, 1)
    turned = np.radians(unsure.wind_direction * _slow(rng, steps)).reshape(-1, 1, 1)
    east, north = wind[..., 0], wind[..., 1]
    sine, cosine = np.sin(turned), np.cos(turned)
    return np.stack(
        [faster * (east * cosine + north * sine), faster * (north * cosine - east * sine)], -1
    ).astype(np.float32)


def _slow(rng: np.random.Generator, steps: int) -> Array:
    """Errors of unit spread, each a little like the one before."""
    fresh = rng.standard_normal(steps)
    errors = np.empty(steps)
    errors[0] = fresh[0]
    for step in range(1, steps):
        errors[step] = MEMORY * errors[step - 1] + np.sqrt(1 - MEMORY**2) * fresh[step]
    return errors


def _mistaken(codes: Array, rng: np.random.Generator, share: float) -> Array:
    """Codes with patches of a neighbouring fuel. What does not burn stays as it is."""
    patches = tuple(-(-length // PATCH) for length in codes.shape)
    chance = rng.random(patches).repeat(PATCH, 0).repeat(PATCH, 1)
    chance = chance[: codes.shape[0], : codes.shape[1]]
    lower, upper = _neighbours()
    found = codes.copy()
    down, up = chance < share / 2, chance > 1 - share / 2
    found[down], found[up] = lower[codes[down]], upper[codes[up]]
    return found


@cache
def _neighbours() -> tuple[Array, Array]:
    """By code: the models before and after it in its family; the one it has where it has only one."""
    lower = np.arange(fuel_models.CODES).astype(np.uint8)
    upper = lower.copy()
    for family in FAMILIES:
        lower[list(family)] = (family[1], *family[:-1])
        upper[list(family)] = (*family[1:], family[-2])
    return lower, upper
