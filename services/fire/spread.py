"""When fire gets where: minimum travel times from the ignition over the landscape, hour by hour of weather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.imports import one_at_a_time
from services.fire import fuel_models, stencil
from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Array, flame_length

DIRECTIONS = 32
MOST_BEDS = 40_000_000
"""Numbers kept for moistures times fuels; weather finer than that is refused."""
MEMORY = 128 << 20
"""Bytes at most, however large the landscape, of what is remembered of its cells."""
KNOWN = 14
"""Bytes that one cell takes for one hour."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """What one fire does. Cells that it does not reach hold NaN."""

    arrival: Array
    """Minutes since the first step of the weather."""
    intensity: Array
    """kW/m, of the front as it passes."""
    cell: float
    until: float
    """Minutes that were computed."""

    @property
    def flame_length(self) -> Array:
        return flame_length(self.intensity)

    def burnt(self, minutes: float) -> Array:
        return self.arrival <= minutes

    def area(self, minutes: float) -> float:
        """Hectares."""
        return float(self.burnt(minutes).sum()) * self.cell**2 / 10_000


def spread(
    landscape: Landscape,
    weather: Weather,
    ignition: Ignition,
    until: float,
    *,
    directions: int = DIRECTIONS,
    factor: float = 1.0,
) -> Spread:
    """The fire up to a minute. `factor` multiplies every rate of spread; more directions make rounder fires."""
    with one_at_a_time:
        from services.fire import kernels  # noqa: PLC0415 - compiles

    sources = _checked(landscape, weather, ignition, until, directions)
    ground, fuels = _ground(landscape, weather)
    air = _air(weather, fuels, factor)
    count = landscape.codes.size
    hours, moves = _memory(count, len(weather.wind))
    rays = stencil.compiled(directions, landscape.shape[1], landscape.cell)
    arrival, via = np.full(count, np.inf), np.full(count, -1, np.int8)
    kernels.spread(
        sources, ignition.minutes, until, weather.minutes, landscape.shape,
        rays, ground, air, hours, moves, arrival, via,
    )  # fmt: skip
    intensity = np.full(count, np.nan, np.float32)
    kernels.intensities(
        arrival, via, weather.minutes, rays[1], ground, air, hours, moves, intensity
    )
    arrival[np.isinf(arrival)] = np.nan
    shaped = arrival.astype(np.float32).reshape(landscape.shape)
    shaped.flags.writeable = intensity.flags.writeable = False
    return Spread(shaped, intensity.reshape(landscape.shape), landscape.cell, until)


def _memory(cells: int, hours: int) -> tuple[Array, Array]:
    """For what is known of a cell in an hour, and which hour plus one that is.

    Room for every hour, if there is: fire that creeps out of a cell for ten hours is followed along every ray, and would
    have to work the ten out for each. Memory that fire does not come near is never touched.
    """
    places = 2
    while places < hours and 2 * places * cells * KNOWN <= MEMORY:
        places *= 2
    return np.zeros((cells, places), np.int16), np.empty((cells, places, 3), np.float32)


def _checked(
    landscape: Landscape, weather: Weather, ignition: Ignition, until: float, directions: int
) -> Array:
    """The ignition's cells by number, if the fire can be computed at all."""
    if directions not in stencil.REACHES:
        raise BadInput(f"directions are one of {sorted(stencil.REACHES)}, not {directions}")
    if not 0 < until <= weather.lasts:
        raise BadInput(f"the weather lasts {weather.lasts:.0f} minutes; {until:.0f} were asked for")
    height, width = landscape.shape
    rows, columns = ignition.rows, ignition.columns
    if ((rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)).any():
        raise BadInput(f"the fire begins outside of the landscape of {height} x {width} cells")
    if not landscape.burns[rows, columns].any():
        raise BadInput("the fire begins where nothing burns; pass a place in fuel")
    return rows * width + columns


def _ground(landscape: Landscape, weather: Weather) -> tuple[tuple[Array, ...], Array]:
    """The landscape by what its fuels are among those present, of which 0 is none, and those fuels."""
    present = np.unique(landscape.codes)
    fuels = present[fuel_models.table()[present, 0] > 0]
    place = np.zeros(fuel_models.CODES, np.uint8)
    place[fuels] = np.arange(1, fuels.size + 1)
    rise = np.stack([landscape.rise_east.ravel(), landscape.rise_north.ravel()], axis=1)
    across = zip(landscape.shape, weather.wind.shape[1:3], strict=True)
    rows, columns = (np.arange(many) * few // many for many, few in across)
    table = np.concatenate([np.zeros((1, fuel_models.COLUMNS)), fuel_models.table()[fuels]])
    fuel = place[landscape.codes].ravel()
    return (fuel, landscape.sheltered.ravel(), rise, rows, columns), table


def _air(weather: Weather, fuels: Array, factor: float) -> tuple[Array | float, ...]:
    with one_at_a_time:
        from services.fire import kernels  # noqa: PLC0415 - compiles

    shape = (*weather.wind.shape[:3], len(fuels), kernels.BED)
    if np.prod(shape) > MOST_BEDS:
        raise BadInput(
            f"weather of {weather.wind.shape[:3]} cells is finer than it can know; thin it"
        )
    beds = np.empty(shape)
    beds[..., 0] = kernels.UNKNOWN
    return fuels, weather.moisture, weather.wind, beds, float(factor)
