"""The weather of the made-up archive: the same for every model, known everywhere, quick to reckon."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.weather.derive import FREEZING, direction, humidity
from services.weather.models import Raw

Floats = NDArray[np.float64]
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
WET = 1.6
"""Millimetres an hour at most."""


def field(raw: Raw, lon: Floats, lat: Floats, time: datetime, hours: float = 0.0) -> Floats:
    """The field at a time; of rain, what fell in the hours before it. `lon` and `lat` may be a row and a column."""
    t = (time - BEGIN).total_seconds() / 3600
    x, y = np.radians(lon), np.radians(lat)
    match raw:
        case Raw.TEMPERATURE:
            return _temperature(x, y, t)
        case Raw.DEWPOINT:
            return _dewpoint(x, y, t)
        case Raw.HUMIDITY:
            dry, wet = _temperature(x, y, t), _dewpoint(x, y, t)
            return humidity(dry.astype(np.float32), wet.astype(np.float32)).astype(np.float64)
        case Raw.U:
            return _east(x, y, t)
        case Raw.V:
            return _north(x, y, t)
        case Raw.SPEED:
            return np.hypot(_east(x, y, t), _north(x, y, t))
        case Raw.DIRECTION:
            u, v = _east(x, y, t), _north(x, y, t)
            return direction(u.astype(np.float32), v.astype(np.float32)).astype(np.float64)
        case Raw.GUST:
            return 1.4 * np.hypot(_east(x, y, t), _north(x, y, t)) + 1
        case Raw.CLOUD:
            return 50 + 50 * np.sin(2 * x + t / 9) * np.cos(2 * y)
        case Raw.PRESSURE:
            return 101_300 + 900 * np.sin(x + t / 24) * np.cos(2 * y)
        case Raw.MIXED:
            return 900 + 700 * np.sin(2 * np.pi * t / 24 + x) * np.cos(y)
        case Raw.VISIBILITY:
            return 20_000 - 8_000 * np.cos(3 * x) * np.cos(y)
        case Raw.RAIN:
            return _rain(x, y) * (_wetness(t) - _wetness(t - hours))


def _temperature(x: Floats, y: Floats, t: float) -> Floats:
    """Warm at the equator, warmest in the afternoon."""
    sun = 2 * np.pi * (t / 24) + x - 2 * np.pi * 15 / 24
    return FREEZING - 12 + 40 * np.cos(y) ** 2 + 5 * np.cos(sun) * np.cos(y)


def _dewpoint(x: Floats, y: Floats, t: float) -> Floats:
    """Dry enough for grass to burn at every hour."""
    return _temperature(x, y, t) - 13 - 5 * np.sin(3 * x) * np.cos(2 * y)


def _east(x: Floats, y: Floats, t: float) -> Floats:
    return 5 * np.sin(3 * y) + 4 * np.cos(2 * x + t / 12)


def _north(x: Floats, y: Floats, t: float) -> Floats:
    return 5 * np.sin(3 * x) * np.cos(y) + 2 * np.cos(2 * y - t / 12)


def _rain(x: Floats, y: Floats) -> Floats:
    """Where it rains it rains every hour, and elsewhere never: a fire there burns whatever the time of day."""
    return WET * np.maximum(0.0, -np.cos(5 * x) * np.cos(3 * y))


def _wetness(t: float) -> float:
    """The integral of a rate that goes up and down every twelve hours."""
    return float(t - 0.5 * 12 / (2 * np.pi) * np.cos(2 * np.pi * t / 12))
