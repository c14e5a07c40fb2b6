"""The variables that can be asked for, and how each comes from what a model publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from services.weather.models import Model, Raw

Floats = NDArray[np.float32]
Fields = Mapping[Raw, Floats]
FREEZING = 273.15


class Variable(StrEnum):
    """What a patch can hold."""

    U10 = "u10"
    V10 = "v10"
    WIND_SPEED = "wind_speed"
    WIND_DIRECTION = "wind_direction"
    GUST = "gust"
    T2M = "t2m"
    D2M = "d2m"
    RH2M = "rh2m"
    VPD = "vpd"
    PRECIPITATION = "precipitation"
    CLOUD_COVER = "cloud_cover"
    MSLP = "mslp"
    BLH = "blh"
    VISIBILITY = "visibility"


class About(NamedTuple):
    """What a file says of a variable: its title, its unit, and its name in the CF conventions."""

    title: str
    unit: str
    standard: str


ABOUT: dict[Variable, About] = {
    Variable.U10: About("Wind to the east, 10 m above ground", "m s-1", "eastward_wind"),
    Variable.V10: About("Wind to the north, 10 m above ground", "m s-1", "northward_wind"),
    Variable.WIND_SPEED: About("Wind speed, 10 m above ground", "m s-1", "wind_speed"),
    Variable.WIND_DIRECTION: About(
        "Where the wind comes from, clockwise from north", "degree", "wind_from_direction"
    ),
    Variable.GUST: About("Wind speed of gusts", "m s-1", "wind_speed_of_gust"),
    Variable.T2M: About("Temperature, 2 m above ground", "K", "air_temperature"),
    Variable.D2M: About("Dew point, 2 m above ground", "K", "dew_point_temperature"),
    Variable.RH2M: About("Relative humidity, 2 m above ground", "%", "relative_humidity"),
    Variable.VPD: About(
        "Vapour pressure deficit, 2 m above ground", "kPa", "water_vapor_saturation_deficit_in_air"
    ),
    Variable.PRECIPITATION: About(
        "Precipitation since the time before", "kg m-2", "precipitation_amount"
    ),
    Variable.CLOUD_COVER: About("Cloud cover", "%", "cloud_area_fraction"),
    Variable.MSLP: About("Pressure at mean sea level", "Pa", "air_pressure_at_mean_sea_level"),
    Variable.BLH: About("Height of the mixed air", "m", "atmosphere_boundary_layer_thickness"),
    Variable.VISIBILITY: About("How far one sees", "m", "visibility_in_air"),
}


class Way(NamedTuple):
    """One way to a variable. Winds have been turned to east and north before."""

    needs: tuple[Raw, ...]
    make: Callable[[Fields], Floats]


def saturation(kelvin: Floats) -> Floats:
    """The pressure of vapour over water that air can hold, in kPa (Bolton 1980)."""
    celsius = kelvin - FREEZING
    return np.asarray(0.6112 * np.exp(17.67 * celsius / (celsius + 243.5)), np.float32)


def humidity(kelvin: Floats, dewpoint: Floats) -> Floats:
    """Per cent. Interpolated dew points may lie a little above the temperature."""
    percent = 100 * saturation(dewpoint) / saturation(kelvin)
    return np.clip(percent, 0, 100).astype(np.float32)


def deficit(kelvin: Floats, percent: Floats) -> Floats:
    return (saturation(kelvin) * (1 - np.clip(percent, 0, 100) / 100)).astype(np.float32)


def speed(u: Floats, v: Floats) -> Floats:
    return np.hypot(u, v, dtype=np.float32)


def direction(u: Floats, v: Floats) -> Floats:
    """Where wind comes from: 270 is from the west; 0 for north, never 360."""
    degrees = np.degrees(np.arctan2(-u, -v)) % 360
    return np.where(degrees >= 360, 0, degrees).astype(np.float32)


def components(speed: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """To the east and to the north. Directions themselves must not be averaged: 350 and 10 are north, not south."""
    turn = np.radians(direction)
    return (-speed * np.sin(turn)).astype(np.float32), (-speed * np.cos(turn)).astype(np.float32)


def _same(raw: Raw) -> Way:
    return Way((raw,), lambda fields: fields[raw])


WINDS = (Raw.U, Raw.V)
WAYS: dict[Variable, tuple[Way, ...]] = {
    Variable.U10: (Way(WINDS, lambda f: f[Raw.U]),),
    Variable.V10: (Way(WINDS, lambda f: f[Raw.V]),),
    Variable.WIND_SPEED: (Way(WINDS, lambda f: speed(f[Raw.U], f[Raw.V])),),
    Variable.WIND_DIRECTION: (Way(WINDS, lambda f: direction(f[Raw.U], f[Raw.V])),),
    Variable.GUST: (_same(Raw.GUST),),
    Variable.T2M: (_same(Raw.TEMPERATURE),),
    Variable.D2M: (_same(Raw.DEWPOINT),),
    Variable.RH2M: (
        Way((Raw.HUMIDITY,), lambda f: np.clip(f[Raw.HUMIDITY], 0, 100)),
        Way(
            (Raw.TEMPERATURE, Raw.DEWPOINT), lambda f: humidity(f[Raw.TEMPERATURE], f[Raw.DEWPOINT])
        ),
    ),
    Variable.VPD: (
        Way(
            (Raw.TEMPERATURE, Raw.HUMIDITY), lambda f: deficit(f[Raw.TEMPERATURE], f[Raw.HUMIDITY])
        ),
        Way(
            (Raw.TEMPERATURE, Raw.DEWPOINT),
            lambda f: np.maximum(saturation(f[Raw.TEMPERATURE]) - saturation(f[Raw.DEWPOINT]), 0),
        ),
    ),
    Variable.PRECIPITATION: (_same(Raw.RAIN),),
    Variable.CLOUD_COVER: (_same(Raw.CLOUD),),
    Variable.MSLP: (_same(Raw.PRESSURE),),
    Variable.BLH: (_same(Raw.MIXED),),
    Variable.VISIBILITY: (_same(Raw.VISIBILITY),),
}


def published(model: Model, raw: Raw) -> tuple[Raw, ...] | None:
    """What a model's files must be asked for to know that: winds of some models are a speed and a direction."""
    if raw in model.messages:
        return (raw,)
    if raw in WINDS and {Raw.SPEED, Raw.DIRECTION} <= set(model.messages):
        return (Raw.SPEED, Raw.DIRECTION)
    return None


def way(model: Model, variable: Variable) -> Way:
    """The first way for which the model has everything."""
    for each in WAYS[variable]:
        if all(published(model, raw) for raw in each.needs):
            return each
    raise BadInput(f"{model.name} has no {variable.value}; it has {', '.join(offered(model))}")


def offered(model: Model) -> list[str]:
    """The variables that a model has, or that follow from what it has."""
    return [
        variable.value
        for variable, ways in WAYS.items()
        if any(all(published(model, raw) for raw in each.needs) for each in ways)
    ]
