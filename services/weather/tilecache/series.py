"""A point over time, read from the tiles: of one run, of several side by side, or stitched of the newest of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from core.blobs import Blobs
from core.errors import BlobNotFound, CoreMachineError
from services.storage.arrays import BadArray, Opened
from services.weather.derive import ABOUT, Variable
from services.weather.tilecache import records, shelf
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import TileKey
from services.weather.tilecache.tile import BadTile

MEMBERS = ("hours", "means", "mins", "maxs")


class NoTiles(CoreMachineError):
    """The tile cache has nothing of that place, model, run or variable."""

    code, status = "no_tiles", 404


class View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Point(View):
    """What is asked for."""

    lon: float
    lat: float
    model: str
    variable: Variable
    region: str | None = None
    """The finest that the place lies in when not given."""


class Value(View):
    """What the cell of a point has at a time. Null where the model has nothing."""

    time: AwareDatetime
    hour: int
    """How far ahead of the run."""
    mean: float | None
    min: float | None
    max: float | None


class Origin(View):
    """Where the numbers are from."""

    region: str
    resolution: float
    model: str
    variable: Variable
    units: str
    lon: float
    """Of the middle of the cell."""
    lat: float


class RunSeries(View):
    """One run."""

    run: str
    init_time: AwareDatetime
    values: list[Value]


class Series(Origin, RunSeries):
    """One run, and where it is from."""


class MultiRun(Origin):
    """Several runs, newest first."""

    runs: list[RunSeries]


class StitchedValue(Value):
    """A value, and the run it is of."""

    run: str


class Stitched(Origin):
    """Of every time what the newest run says of it."""

    values: list[StitchedValue]


class _Spot(NamedTuple):
    origin: Origin
    folder: str
    cell: tuple[int, int]
    runs: list[datetime]
    """Newest first."""

    def key(self, run: datetime) -> TileKey:
        return TileKey(self.folder, self.origin.model, run, self.origin.variable)


def series(blobs: Blobs, point: Point, run: datetime | None = None) -> Series:
    """Of a run, or of the newest."""
    spot = _spot(blobs, point)
    chosen = spot.runs[0] if run is None else run
    found = _run(blobs, spot, chosen)
    if found is None:
        raise NoTiles(f"There is no tile of {point.variable.value} of {shelf.run_name(chosen)}.")
    return Series(**spot.origin.model_dump(), **dict(found))


def multirun(blobs: Blobs, point: Point, count: int) -> MultiRun:
    spot = _spot(blobs, point)
    return MultiRun(**spot.origin.model_dump(), runs=_all(blobs, spot, count))


def stitched(blobs: Blobs, point: Point, count: int) -> Stitched:
    spot = _spot(blobs, point)
    best: dict[datetime, StitchedValue] = {}
    for each in _all(blobs, spot, count):
        for value in each.values:
            best.setdefault(value.time, StitchedValue(**value.model_dump(), run=each.run))
    return Stitched(**spot.origin.model_dump(), values=[best[time] for time in sorted(best)])


def _all(blobs: Blobs, spot: _Spot, count: int) -> list[RunSeries]:
    found = (_run(blobs, spot, run) for run in spot.runs[:count])
    return [each for each in found if each is not None]


def _spot(blobs: Blobs, point: Point) -> _Spot:
    regions = [r for r in records.followed(blobs) if point.region in (None, r.name)]
    for region in sorted(regions, key=lambda each: (each.resolution, each.name)):
        spec = region.spec
        cell = spec.cell_of(point.lon, point.lat)
        if cell is None or point.model not in region.models:
            continue
        runs = sorted(_runs(blobs, region, point), reverse=True)
        if runs:
            origin = _origin(region, point, cell)
            return _Spot(origin, region.folder, cell, runs)
    where = f" in region {point.region!r}" if point.region else ""
    raise NoTiles(
        f"There are no tiles of {point.variable.value} of {point.model} at {point.lon}, {point.lat}{where}."
    )


def _runs(blobs: Blobs, region: Region, point: Point) -> Iterable[datetime]:
    for info in shelf.below(blobs, f"tiles/{region.folder}/{point.model}/"):
        found = shelf.key_of(info.ref.path)
        if found is not None and found[1] == "npz" and found[0].variable is point.variable:
            yield found[0].run


def _origin(region: Region, point: Point, cell: tuple[int, int]) -> Origin:
    spec = region.spec
    return Origin(
        region=region.name,
        resolution=region.resolution,
        model=point.model,
        variable=point.variable,
        units=ABOUT[point.variable].unit,
        lon=float(spec.xs()[cell[1]]),
        lat=float(spec.ys()[cell[0]]),
    )


def _run(blobs: Blobs, spot: _Spot, run: datetime) -> RunSeries | None:
    """None where the run was pruned meanwhile."""
    try:
        data = blobs.read(shelf.tile(spot.key(run)))
    except BlobNotFound:
        return None
    hours, means, mins, maxs = _columns(data, spot.cell)
    values = [
        Value(
            time=run + timedelta(hours=hour),
            hour=hour,
            mean=_number(mean),
            min=_number(least),
            max=_number(most),
        )
        for hour, mean, least, most in zip(map(int, hours), means, mins, maxs, strict=True)
    ]
    return RunSeries(run=shelf.run_name(run), init_time=run, values=values)


def _columns(data: bytes, cell: tuple[int, int]) -> list[list[float]]:
    """One array is unpacked at a time, and only the point's numbers of it are kept (R153)."""
    try:
        found = Opened(data)
        return [
            found[name].tolist() if name == "hours" else found[name][:, *cell].tolist()
            for name in MEMBERS
        ]
    except (BadArray, KeyError, IndexError) as error:
        raise BadTile(f"an array of the tile cache is broken: {error}") from error


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
