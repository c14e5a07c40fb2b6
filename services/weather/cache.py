"""What was fetched once is kept: inventories, whole messages, and decoded pieces of them, for every process.

The key is model, cycle, hour and message, never the time of the request, so nothing stale is found.
Whoever fetches an hour says so first; others wait for what comes of it, and take over if nothing does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.blobs import BlobInfo, BlobRef, Blobs, Zone
from core.errors import BlobChanged, BlobNotFound
from services.storage import arrays, pruning, single_flight
from services.storage.pruning import Pruned
from services.weather.native import NativeGrid
from services.weather.near import near

CONTAINER = "weather-cache"
CYCLE = re.compile(r"[a-z]+/(\d{10})/")
STALE = single_flight.STALE
Floats = NDArray[np.float32]


class Cache:
    """The cache of one model's cycle and hour."""

    def __init__(self, blobs: Blobs, model: str, cycle: datetime, hour: int) -> None:
        self.blobs, self.near = blobs, near(blobs)
        self.folder = f"{model}/{cycle:%Y%m%d%H}/f{hour:03d}"

    def ref(self, name: str) -> BlobRef:
        return BlobRef.of(Zone.SILVER, CONTAINER, f"{self.folder}/{name}")

    def index(self) -> str | None:
        """The kept inventory, its first line the source's name."""
        found = self._read("index")
        return None if found is None else found.decode()

    def keep_index(self, source: str, text: str) -> None:
        data = f"{source}\n{text}".encode()
        self.blobs.write(self.ref("index"), data, content_type="text/plain")
        self.near.put(self.ref("index"), data)

    def forget_index(self) -> None:
        self.near.drop(self.ref("index"))
        self.blobs.delete(self.ref("index"))

    def message(self, key: str) -> bytes | None:
        return self._read(f"{key}.grib2")

    def keep_message(self, key: str, data: bytes) -> None:
        self._keep(f"{key}.grib2", data)

    def has_message(self, key: str) -> bool:
        return bool(self._state(self.ref(f"{key}.grib2")))

    def grid(self) -> NativeGrid | None:
        """Of every message of the file."""
        found = self._read("grid.json")
        return None if found is None else NativeGrid.model_validate_json(found)

    def keep_grid(self, grid: NativeGrid) -> None:
        self._keep("grid.json", grid.model_dump_json().encode())

    def piece(self, key: str, name: str) -> Floats | None:
        """A decoded piece of a message, and None where it has not been decoded yet."""
        found = self._read(f"{key}/{name}.npy")
        return None if found is None else arrays.unpacked(found)

    def keep_piece(self, key: str, name: str, values: Floats) -> None:
        self._keep(f"{key}/{name}.npy", arrays.packed(values))

    def claim(self, there: Callable[[], bool], check: Callable[[], None]) -> BlobInfo | None:
        """The right to fetch; None when what is wanted has come meanwhile."""
        return single_flight.claim(self.blobs, self.ref("claim"), there, check, STALE)

    def release(self, claim: BlobInfo) -> None:
        single_flight.release(self.blobs, claim)

    def _state(self, ref: BlobRef) -> str:
        return single_flight.state(self.blobs, ref)

    def _read(self, name: str) -> bytes | None:
        ref = self.ref(name)
        if (kept := self.near.get(ref)) is not None:
            return kept
        try:
            found = self.blobs.read(ref)
        except BlobNotFound:
            return None
        self.near.put(ref, found)
        return found

    def _keep(self, name: str, data: bytes) -> None:
        """The first to write it wins: all write the same."""
        self.near.put(self.ref(name), data)
        try:
            self.blobs.write(self.ref(name), data, only_if_new=True)
        except BlobChanged:
            return


def prune(
    blobs: Blobs, keep: timedelta, now: datetime, check: Callable[[], None] = lambda: None
) -> Pruned:
    """Remove the messages of cycles that are older than that."""
    return pruning.prune(
        blobs, Zone.SILVER, CONTAINER, lambda info: _is_old(info.ref, now - keep), check
    )


def _is_old(ref: BlobRef, before: datetime) -> bool:
    found = CYCLE.match(ref.path)
    return bool(found) and datetime.strptime(found[1], "%Y%m%d%H").replace(tzinfo=UTC) < before
