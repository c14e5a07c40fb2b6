"""Where the tile cache keeps what. What lies there is the inventory: no second record can disagree with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from core.blobs import BlobInfo, BlobRef, Blobs, Zone
from core.errors import BlobNotFound
from services.weather.derive import Variable

CONTAINER = "cache"
RUN = r"run_(?P<day>\d{8})_(?P<hour>\d{2})"
GRIB = re.compile(rf"gribs/(?P<model>\w+)/{RUN}/(?P<variable>\w+)/grib_(?P<ahead>\d+)\.grib2")
TILE = re.compile(
    rf"tiles/(?P<region>[^/]+)/(?P<deg>[\d.]+)deg/(?P<model>\w+)/{RUN}/(?P<variable>\w+)\.(?P<kind>npz|meta\.json)"
)
FAILED = re.compile(rf"failed/(?P<model>\w+)/{RUN}/(?P<variable>\w+)/f(?P<ahead>\d+)\.json")
SEEN = re.compile(rf"seen/(?P<model>\w+)/{RUN}\.json")
PAGE = 5000
R = TypeVar("R", bound=BaseModel)


class Slot(NamedTuple):
    """A variable of an hour of a run."""

    model: str
    run: datetime
    variable: Variable
    hour: int


class TileKey(NamedTuple):
    """A variable of a run in a region."""

    folder: str
    """`{region}/{resolution}deg`."""
    model: str
    run: datetime
    variable: Variable


def run_name(run: datetime) -> str:
    return f"run_{run.astimezone(UTC):%Y%m%d_%H}"


def run_at(found: re.Match[str]) -> datetime:
    return datetime.strptime(found["day"] + found["hour"], "%Y%m%d%H").replace(tzinfo=UTC)


def ref(path: str) -> BlobRef:
    return BlobRef.of(Zone.SILVER, CONTAINER, path)


def grib(slot: Slot) -> BlobRef:
    folder = f"gribs/{slot.model}/{run_name(slot.run)}/{slot.variable.value}"
    return ref(f"{folder}/grib_{slot.hour:03d}.grib2")


def parts(slot: Slot) -> BlobRef:
    """What the messages of a GRIB file are, and how they are reckoned with."""
    return BlobRef(grib(slot).removesuffix("grib2") + "json")


def failed(slot: Slot) -> BlobRef:
    folder = f"failed/{slot.model}/{run_name(slot.run)}/{slot.variable.value}"
    return ref(f"{folder}/f{slot.hour:03d}.json")


def tile(key: TileKey, ending: str = "npz") -> BlobRef:
    folder = f"tiles/{key.folder}/{key.model}/{run_name(key.run)}"
    return ref(f"{folder}/{key.variable.value}.{ending}")


def meta(key: TileKey) -> BlobRef:
    return tile(key, "meta.json")


def seen(model: str, run: datetime) -> BlobRef:
    return ref(f"seen/{model}/{run_name(run)}.json")


def source(model: str) -> BlobRef:
    return ref(f"sources/{model}.json")


def region(folder: str) -> BlobRef:
    return ref(f"regions/{folder}.json")


def slot_of(path: str) -> Slot | None:
    """The slot of a GRIB file, or of a note that it failed."""
    found = GRIB.fullmatch(path) or FAILED.fullmatch(path)
    if found is None or found["variable"] not in set(Variable):
        return None
    return Slot(found["model"], run_at(found), Variable(found["variable"]), int(found["ahead"]))


def key_of(path: str) -> tuple[TileKey, str] | None:
    """The key of a tile's array or sidecar, and which of both it is."""
    found = TILE.fullmatch(path)
    if found is None or found["variable"] not in set(Variable):
        return None
    folder = f"{found['region']}/{found['deg']}deg"
    key = TileKey(folder, found["model"], run_at(found), Variable(found["variable"]))
    return key, found["kind"]


def below(blobs: Blobs, prefix: str) -> Iterator[BlobInfo]:
    after: str | None = None
    while True:
        try:
            page = blobs.list(Zone.SILVER, CONTAINER, prefix, after, PAGE)
        except BlobNotFound:
            return
        yield from page.blobs
        if (after := page.next) is None:
            return


def read(blobs: Blobs, name: BlobRef, kind: type[R]) -> R | None:
    """A record; None where there is none, or one that this version does not understand."""
    try:
        return kind.model_validate_json(blobs.read(name))
    except (BlobNotFound, ValidationError):
        return None


def keep(blobs: Blobs, name: BlobRef, record: BaseModel) -> None:
    data = record.model_dump_json().encode()
    blobs.write(name, data, content_type="application/json")
