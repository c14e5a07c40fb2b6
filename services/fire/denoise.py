"""Which detections are wildfire. Rules, each with its weight and its reason; the detection itself stays as it is.

A learned version would need labels: detections of which somebody has said what they were. The data that this was built
with has none, so there is no such version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.fire.detections import Confidence, Detection, Sensor, Source
from services.fire.fuels import LandCover
from services.fire.rothermel import Array

EARTH = 6371.0088
WATER = {
    LandCover.WORLDCOVER: {80},
    LandCover.COPERNICUS: {80, 200},
    LandCover.CORINE: {511, 512, 521, 522, 523},
}
TOWN = {LandCover.WORLDCOVER: {50}, LandCover.COPERNICUS: {50}, LandCover.CORINE: {111, 112, 121}}
Place = tuple[float, float]
"""Longitude and latitude."""


class Reason(StrEnum):
    """Why a detection is worth less."""

    NOT_VEGETATION = "not_vegetation"
    KNOWN_SOURCE = "known_heat_source"
    PERSISTENT = "persistent_heat"
    WATER = "on_water"
    TOWN = "in_town"
    LOW_CONFIDENCE = "low_confidence"
    ISOLATED = "isolated"


WEIGHTS = {
    Reason.NOT_VEGETATION: 0.0,
    Reason.KNOWN_SOURCE: 0.1,
    Reason.PERSISTENT: 0.2,
    Reason.WATER: 0.2,
    Reason.TOWN: 0.7,
    Reason.LOW_CONFIDENCE: 0.6,
    Reason.ISOLATED: 0.7,
}
"""The score is 1, multiplied by the weight of each reason."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits. The score below which a detection is noise lets one mild reason pass, and two not."""

    noise_below: float = 0.5
    near_viirs: float = 2.0
    """Kilometres to another detection, for one not to be isolated."""
    near_modis: float = 5.0
    hours: float = 24.0
    strong: float = 50.0
    """MW; so strong a fire may be alone."""
    source_within: float = 1.0
    """Kilometres to a known heat source."""
    persistent_days: int = 5
    """Days on which the same place was hot, before today."""
    persistent_within: float = 1.0
    steady: float = 15.0
    """Days over which these must stretch: a fire that burns for a week is none of them."""

    def radius(self, sensor: Sensor) -> float:
        return self.near_viirs if sensor is Sensor.VIIRS else self.near_modis


class Verdict(BaseModel):
    """A detection with what the rules say of it."""

    model_config = ConfigDict(frozen=True)

    detection: Detection
    denoised_score: float
    is_noise: bool
    reasons: tuple[Reason, ...] = ()


def denoise(
    detections: Sequence[Detection],
    *,
    history: Sequence[Detection] = (),
    sources: Iterable[Place] = (),
    cover: Callable[[float, float], int | None] | None = None,
    legend: LandCover = LandCover.WORLDCOVER,
    rules: Rules | None = None,
) -> list[Verdict]:
    """Judge detections, in their order. What is not given, of history, sources and land cover, is not judged by."""
    rules = rules or Rules()
    lonely = _isolated(detections, rules)
    steady = _persistent(detections, history, rules)
    known = _close_to(detections, list(sources), rules.source_within)
    verdicts = []
    for n, each in enumerate(detections):
        land = cover(each.longitude, each.latitude) if cover else None
        found = {
            Reason.NOT_VEGETATION: each.source not in (None, Source.VEGETATION),
            Reason.KNOWN_SOURCE: known[n],
            Reason.PERSISTENT: steady[n],
            Reason.WATER: land in WATER.get(legend, ()),
            Reason.TOWN: land in TOWN.get(legend, ()),
            Reason.LOW_CONFIDENCE: each.confidence is Confidence.LOW,
            Reason.ISOLATED: lonely[n],
        }
        verdicts.append(
            _verdict(each, tuple(reason for reason, holds in found.items() if holds), rules)
        )
    return verdicts


def _verdict(detection: Detection, reasons: tuple[Reason, ...], rules: Rules) -> Verdict:
    score = round(float(np.prod([WEIGHTS[reason] for reason in reasons])), 3)
    return Verdict(
        detection=detection,
        denoised_score=score,
        is_noise=score < rules.noise_below,
        reasons=reasons,
    )


def _isolated(detections: Sequence[Detection], rules: Rules) -> list[bool]:
    """Alone in space and time, and not strong enough to be believed alone."""
    points = _points(detections)
    alone = np.ones(len(detections), bool)
    times = np.array([each.seen.timestamp() for each in detections])
    for sensor in Sensor:
        radius = rules.radius(sensor)
        grid = _Cells(points, radius)
        for n, each in enumerate(detections):
            if each.sensor is sensor:
                near = grid.within(points[n], radius)
                soon = np.abs(times[near] - times[n]) <= rules.hours * 3600
                alone[n] = int(soon.sum()) <= 1
    return [
        bool(one) and (each.power or 0.0) < rules.strong
        for one, each in zip(alone, detections, strict=True)
    ]


def _persistent(
    detections: Sequence[Detection], history: Sequence[Detection], rules: Rules
) -> list[bool]:
    """Hot on many days, over longer than a wildfire burns in one place."""
    grid = _Cells(_points(history), rules.persistent_within)
    days = np.array([each.seen.toordinal() for each in history], int)
    found = []
    for each, point in zip(detections, _points(detections), strict=True):
        near = np.unique(days[grid.within(point, rules.persistent_within)]) if history else days
        near = near[near < each.seen.toordinal()]
        long = near.size >= rules.persistent_days and near[-1] - near[0] >= rules.steady
        found.append(bool(long))
    return found


def _close_to(detections: Sequence[Detection], places: list[Place], radius: float) -> list[bool]:
    grid = _Cells(_on_sphere(places), radius)
    return [grid.within(point, radius).size > 0 for point in _points(detections)]


def _points(detections: Sequence[Detection]) -> Array:
    return _on_sphere([(each.longitude, each.latitude) for each in detections])


def _on_sphere(places: Sequence[Place]) -> Array:
    """In kilometres from the middle of the earth, where neither poles nor the 180th meridian are special."""
    lon, lat = np.radians(np.array(places, float).reshape(-1, 2)).T
    return EARTH * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)


class _Cells:
    """Points by the cube they lie in, so that only those of 27 cubes are compared."""

    def __init__(self, points: Array, size: float) -> None:
        self._points, self._size = points, size
        self._in: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for n, cube in enumerate(np.floor(points / size).astype(int)):
            self._in[tuple(cube)].append(n)

    def within(self, point: Array, radius: float) -> Array:
        x, y, z = np.floor(point / self._size).astype(int)
        around = [
            n
            for i in (x - 1, x, x + 1)
            for j in (y - 1, y, y + 1)
            for k in (z - 1, z, z + 1)
            for n in self._in.get((i, j, k), ())
        ]
        near = np.array(around, int)
        away = np.linalg.norm(self._points[near] - point, axis=1)
        return near[away <= radius]
