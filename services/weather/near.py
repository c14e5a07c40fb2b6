"""What a process has read of the cache, as long as there is room: the next patch nearby asks storage for nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakKeyDictionary

from core.blobs import BlobRef, Blobs

ROOM = 64 << 20
LARGEST = 1 << 20
"""Larger things are left to storage: whole messages are seldom wanted twice."""


class Near:
    """The last of what was read or written, by name. What is kept never changes, or is dropped first."""

    def __init__(self) -> None:
        self._lock, self._size = threading.Lock(), 0
        self._kept: OrderedDict[BlobRef, bytes] = OrderedDict()

    def get(self, ref: BlobRef) -> bytes | None:
        with self._lock:
            if ref in self._kept:
                self._kept.move_to_end(ref)
            return self._kept.get(ref)

    def put(self, ref: BlobRef, data: bytes) -> None:
        if len(data) > LARGEST or ref.endswith(".grib2"):
            return
        with self._lock:
            self._size += len(data) - len(self._kept.pop(ref, b""))
            self._kept[ref] = data
            while self._size > ROOM:
                self._size -= len(self._kept.popitem(last=False)[1])

    def drop(self, ref: BlobRef) -> None:
        with self._lock:
            self._size -= len(self._kept.pop(ref, b""))


_NEAR: WeakKeyDictionary[Blobs, Near] = WeakKeyDictionary()
_LOCK = threading.Lock()


def near(blobs: Blobs) -> Near:
    """Of one storage: two accounts hold different things under one name."""
    with _LOCK:
        found = _NEAR.get(blobs)
        if found is None:
            found = _NEAR[blobs] = Near()
        return found
