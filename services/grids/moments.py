"""Numbers summed up part by part: of a region, and of every cell of a map."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from services.grids.inspect import Array


class Reduction(StrEnum):
    """How many times become one."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"


class Moments(NamedTuple):
    """Weighted moments, which can be added up part by part without losing digits."""

    valid: int = 0
    weight: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def plus(self, part: Array, weights: Array) -> Moments:
        there = np.isfinite(part)
        if not there.any():
            return self
        values, heavy = part[there], weights[there]
        weight = float(heavy.sum())
        mean = float((values * heavy).sum() / weight)
        spread = float((heavy * (values - mean) ** 2).sum())
        both, apart = self.weight + weight, mean - self.mean
        return Moments(
            valid=self.valid + values.size,
            weight=both,
            mean=self.mean + apart * weight / both,
            spread=self.spread + spread + apart**2 * self.weight * weight / both,
            low=min(self.low, float(values.min())),
            high=max(self.high, float(values.max())),
        )

    def told(self) -> dict[str, Any]:
        if self.valid == 0:
            return {"count": 0, "minimum": None, "maximum": None, "mean": None, "std": None}
        std = (self.spread / self.weight) ** 0.5
        extremes = {"minimum": self.low, "maximum": self.high}
        return {"count": self.valid, **extremes, "mean": self.mean, "std": std}


class Sums(NamedTuple):
    """What a map needs of each cell, added up over time."""

    valid: Array
    sum: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Sums:
        return cls(
            np.zeros(shape, "i8"), np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf)
        )

    def add(self, rows: slice, part: Array) -> None:
        there = np.isfinite(part)
        self.valid[rows] += there.sum(axis=0)
        self.sum[rows] += np.where(there, part, 0).sum(axis=0)
        self.low[rows] = np.minimum(self.low[rows], np.where(there, part, np.inf).min(axis=0))
        self.high[rows] = np.maximum(self.high[rows], np.where(there, part, -np.inf).max(axis=0))

    def told(self, function: Reduction) -> Array:
        if function is Reduction.COUNT:
            return self.valid.astype("f8")
        some = np.maximum(self.valid, 1)
        found = {"mean": self.sum / some, "sum": self.sum, "min": self.low, "max": self.high}
        return np.where(self.valid > 0, found[function.value], np.nan)
