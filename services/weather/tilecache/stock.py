"""What is there: one look at everything that the tile cache keeps."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from core.blobs import BlobInfo, Blobs
from services.weather.models import MODELS
from services.weather.tilecache import shelf
from services.weather.tilecache.records import Failure, Followed, Seen, SourceStatus
from services.weather.tilecache.region import Region, hours_of
from services.weather.tilecache.shelf import Slot, TileKey
from services.weather.tilecache.tile import Meta

READERS = 8


class Stock(NamedTuple):
    """The files and the records, as they were listed."""

    followed: dict[str, Followed]
    """By folder."""
    sources: dict[str, SourceStatus]
    seen: dict[tuple[str, datetime], Seen]
    gribs: dict[Slot, BlobInfo]
    tiles: dict[TileKey, BlobInfo]
    metas: dict[TileKey, Meta]
    failures: dict[Slot, Failure]

    @property
    def regions(self) -> list[Region]:
        return [each.region for each in self.followed.values()]

    def hours(self, key: TileKey) -> set[int]:
        """Those that the tile has. A sidecar without its array counts for nothing."""
        meta = self.metas.get(key) if key in self.tiles else None
        return set() if meta is None else set(meta.hours)


def look(blobs: Blobs) -> Stock:
    """Records are read side by side."""
    infos = {info.ref.path: info for info in shelf.below(blobs, "") if info.ref.path[0] != "_"}
    keys = {path: found for path in infos if (found := shelf.key_of(path)) is not None}
    slots = {path: found for path in infos if (found := shelf.slot_of(path)) is not None}
    with ThreadPoolExecutor(READERS, "stock") as pool:

        def records(kind: type[shelf.R], paths: Iterable[str]) -> dict[str, shelf.R]:
            chosen = list(paths)
            found = pool.map(lambda path: shelf.read(blobs, infos[path].ref, kind), chosen)
            return {p: r for p, r in zip(chosen, found, strict=True) if r is not None}

        metas = records(Meta, (path for path, (_, kind) in keys.items() if kind != "npz"))
        failures = records(Failure, (path for path in slots if path.startswith("failed/")))
        seen = records(Seen, (path for path in infos if shelf.SEEN.fullmatch(path)))
        sources = records(SourceStatus, (path for path in infos if path.startswith("sources/")))
        followed = records(Followed, (path for path in infos if path.startswith("regions/")))
    return Stock(
        followed={each.region.folder: each for each in followed.values()},
        sources={each.model: each for each in sources.values()},
        seen={(each.model, each.run): each for each in seen.values()},
        gribs={s: infos[path] for path, s in slots.items() if path.startswith("gribs/")},
        tiles={key: infos[path] for path, (key, kind) in keys.items() if kind == "npz"},
        metas={keys[path][0]: meta for path, meta in metas.items()},
        failures={slots[path]: failure for path, failure in failures.items()},
    )


def wanting(regions: Iterable[Region], slot: Slot) -> list[tuple[TileKey, Region]]:
    """The tiles that shall hold a slot."""
    model = MODELS[slot.model]
    return [
        (TileKey(region.folder, slot.model, slot.run, slot.variable), region)
        for region in regions
        if slot.model in region.models
        and slot.variable in region.variables_of(model)
        and slot.hour in hours_of(model, slot.run, slot.variable, region.hours)
    ]
