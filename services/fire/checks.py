"""What must hold of every forecast, looked at in every forecast: a result that fails is shown with its findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Array
from services.fire.spread import Spread

BREEZE = 2.0
"""m/s; less does not decide where a fire goes."""
STEEP = 0.1
COHERENT = 0.5
"""Of slopes: the length of their mean over the mean of their lengths. Below it there is no one uphill."""
LONG = 1.05
FEW = 9
"""Cells: a fire of so few does not spread."""
ROUND = 25
"""Cells: a fire of so few has no direction that the raster could show."""
TOWARDS = 0.5
"""Cosine: a wind that blows up the slope more than along it."""
STEADY = 5.0
"""m/s; less does not decide on steep ground."""
GALE = 10.0
"""m/s; less may lose against a slope that it blows down."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The slope of what has burnt, as a rise to the east and to the north."""

    mean: Array
    steep: float

    @classmethod
    def of(cls, landscape: Landscape, burnt: Array) -> Ground:
        east, north = landscape.rise_east[burnt], landscape.rise_north[burnt]
        if not east.size:
            return cls(np.zeros(2), 0.0)
        return cls(np.array([east.mean(), north.mean()]), float(np.hypot(east, north).mean()))

    @property
    def length(self) -> float:
        return float(np.hypot(*self.mean))

    @property
    def has_an_uphill(self) -> bool:
        return self.steep >= STEEP and self.length >= COHERENT * self.steep


class Check(StrEnum):
    NOT_EMPTY = "not_empty"
    GROWS = "grows_with_horizon"
    DOWNWIND = "displaced_downwind"
    ELONGATED = "elongated"
    UPSLOPE = "displaced_upslope"
    INSIDE = "inside_the_landscape"


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class Finding(BaseModel):
    """One look at one forecast."""

    model_config = ConfigDict(frozen=True)

    check: Check
    outcome: Outcome
    measured: float | None = None
    message: str


def findings(
    fire: Spread,
    horizons: Sequence[float],
    landscape: Landscape,
    weather: Weather,
    ignition: Ignition,
) -> list[Finding]:
    """All checks, in the order of their names in `Check`."""
    last = max(horizons)
    burnt = fire.burnt(last)
    began = _middle(ignition.rows, ignition.columns)
    rows, columns = np.nonzero(burnt)
    wind = _wind(fire, weather, last)
    moved = _middle(rows, columns) - began if rows.size else np.zeros(2)
    ignited = len({*zip(ignition.rows.tolist(), ignition.columns.tolist(), strict=True)})
    spread_out = rows.size > max(FEW, ignited)
    directed = rows.size > max(ROUND, ignited)
    ground = Ground.of(landscape, burnt)
    return [
        _not_empty(rows.size, ignited),
        _grows(fire, horizons, spread_out),
        _downwind(moved, wind, ground, directed),
        _elongated(rows, columns, wind, directed and ignited < 10),
        _upslope(moved, wind, ground, directed),
        _inside(burnt),
    ]


def _not_empty(burnt: int, ignited: int) -> Finding:
    if burnt > ignited:
        return _found(Check.NOT_EMPTY, True, burnt, f"{burnt} cells burn")
    return _found(Check.NOT_EMPTY, False, burnt, "the fire does not leave the cells it began in")


def _grows(fire: Spread, horizons: Sequence[float], spread_out: bool) -> Finding:
    if len(horizons) < 2 or not spread_out:
        return _skipped(Check.GROWS, "it takes two horizons and a fire that spreads")
    areas = [fire.area(horizon) for horizon in sorted(horizons)]
    least = min(b - a for a, b in pairwise(areas))
    told = ", ".join(f"{area:.1f}" for area in areas)
    if least > 0:
        return _found(Check.GROWS, True, least, f"{told} ha")
    return _found(Check.GROWS, False, least, f"{told} ha: it stops growing")


def _downwind(moved: Array, wind: Array, ground: Ground, directed: bool) -> Finding:
    speed = float(np.hypot(*wind))
    if not directed:
        return _skipped(Check.DOWNWIND, "it hardly spreads")
    if speed < BREEZE:
        return _skipped(Check.DOWNWIND, f"the mean wind is {speed:.1f} m/s")
    if speed < STEADY and ground.steep >= STEEP:
        return _skipped(Check.DOWNWIND, f"the mean wind is {speed:.1f} m/s, and the ground steep")
    if speed < GALE and ground.has_an_uphill and float(wind @ ground.mean) < 0:
        return _skipped(Check.DOWNWIND, "the wind blows down the slope")
    along = float(moved @ wind / speed)
    side = "downwind" if along > 0 else "against the wind"
    return _found(
        Check.DOWNWIND, along > 0, along, f"its middle moves {abs(along):.1f} cells {side}"
    )


def _elongated(rows: Array, columns: Array, wind: Array, applies: bool) -> Finding:
    if float(np.hypot(*wind)) < BREEZE or not applies:
        return _skipped(
            Check.ELONGATED, "little wind, little spread, or a fire that had a shape before"
        )
    axes = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
    ratio = float(np.sqrt(max(axes[1], 1e-9) / max(axes[0], 1e-9)))
    return _found(Check.ELONGATED, ratio >= LONG, ratio, f"it is {ratio:.2f} times as long as wide")


def _upslope(moved: Array, wind: Array, ground: Ground, directed: bool) -> Finding:
    if not directed:
        return _skipped(Check.UPSLOPE, "it hardly spreads")
    if not ground.has_an_uphill:
        return _skipped(
            Check.UPSLOPE, f"the ground has no one slope; its mean is {ground.steep:.2f}"
        )
    speed, up = float(np.hypot(*wind)), ground.mean / ground.length
    if speed >= BREEZE and float(wind @ up) < TOWARDS * speed:
        return _skipped(Check.UPSLOPE, "the wind does not blow up the slope")
    along = float(moved @ up)
    side = "up" if along > 0 else "down"
    return _found(
        Check.UPSLOPE, along > 0, along, f"its middle moves {abs(along):.1f} cells {side} the slope"
    )


def _inside(burnt: Array) -> Finding:
    edge = int(burnt[[0, -1]].sum() + burnt[:, [0, -1]].sum())
    if edge:
        return _found(
            Check.INSIDE, False, edge, "it reaches the edge of the landscape and would go on"
        )
    return _found(Check.INSIDE, True, edge, "it stays inside of the landscape")


def _wind(fire: Spread, weather: Weather, last: float) -> Array:
    """The mean until the horizon, or until the fire stops."""
    until = float(np.nanmax(fire.arrival, initial=0.0, where=fire.arrival <= last))
    return np.array(weather.mean_wind(max(until, 1.0)))


def _middle(rows: Array, columns: Array) -> Array:
    """East and north, in cells."""
    return np.array([float(columns.mean()), -float(rows.mean())])


def _found(check: Check, passed: bool, measured: float, message: str) -> Finding:
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Finding(
        check=check, outcome=outcome, measured=round(float(measured), 4), message=message
    )


def _skipped(check: Check, why: str) -> Finding:
    return Finding(check=check, outcome=Outcome.NOT_APPLICABLE, message=why)
