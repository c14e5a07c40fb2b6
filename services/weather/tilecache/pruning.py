"""Remove what the tile cache need not keep: GRIB files whose hours are in the tiles, and old runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from core.blobs import BlobRef, Blobs
from services.weather.models import SYNOPTIC, Frozen
from services.weather.tilecache import building, shelf, stock
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import Slot
from services.weather.tilecache.stock import Stock, wanting

FORGOTTEN = timedelta(days=2)
"""A region that nobody has scanned for so long is no longer kept."""


class Retention(Frozen):
    """What stays."""

    runs: int
    """The newest runs of every model."""
    synoptic: int
    """And the newest of 00, 06, 12 and 18 UTC."""
    grib_hours: float
    """GRIB files of runs that began earlier than so many hours ago go in any case."""
    keep_gribs: bool = False
    """Whether GRIB files stay that long although their hours are in the tiles."""


class Pruned(Frozen):
    """What went."""

    gribs: int = 0
    runs: int = 0
    blobs: int = 0
    bytes: int = 0


def prune(
    blobs: Blobs, keep: Retention, now: datetime, check: Callable[[], None] = lambda: None
) -> Pruned:
    """Runs are counted, not timed: while a source is down, what is there stays."""
    have = stock.look(blobs)
    gone = {
        (model, run)
        for model, runs in _runs(have).items()
        for run in runs - kept_runs(runs, keep.runs, keep.synoptic)
    }
    swept = _Sweep(blobs, check)
    for each in have.followed.values():
        if each.at < now - FORGOTTEN:
            swept.region(each.region)
    for model, run in sorted(gone):
        swept.run(have, model, run)
    for slot in have.gribs:
        old = slot.run < now - timedelta(hours=keep.grib_hours)
        if (slot.model, slot.run) not in gone and (
            old or (not keep.keep_gribs and _done(have, slot))
        ):
            swept.grib(slot, have.gribs[slot].size)
    for slot in have.failures:
        if slot.run < now - timedelta(hours=keep.grib_hours):
            swept.remove([shelf.failed(slot)])
    return Pruned(gribs=swept.gribs, runs=len(gone), blobs=swept.blobs, bytes=swept.bytes)


def kept_runs(runs: Iterable[datetime], newest: int, synoptic: int) -> set[datetime]:
    ordered = sorted(runs, reverse=True)
    main = [run for run in ordered if run.hour in SYNOPTIC]
    return {*ordered[:newest], *main[:synoptic]}


def _runs(have: Stock) -> dict[str, set[datetime]]:
    found: dict[str, set[datetime]] = {}
    for model, run in have.seen:
        found.setdefault(model, set()).add(run)
    for each in (*have.tiles, *have.metas, *have.gribs):
        found.setdefault(each.model, set()).add(each.run)
    return found


def _done(have: Stock, slot: Slot) -> bool:
    """Whether nobody needs the file any more. One that no region wants was fetched by hand: it stays its time."""
    wanted = wanting(have.regions, slot)
    return bool(wanted) and all(slot.hour in have.hours(key) for key, _ in wanted)


class _Sweep:
    def __init__(self, blobs: Blobs, check: Callable[[], None]) -> None:
        self.store, self.check = blobs, check
        self.gribs = self.blobs = self.bytes = 0

    def run(self, have: Stock, model: str, run: datetime) -> None:
        """Sidecars first: what is half removed says nothing that is not so."""
        keys = [key for key in {*have.tiles, *have.metas} if (key.model, key.run) == (model, run)]
        self.remove(shelf.meta(key) for key in keys)
        for key in keys:
            if self.remove([shelf.tile(key)]) and key in have.tiles:
                self.bytes += have.tiles[key].size
        for slot, info in have.gribs.items():
            if (slot.model, slot.run) == (model, run):
                self.grib(slot, info.size)
        notes = (slot for slot in have.failures if (slot.model, slot.run) == (model, run))
        self.remove(shelf.failed(slot) for slot in notes)
        self.remove([shelf.seen(model, run)])

    def region(self, region: Region) -> None:
        names = [info.ref for info in shelf.below(self.store, f"tiles/{region.folder}/")]
        self.remove(sorted(names, key=lambda ref: ref.endswith(".npz")))
        self.remove([shelf.region(region.folder)])

    def grib(self, slot: Slot, size: int) -> None:
        self.check()
        if building.forget(self.store, slot):
            self.gribs, self.blobs, self.bytes = self.gribs + 1, self.blobs + 1, self.bytes + size

    def remove(self, refs: Iterable[BlobRef]) -> int:
        count = 0
        for ref in refs:
            self.check()
            count += self.store.delete(ref)
        self.blobs += count
        return count
