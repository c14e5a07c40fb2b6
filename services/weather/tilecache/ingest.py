"""Fetch the messages of one forecast hour, proved, and keep them as a GRIB file per variable."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import md5
from typing import NamedTuple

from core.blobs import BlobInfo, Blobs
from core.errors import BadInput
from services.geo.gridspec import GridSpec
from services.weather import rain
from services.weather.cache import Cache, Floats
from services.weather.derive import Variable, way
from services.weather.grib import BadGrib
from services.weather.hourfile import HourFile, Pools
from services.weather.idx import Span
from services.weather.models import Frozen, Model, Raw, model_named
from services.weather.native import NativeGrid
from services.weather.patch import Desk
from services.weather.plan import raws
from services.weather.sources import NotPublished, SourceFailed, Sources
from services.weather.tilecache import records, shelf
from services.weather.tilecache.region import hours_of
from services.weather.tilecache.shelf import Slot
from services.weather.wants import Want, entry, instant, sums

GRIB2 = "application/wmo-GRIB2"


class HourOrder(Frozen):
    """What is to be fetched of an hour."""

    model: str
    run: datetime
    hour: int
    variables: tuple[Variable, ...]


class Ingested(Frozen):
    """What came of it."""

    model: str
    run: datetime
    hour: int
    kept: tuple[Variable, ...] = ()
    failed: dict[Variable, str] = {}
    bytes: int = 0
    """Read from the sources."""


class Part(Frozen):
    """A field in a kept file, and what it counts: sums of rain are added or taken away."""

    raw: Raw
    start: int
    end: int
    """Minutes since the run."""
    offset: int
    length: int
    part: int
    """Which field of its message."""
    sign: int = 1


class Parts(Frozen):
    """What a kept file holds."""

    source: str
    md5: str
    parts: tuple[Part, ...]


class InHand(Cache):
    """What one task fetches stays in its hands. Inventories are shared with everybody, as ever."""

    def __init__(self, blobs: Blobs, model: str, cycle: datetime, hour: int) -> None:
        super().__init__(blobs, model, cycle, hour)
        self.messages: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def message(self, key: str) -> bytes | None:
        with self._lock:
            return self.messages.get(key)

    def keep_message(self, key: str, data: bytes) -> None:
        with self._lock:
            self.messages[key] = data

    def has_message(self, key: str) -> bool:
        return self.message(key) is not None

    def grid(self) -> NativeGrid | None:
        return None

    def keep_grid(self, grid: NativeGrid) -> None: ...

    def keep_piece(self, key: str, name: str, values: Floats) -> None: ...

    def claim(self, there: object, check: object) -> BlobInfo:
        return BlobInfo(ref=self.ref("claim"), size=0, etag="", modified=datetime.now(UTC))

    def release(self, claim: BlobInfo) -> None: ...


class Counted(NamedTuple):
    """A field, and whether it is added or taken away."""

    want: Want
    sign: int


def orders(
    blobs: Blobs,
    name: str,
    run: datetime,
    variables: Iterable[Variable],
    hours: Iterable[int] | None = None,
) -> list[HourOrder]:
    """What of a run is not kept yet."""
    model = model_named(name)
    asked = list(dict.fromkeys(variables))
    for variable in asked:
        way(model, variable)
    folder = f"gribs/{name}/{shelf.run_name(run)}/"
    kept = {shelf.slot_of(info.ref.path) for info in shelf.below(blobs, folder)}
    wanted = set(model.expected(run)) if hours is None else set(hours)
    if unknown := sorted(wanted - set(model.expected(run))):
        raise BadInput(f"{name} has no hour {unknown[0]} after {run:%Y-%m-%d %H}z")
    have = {v: set(hours_of(model, run, v, None)) for v in asked}
    lacking = {
        hour: tuple(v for v in asked if hour in have[v] and Slot(name, run, v, hour) not in kept)
        for hour in sorted(wanted)
    }
    return [
        HourOrder(model=name, run=run, hour=hour, variables=some)
        for hour, some in lacking.items()
        if some
    ]


def ingest(desk: Desk, order: HourOrder, now: datetime) -> Ingested:
    """What fails is noted, with when it is tried again; it fails no job."""
    fetched = _Hour(desk, model_named(order.model), order.run, order.hour).fetch(order.variables)
    for variable in order.variables:
        slot = Slot(order.model, order.run, variable, order.hour)
        if variable in fetched.failed:
            records.note_failure(desk.blobs, slot, fetched.failed[variable], now)
        else:
            records.forget_failure(desk.blobs, slot)
    return fetched


class _Hour:
    """The files that one hour takes: its own, and for rain perhaps the one before."""

    def __init__(self, desk: Desk, model: Model, run: datetime, hour: int) -> None:
        self.desk, self.model, self.run, self.hour = desk, model, run, hour
        self.sources = Sources(model, desk.internet, desk.check)
        self.hands: dict[int, InHand] = {}
        self.files: dict[int, HourFile] = {}
        self.failed: dict[Variable, str] = {}

    def fetch(self, variables: Sequence[Variable]) -> Ingested:
        pools = Pools.of(self.desk.options.lines, 1)
        try:
            wanted = self._wanted(variables, pools)
            self._take(wanted)
        finally:
            pools.close()
        kept = tuple(v for v in wanted if v not in self.failed)
        for variable in kept:
            self._keep(variable, wanted[variable])
        return Ingested(
            model=self.model.name,
            run=self.run,
            hour=self.hour,
            kept=kept,
            failed=self.failed,
            bytes=self.sources.bytes,
        )

    def _wanted(self, variables: Iterable[Variable], pools: Pools) -> dict[Variable, list[Counted]]:
        found: dict[Variable, list[Counted]] = {}
        for variable in variables:
            try:
                wants = self._wants(variable, pools)
                for want, _ in wants:
                    self._file(want.hour, pools).refuse_missing([want])
                found[variable] = wants
            except (NotPublished, SourceFailed) as error:
                self.failed[variable] = str(error)
        return found

    def _wants(self, variable: Variable, pools: Pools) -> list[Counted]:
        if variable is not Variable.PRECIPITATION:
            return [Counted(instant(raw, self.hour), 1) for raw in raws(self.model, [variable])]
        before = max((h for h in self.model.expected(self.run) if h < self.hour), default=0)
        near = [self.hour, before] if before else [self.hour]
        known = [s for h in near for s in sums(self.model, self._file(h, pools).inventory(), h)]
        terms = rain.way(known, Span(before * 60, self.hour * 60))
        if terms is None:
            raise NotPublished(f"no sums of rain tell the hours {before} to {self.hour}")
        return [Counted(Want(Raw.RAIN, term.span), term.sign) for term in terms]

    def _file(self, hour: int, pools: Pools) -> HourFile:
        if hour not in self.files:
            self.hands[hour] = InHand(self.desk.blobs, self.model.name, self.run, hour)
            self.files[hour] = HourFile(
                self.sources, self.hands[hour], self.run, hour, pools, self.desk.check
            )
        return self.files[hour]

    def _take(self, wanted: dict[Variable, list[Counted]]) -> None:
        """All variables at once, as their messages may lie side by side; one by one where that fails."""
        try:
            self._read({want for each in wanted.values() for want, _ in each})
            return
        except (NotPublished, SourceFailed, BadGrib) as error:
            if len(wanted) == 1:
                self.failed |= dict.fromkeys(wanted, str(error))
                return
        for variable, each in wanted.items():
            try:
                self._read({want for want, _ in each})
            except (NotPublished, SourceFailed, BadGrib) as error:
                self.failed[variable] = str(error)

    def _read(self, wants: set[Want]) -> None:
        spot = middle(self.model)
        for hour in sorted({want.hour for want in wants}):
            self.files[hour].take(sorted(w for w in wants if w.hour == hour), spot)

    def _keep(self, variable: Variable, counted: Sequence[Counted]) -> None:
        """First what its messages are, then the messages: who finds these, finds those."""
        slot = Slot(self.model.name, self.run, variable, self.hour)
        data, places, told = bytearray(), dict[bytes, int](), list[Part]()
        for want, sign in counted:
            file = self.files[want.hour]
            each = entry(self.model, file.inventory(), want)
            assert each is not None
            message = self.hands[want.hour].messages[each.key]
            if message not in places:
                places[message] = len(data)
                data += message
            told.append(
                Part(
                    raw=want.raw,
                    start=want.span.start,
                    end=want.span.end,
                    offset=places[message],
                    length=len(message),
                    part=each.part,
                    sign=sign,
                )
            )
        names = {self.files[want.hour].read_from for want, _ in counted} - {""}
        digest = md5(data, usedforsecurity=False).hexdigest()
        about = Parts(source=", ".join(sorted(names)), md5=digest, parts=tuple(told))
        shelf.keep(self.desk.blobs, shelf.parts(slot), about)
        self.desk.blobs.write(shelf.grib(slot), bytes(data), content_type=GRIB2)


def middle(model: Model) -> GridSpec:
    """A place that every message of the model reaches: to prove a message, it is decoded somewhere."""
    west, south, east, north = model.area
    return GridSpec.around((west + east) / 2, (south + north) / 2, 1_000, 0.05)
