"""How wet the fuel is: dead fuel follows the air with its lag, live fuel follows the season.

Temperatures in degrees Celsius, relative humidity in percent, rain in mm per step, moistures as shares of dry weight.
"""

from __future__ import annotations

from math import cos, pi
from typing import NamedTuple

import numpy as np

from core.errors import BadInput
from services.fire.rothermel import Array, Moisture, Values

LAGS = (1.0, 10.0, 100.0)
"""Hours in which twigs, branches and logs come 63 % closer to what the air wants."""
LATER = (0.0, 0.01, 0.02)
"""How much wetter than its equilibrium each begins, where nothing is known of the days before."""
WET = 0.35
"""What rain drives dead fuel to; also the most it holds."""
RAINS = 0.25
"""mm in a step that count as rain."""
HOTTEST, COLDEST = 65.0, -90.0

DRY_HERBS, GREEN_HERBS = 0.45, 1.1
DRY_WOOD, GREEN_WOOD = 0.75, 1.2
TROPICS, SEASONAL = 15.0, 35.0
"""Degrees of latitude: nearer to the equator the calendar says nothing, farther away all."""
GREENEST = 160
"""Day of the year when the north is greenest."""


class Live(NamedTuple):
    """Moisture of live fuel, and where it comes from."""

    herbs: float
    wood: float
    source: str = "given"


def equilibrium(temperature: Values, humidity: Values) -> Array:
    """What dead fuel comes to when the air stays as it is (Simard 1968)."""
    fahrenheit = np.asarray(temperature, float) * 1.8 + 32
    wet = np.clip(np.asarray(humidity, float), 0, 100)
    dry = 0.03229 + 0.281073 * wet - 0.000578 * wet * fahrenheit
    fair = 2.22749 + 0.160107 * wet - 0.01478 * fahrenheit
    damp = 21.0606 + 0.005565 * wet**2 - 0.00035 * wet * fahrenheit - 0.483199 * wet
    percent = np.where(wet < 10, dry, np.where(wet <= 50, fair, damp))
    return np.clip(percent / 100, 0.01, WET)


def dead(
    temperature: Array, humidity: Array, rain: Values = 0.0, hours: float = 1.0
) -> tuple[Array, Array, Array]:
    """Moisture of 1 h, 10 h and 100 h fuel at every step; steps run along the first axis.

    Each begins a little above the mean equilibrium of the first day and then approaches, with its lag, what the air or the
    rain of the step wants.
    """
    temperature, humidity, rain = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(part, float)) for part in (temperature, humidity, rain))
    )
    _refuse(temperature, humidity, rain)
    wanted = np.where(rain >= RAINS, WET, equilibrium(temperature, humidity))
    day = max(1, round(24 / hours))
    begins = wanted[:day].mean(axis=0)
    return tuple(  # type: ignore[return-value]
        _followed(wanted, np.minimum(begins + later, WET), hours / lag)
        for lag, later in zip(LAGS, LATER, strict=True)
    )


def _followed(wanted: Array, begins: Array, lags: float) -> Array:
    closer = 1 - np.exp(-lags)
    held, now = np.empty_like(wanted), begins
    for step, target in enumerate(wanted):
        now = now + closer * (target - now)
        held[step] = now
    return held


def live(latitude: float, day: int) -> Live:
    """A guess by the calendar: green in early summer, dry at the end of winter, half-way near the equator.

    Drought, irrigation and species are not in it; who knows better says so.
    """
    if not -90 <= latitude <= 90 or not 1 <= day <= 366:
        raise BadInput(f"no season for latitude {latitude} on day {day}")
    peak = GREENEST if latitude >= 0 else GREENEST + 182.5
    season = (1 + cos(2 * pi * (day - peak) / 365.25)) / 2
    share = float(np.clip((abs(latitude) - TROPICS) / (SEASONAL - TROPICS), 0, 1))
    green = share * season + (1 - share) * 0.5
    herbs = DRY_HERBS + green * (GREEN_HERBS - DRY_HERBS)
    return Live(herbs, DRY_WOOD + green * (GREEN_WOOD - DRY_WOOD), "season")


def of_air(
    temperature: Array, humidity: Array, rain: Values, living: Live, hours: float = 1.0
) -> Moisture:
    """All that the fire model asks, at every step."""
    one, ten, hundred = dead(temperature, humidity, rain, hours)
    return Moisture(
        one, ten, hundred, np.full_like(one, living.herbs), np.full_like(one, living.wood)
    )


def _refuse(temperature: Array, humidity: Array, rain: Array) -> None:
    given = {"temperature": temperature, "humidity": humidity, "rain": rain}
    for name, values in given.items():
        if not np.isfinite(values).all():
            raise BadInput(f"{name} has missing values; nothing is assumed in their place")
    if temperature.max() > HOTTEST or temperature.min() < COLDEST:
        raise BadInput("temperature is in degrees Celsius")
    if humidity.min() < 0 or humidity.max() > 110:
        raise BadInput("humidity is in percent, from 0 to 100")
    if rain.min() < 0:
        raise BadInput("rain cannot be negative")
