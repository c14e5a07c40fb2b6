"""The weather that a forecast was made with, at one place, hour by hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from core.blobs import Blobs
from core.errors import BadInput, BlobNotFound
from services.fire.air import Air
from services.fire.rothermel import Array
from services.storage import arrays

GONE = "The weather of this forecast is no longer kept; a new forecast of the place has it again."


class Felt(NamedTuple):
    """One thing that is felt, a number for each hour; NaN where nobody knows."""

    title: str
    unit: str
    values: Array


class Weather(NamedTuple):
    """What is felt at a place."""

    times: list[datetime]
    felt: list[Felt]


def at(blobs: Blobs, air: Air, begins: datetime, lon: float, lat: float) -> Weather:
    """Of the cell of the weather that a place lies in. BadInput says why there is none."""
    if air.grid is None:
        raise BadInput(GONE)
    cell = air.grid.cell_of(lon, lat)
    if cell is None:
        raise BadInput("The place lies outside of the forecast.")
    try:
        kept = arrays.Opened(blobs.read(air.data))
    except BlobNotFound:
        raise BadInput(GONE) from None
    east, north, celsius, humidity, rain = (
        kept[name][:, *cell] for name in ("east", "north", "celsius", "humidity", "rain")
    )
    felt = [
        Felt("Temperature", "°C", celsius),
        Felt("Relative humidity", "%", humidity),
        Felt("Wind speed", "m/s", np.hypot(east, north)),
        Felt("Wind from", "degree", np.degrees(np.arctan2(-east, -north)) % 360),
        Felt("Rain in the hour", "mm", rain),
    ]
    return Weather([begins + timedelta(hours=n) for n in range(len(celsius))], felt)
