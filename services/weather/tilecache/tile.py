"""A tile: the hours of a variable of a run over a region, as an NPZ file with a sidecar beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime

from core.blobs import Blobs
from core.errors import BlobChanged, BlobNotFound, ServiceUnavailable
from services.geo.gridspec import GridSpec
from services.storage.arrays import BadArray, Opened, together
from services.weather.derive import ABOUT
from services.weather.models import Frozen
from services.weather.tilecache import shelf
from services.weather.tilecache.shelf import TileKey

Floats = NDArray[np.float32]
NPZ = "application/x-npz"
TRIES = 20


class BadTile(ServiceUnavailable):
    """A file of the tile cache cannot be read. It is built anew with the next scan."""

    code = "bad_tile"


class Cells(NamedTuple):
    """An hour: what the model has within each cell, on average, at least and at most."""

    mean: Floats
    least: Floats
    most: Floats


class Stats(Frozen):
    min: float | None
    max: float | None
    mean: float | None


class Meta(Frozen):
    """What the sidecar says."""

    bounds: tuple[float, float, float, float]
    """West, south, east, north."""
    resolution: float
    units: str
    lon_0_360: bool = False
    """Longitudes go from -180 to 180, on whatever grid the model has."""
    index_lon_min: float
    """The longitude of the first column's middle."""
    index_lat_max: float
    """The latitude of the first row's middle: rows go from north to south."""
    init_time_utc: AwareDatetime
    hours: tuple[int, ...]
    source_grib_md5: dict[int, str]
    """Of the GRIB file that each hour was made of."""
    generated_at: AwareDatetime
    stats: Stats


class Arrays(NamedTuple):
    """What the NPZ holds; the first axis is that of `hours`."""

    hours: NDArray[np.int32]
    means: Floats
    mins: Floats
    maxs: Floats

    def packed(self) -> bytes:
        named = {"means": self.means, "mins": self.mins, "maxs": self.maxs, "hours": self.hours}
        return together(named, small=True)


def opened(data: bytes) -> Arrays:
    """Copies, so that nothing keeps the file's bytes alive (R153)."""
    try:
        found = Opened(data)
        return Arrays(found["hours"], found["means"], found["mins"], found["maxs"])
    except (BadArray, KeyError) as error:
        raise BadTile(f"an array of the tile cache is broken: {error}") from error


def meta_of(blobs: Blobs, key: TileKey) -> Meta | None:
    return shelf.read(blobs, shelf.meta(key), Meta)


def add(
    blobs: Blobs,
    key: TileKey,
    spec: GridSpec,
    found: Mapping[int, Cells],
    sums: Mapping[int, str],
    now: datetime,
) -> Meta | None:
    """Add hours to a tile, whoever else does so at the same time: a write counts only if nothing changed since the read.

    Readers see the tile before or after, never half of it (R152).
    """
    for _ in range(TRIES):
        before, etag = _now(blobs, key, spec)
        arrays = _merged(before, found, spec)
        data = arrays.packed()
        try:
            info = blobs.write(
                shelf.tile(key),
                data,
                content_type=NPZ,
                only_if_new=etag is None,
                if_etag=etag,
            )
        except (BlobChanged, BlobNotFound):
            continue
        return _described(blobs, key, spec, (info.etag, arrays), sums, now)
    raise BadTile(f"{key.variable.value} of {key.model} is written by too many at once")


def _now(blobs: Blobs, key: TileKey, spec: GridSpec) -> tuple[Arrays | None, str | None]:
    """The tile as it is. One that is broken, or of another shape, is made anew."""
    try:
        etag = blobs.info(shelf.tile(key)).etag
        data = blobs.read(shelf.tile(key), etag=etag)
    except BlobNotFound:
        return None, None
    except BlobChanged:
        return _now(blobs, key, spec)
    try:
        arrays = opened(data)
    except BadTile:
        return None, etag
    return (arrays if arrays.means.shape[1:] == spec.shape else None), etag


def _merged(before: Arrays | None, found: Mapping[int, Cells], spec: GridSpec) -> Arrays:
    known = [] if before is None else before.hours.tolist()
    hours = sorted({*known, *found})
    means, mins, maxs = (np.empty((len(hours), *spec.shape), np.float32) for _ in range(3))
    for at, hour in enumerate(hours):
        if hour in found:
            means[at], mins[at], maxs[at] = found[hour]
        else:
            assert before is not None
            old = known.index(hour)
            means[at], mins[at], maxs[at] = before.means[old], before.mins[old], before.maxs[old]
    return Arrays(np.asarray(hours, np.int32), means, mins, maxs)


def _described(
    blobs: Blobs,
    key: TileKey,
    spec: GridSpec,
    mine: tuple[str, Arrays],
    sums: Mapping[int, str],
    now: datetime,
) -> Meta | None:
    """The sidecar says what the array holds in the end, also where another has written it meanwhile."""
    etag, arrays = mine
    for _ in range(TRIES):
        try:
            old, told_at = _told(blobs, key)
            info = blobs.info(shelf.tile(key))
            if info.etag != etag:
                arrays = opened(blobs.read(shelf.tile(key), etag=info.etag))
                etag = info.etag
            made = _with_sums(_meta(key, spec, arrays, now), old, sums)
            _keep_meta(blobs, key, made, told_at)
            if blobs.info(shelf.tile(key)).etag == etag:
                return made
        except BlobNotFound:
            return None  # its run has been pruned
        except BlobChanged:
            continue
    raise BadTile(f"{key.variable.value} of {key.model} is written by too many at once")


def _told(blobs: Blobs, key: TileKey) -> tuple[Meta | None, str | None]:
    """The sidecar as it is. It is read before the array: hours that it has and the array has not are of the past."""
    ref = shelf.meta(key)
    try:
        etag = blobs.info(ref).etag
        return shelf.read(blobs, ref, Meta), etag
    except BlobNotFound:
        return None, None


def _with_sums(made: Meta, old: Meta | None, sums: Mapping[int, str]) -> Meta:
    """With what others have written of the same hours' sources."""
    known = {**({} if old is None else old.source_grib_md5), **sums}
    return made.model_copy(
        update={"source_grib_md5": {h: known[h] for h in made.hours if h in known}}
    )


def _keep_meta(blobs: Blobs, key: TileKey, made: Meta, told_at: str | None) -> None:
    """Raises BlobChanged when somebody was faster."""
    data, new = made.model_dump_json().encode(), told_at is None
    kind = "application/json"
    blobs.write(shelf.meta(key), data, content_type=kind, only_if_new=new, if_etag=told_at)


def _meta(key: TileKey, spec: GridSpec, arrays: Arrays, now: datetime) -> Meta:
    return Meta(
        bounds=spec.bounds,
        resolution=float(spec.cell),
        units=ABOUT[key.variable].unit,
        index_lon_min=float(spec.xs()[0]),
        index_lat_max=float(spec.ys()[0]),
        init_time_utc=key.run.astimezone(UTC),
        hours=tuple(arrays.hours.tolist()),
        source_grib_md5={},
        generated_at=now,
        stats=_stats(arrays),
    )


def _stats(arrays: Arrays) -> Stats:
    there = np.isfinite(arrays.means)
    if not there.any():
        return Stats(min=None, max=None, mean=None)
    return Stats(
        min=float(np.nanmin(arrays.mins)),
        max=float(np.nanmax(arrays.maxs)),
        mean=float(arrays.means[there].mean(dtype=np.float64)),
    )
