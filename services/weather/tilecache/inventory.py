"""The inventory: which hours of which runs are there, why others are not, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from core.blobs import BlobInfo, Blobs
from core.insights.views import InventoryLine
from core.lookout import Lookout
from services.weather.derive import Variable
from services.weather.models import MODELS, Model
from services.weather.tilecache import shelf, stock
from services.weather.tilecache.records import SourceStatus
from services.weather.tilecache.region import Region, hours_of
from services.weather.tilecache.shelf import Slot, TileKey
from services.weather.tilecache.stock import Stock

SECONDS = 10.0
"""How long one look serves those who ask often."""


class HourState(StrEnum):
    """How far an hour has come, by its variable that is furthest behind."""

    MISSING = "missing"
    PENDING = "pending"
    GRIB_ONLY = "grib_only"
    FAILED = "failed"
    TILED = "tiled"


class RunStatus(StrEnum):
    """How far a run has come."""

    COMPLETE = "complete"
    BUILDING = "building"
    WAITING = "waiting"
    FAILED = "failed"
    SOURCE_DOWN = "source_down"


WORST = (HourState.FAILED, HourState.PENDING, HourState.MISSING, HourState.GRIB_ONLY)
GRAVEST = (
    RunStatus.SOURCE_DOWN,
    RunStatus.FAILED,
    RunStatus.BUILDING,
    RunStatus.WAITING,
    RunStatus.COMPLETE,
)


class View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class RunRow(View):
    """A run of a model in a region."""

    region: str
    resolution: float
    model: str
    run: str
    init_time: AwareDatetime
    status: RunStatus
    expected_hours: list[int]
    """What the model's schedule has of such a run, as far as the region wants it."""
    hours: dict[int, HourState]
    missing_hours: list[int]
    """Those that are in no tile yet, whatever the reason."""
    source_hours: list[int]
    """Those that the sources were seen to have."""
    reasons: dict[int, str]
    """Why an hour failed."""
    reason: str | None
    variables: dict[Variable, int]
    """How many hours the tile of each has."""
    tile_bytes: int
    oldest: AwareDatetime | None
    """When the tile that was written first was written last."""
    newest: AwareDatetime | None


class Disk(View):
    """What a run of a model takes, over all regions."""

    model: str
    run: str
    tile_bytes: int
    grib_bytes: int
    tiles: int
    gribs: int


class Inventory(View):
    """Everything that the tile cache has, and should have."""

    at: AwareDatetime
    regions: list[Region]
    sources: list[SourceStatus]
    runs: list[RunRow]
    disk: list[Disk]
    gribs_without_tile: int
    """GRIB files whose hours are not in all the tiles that want them."""
    bytes: int
    oldest_age_seconds: float | None
    newest_age_seconds: float | None

    def only(self, region: str | None, model: str | None) -> Inventory:
        """The runs of a region or a model. What all takes together stays what it is."""
        runs = [r for r in self.runs if region in (None, r.region) and model in (None, r.model)]
        disk = [each for each in self.disk if model in (None, each.model)]
        return self.model_copy(update={"runs": runs, "disk": disk})


def inventory(blobs: Blobs, now: datetime) -> Inventory:
    """One listing, and the records it leads to."""
    have = stock.look(blobs)
    files = [*have.tiles.values(), *have.gribs.values()]
    ages = [(now - info.modified).total_seconds() for info in files]
    return Inventory(
        at=now,
        regions=have.regions,
        sources=sorted(have.sources.values(), key=lambda each: each.model),
        runs=list(_rows(have)),
        disk=list(_disk(have)),
        gribs_without_tile=sum(_lacks_tile(have, slot) for slot in have.gribs),
        bytes=sum(info.size for info in files),
        oldest_age_seconds=max(ages, default=None),
        newest_age_seconds=min(ages, default=None),
    )


def lines(found: Inventory) -> list[InventoryLine]:
    """One per run of a model, over all regions, newest first."""
    by_run: dict[tuple[str, str], list[RunRow]] = {}
    for row in found.runs:
        by_run.setdefault((row.model, row.run), []).append(row)
    return [
        InventoryLine(
            model=model,
            run=run,
            status=min((row.status for row in rows), key=GRAVEST.index),
            missing_hours=sorted({hour for row in rows for hour in row.missing_hours}),
            reason=next((row.reason for row in rows if row.reason), None),
        )
        for (model, run), rows in by_run.items()
    ]


def watched(blobs: Blobs) -> Lookout[Inventory]:
    """The inventory, found anew when the last answer has become old."""
    return Lookout(
        lambda: inventory(blobs, datetime.now(UTC)), "the inventory of forecasts", SECONDS
    )


def _rows(have: Stock) -> Iterator[RunRow]:
    for region in sorted(have.regions, key=lambda each: each.folder):
        for name in region.models:
            model = MODELS[name]
            for run in sorted(_runs(have, region, name), reverse=True):
                yield _row(have, region, model, run)


def _runs(have: Stock, region: Region, model: str) -> set[datetime]:
    """Those that the sources were looked through for, and those that tiles are there of."""
    seen = {run for name, run in have.seen if name == model}
    return seen | {k.run for k in have.tiles if (k.folder, k.model) == (region.folder, model)}


def _row(have: Stock, region: Region, model: Model, run: datetime) -> RunRow:
    keys = {v: TileKey(region.folder, model.name, run, v) for v in region.variables_of(model)}
    wanted = {v: set(hours_of(model, run, v, region.hours)) for v in keys}
    expected = sorted(set().union(*wanted.values()))
    slots = {h: [Slot(model.name, run, v, h) for v in keys if h in wanted[v]] for h in expected}
    states = {hour: _state(have, keys, some) for hour, some in slots.items()}
    reasons = {h: why for h, some in slots.items() if (why := _why(have, some))}
    tiles = [have.tiles[key] for key in keys.values() if key in have.tiles]
    seen = have.seen.get((model.name, run))
    source = have.sources.get(model.name)
    status = _status(set(states.values()), source)
    return RunRow(
        region=region.name,
        resolution=region.resolution,
        model=model.name,
        run=shelf.run_name(run),
        init_time=run,
        status=status,
        expected_hours=expected,
        hours=states,
        missing_hours=[hour for hour, state in states.items() if state is not HourState.TILED],
        source_hours=[] if seen is None else list(seen.hours),
        reasons=reasons,
        reason=_reason(status, states, reasons, source, "" if seen is None else seen.reason),
        variables={v: len(have.hours(key)) for v, key in keys.items()},
        tile_bytes=sum(info.size for info in tiles),
        oldest=min((info.modified for info in tiles), default=None),
        newest=max((info.modified for info in tiles), default=None),
    )


def _state(have: Stock, keys: dict[Variable, TileKey], slots: Iterable[Slot]) -> HourState:
    found = {_slot_state(have, keys[slot.variable], slot) for slot in slots}
    return next((state for state in WORST if state in found), HourState.TILED)


def _slot_state(have: Stock, key: TileKey, slot: Slot) -> HourState:
    seen = have.seen.get((slot.model, slot.run))
    if slot.hour in have.hours(key):
        return HourState.TILED
    if slot in have.gribs:
        return HourState.GRIB_ONLY
    if slot in have.failures:
        return HourState.FAILED
    there = seen is not None and slot.hour in seen.hours
    return HourState.PENDING if there else HourState.MISSING


def _why(have: Stock, slots: Iterable[Slot]) -> str:
    told = {
        have.failures[slot].reason: slot.variable.value for slot in slots if slot in have.failures
    }
    return "; ".join(f"{variable}: {reason}" for reason, variable in told.items())


def _status(states: set[HourState], source: SourceStatus | None) -> RunStatus:
    if states <= {HourState.TILED}:
        return RunStatus.COMPLETE
    if source is not None and not source.works:
        return RunStatus.SOURCE_DOWN
    if HourState.FAILED in states:
        return RunStatus.FAILED
    if states & {HourState.PENDING, HourState.GRIB_ONLY}:
        return RunStatus.BUILDING
    return RunStatus.WAITING


def _reason(
    status: RunStatus,
    states: dict[int, HourState],
    reasons: dict[int, str],
    source: SourceStatus | None,
    absent: str,
) -> str | None:
    match status:
        case RunStatus.COMPLETE:
            return None
        case RunStatus.SOURCE_DOWN:
            return None if source is None else source.reason
        case RunStatus.FAILED:
            hour = min(reasons)
            return f"f{hour:03d}: {reasons[hour]}"
        case RunStatus.BUILDING:
            counts = {s: sum(each is s for each in states.values()) for s in WORST}
            told = {
                "are at the source and wait for their turn": counts[HourState.PENDING],
                "have GRIB files and no tile yet": counts[HourState.GRIB_ONLY],
                "are not at the source": counts[HourState.MISSING],
            }
            return "; ".join(f"{count} hours {what}" for what, count in told.items() if count)
        case RunStatus.WAITING:
            return absent or "not looked for yet"


def _lacks_tile(have: Stock, slot: Slot) -> bool:
    wanted = stock.wanting(have.regions, slot)
    return any(slot.hour not in have.hours(key) for key, _ in wanted)


def _disk(have: Stock) -> Iterator[Disk]:
    tiles, gribs = _grouped(have.tiles), _grouped(have.gribs)
    for model, run in sorted({*tiles, *gribs}, reverse=True):
        here, raw = tiles.get((model, run), []), gribs.get((model, run), [])
        yield Disk(
            model=model,
            run=shelf.run_name(run),
            tile_bytes=sum(info.size for info in here),
            grib_bytes=sum(info.size for info in raw),
            tiles=len(here),
            gribs=len(raw),
        )


def _grouped(
    found: dict[TileKey, BlobInfo] | dict[Slot, BlobInfo],
) -> dict[tuple[str, datetime], list[BlobInfo]]:
    made: dict[tuple[str, datetime], list[BlobInfo]] = {}
    for key, info in found.items():
        made.setdefault((key.model, key.run), []).append(info)
    return made
