"""What the members of an ensemble did, added up one at a time: probabilities, arrival times, flames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from services.fire.rothermel import Array
from services.fire.spread import Spread
from services.storage import arrays

BINS = 48
PERCENTILES = (10, 50, 90)
TENTHS, NOT_REACHED = 10, 65535
MOST_MEMBERS = 65535


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """An ensemble in maps. Arrival is in minutes; NaN where it is not defined."""

    probability: dict[float, Array]
    """By horizon in minutes: the share of members that have burnt a cell by then."""
    mean_arrival: Array
    """Over the members that reach a cell."""
    arrival: dict[int, Array]
    """By percentile: when so many of all members have reached a cell. To the width of a bin."""
    flame_length: Array
    """The mean over the members that reach a cell, in metres."""
    members: int


@dataclass(slots=True, eq=False)
class Tally:
    """Sums over members, of a size that does not depend on how many there are. Parts can be added up in any order."""

    edges: Array
    """Minutes at which bins end; every horizon is one of them."""
    horizons: tuple[float, ...]
    counts: Array
    """Members that arrive in each bin, by bin, row, column."""
    minutes: Array
    flames: Array
    most: int = 255
    members: int = 0

    @classmethod
    def of(
        cls, shape: tuple[int, int], horizons: Sequence[float], bins: int = BINS, most: int = 255
    ) -> Tally:
        """For horizons in minutes, and at most so many members."""
        if not horizons or min(horizons) <= 0 or not 0 < most <= MOST_MEMBERS:
            raise BadInput("a forecast has horizons after its beginning, and 1 to 65,535 members")
        last = max(horizons)
        edges = np.unique([*np.linspace(last / bins, last, bins), *horizons])
        kind = np.uint8 if most <= 255 else np.uint16
        counts = np.zeros((edges.size, *shape), kind)
        return cls(
            edges,
            tuple(sorted(horizons)),
            counts,
            np.zeros(shape),
            np.zeros(shape, np.float32),
            most,
        )

    def add(self, fire: Spread) -> None:
        if fire.arrival.shape != self.minutes.shape or fire.until < self.edges[-1]:
            raise BadInput("a member has another landscape, or ends before the last horizon")
        self._make_room(1)
        rows, columns = np.nonzero(fire.arrival <= self.edges[-1])
        arrival = fire.arrival[rows, columns].astype(float)
        self.counts[np.searchsorted(self.edges, arrival), rows, columns] += 1
        self.minutes[rows, columns] += arrival
        self.flames[rows, columns] += fire.flame_length[rows, columns]
        self.members += 1

    def merge(self, other: Tally) -> None:
        if not np.array_equal(self.edges, other.edges) or self.counts.shape != other.counts.shape:
            raise BadInput("parts of unlike ensembles cannot be added up")
        self._make_room(other.members)
        self.counts += other.counts
        self.minutes += other.minutes
        self.flames += other.flames
        self.members += other.members

    def forecast(self, percentiles: Sequence[int] = PERCENTILES) -> Forecast:
        if self.members == 0:
            raise BadInput("an ensemble without members says nothing")
        reached = self.counts.sum(axis=0, dtype=np.int32)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, flames = self.minutes / reached, self.flames / reached
        by_bin = np.searchsorted(self.edges, self.horizons)
        probability: dict[float, Array] = {}
        sums, done = np.zeros(reached.shape, np.int32), 0
        for horizon, last in zip(self.horizons, by_bin, strict=True):
            sums = sums + self.counts[done : last + 1].sum(axis=0, dtype=np.int32)
            probability[horizon], done = (sums / self.members).astype(np.float32), last + 1
        arrival = {each: self._percentile(each) for each in percentiles}
        return Forecast(
            probability, mean.astype(np.float32), arrival, flames.astype(np.float32), self.members
        )

    def _percentile(self, percent: int) -> Array:
        """When the given share of all members has arrived, evenly spread within a bin."""
        wanted = max(percent / 100 * self.members, 1e-9)
        found = np.full(self.minutes.shape, np.nan, np.float32)
        before, began = np.zeros(self.minutes.shape, np.int32), 0.0
        for counts, end in zip(self.counts, self.edges, strict=True):
            now = before + counts
            rows, columns = np.nonzero((now >= wanted) & (before < wanted))
            share = (wanted - before[rows, columns]) / counts[rows, columns]
            found[rows, columns] = began + share * (end - began)
            before, began = now, float(end)
        return found

    def _make_room(self, members: int) -> None:
        if self.members + members > self.most:
            raise BadInput("more members than the tally was made for")


def pack(fire: Spread) -> bytes:
    """One member as a few bytes: the cells that burn, arrival to a tenth of a minute, rounded up. Equal fires are equal bytes."""
    rows, columns = np.nonzero(np.isfinite(fire.arrival))
    box = (
        (
            slice(int(rows.min()), int(rows.max()) + 1),
            slice(int(columns.min()), int(columns.max()) + 1),
        )
        if rows.size
        else (slice(0, 0), slice(0, 0))
    )
    if fire.until * TENTHS >= NOT_REACHED:
        raise BadInput("a fire of more than 109 hours does not fit")
    arrival = np.ceil(np.nan_to_num(fire.arrival[box], nan=NOT_REACHED / TENTHS) * TENTHS)
    named = {
        "arrival": arrival.astype(np.uint16),
        "intensity": fire.intensity[box].astype(np.float32),
        "place": np.array([box[0].start, box[1].start, *fire.arrival.shape], np.int64),
        "scale": np.array([fire.cell, fire.until]),
    }
    return arrays.together(named, small=True)


def unpack(data: bytes) -> Spread:
    kept = arrays.Opened(data)
    part, place, scale = kept["arrival"], kept["place"], kept["scale"]
    top, left, height, width = (int(value) for value in place)
    box = (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
    arrival, intensity = (np.full((height, width), np.nan, np.float32) for _ in range(2))
    arrival[box] = np.where(part == NOT_REACHED, np.nan, part / TENTHS)
    intensity[box] = kept["intensity"]
    return Spread(arrival, intensity, float(scale[0]), float(scale[1]))
