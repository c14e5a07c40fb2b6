"""The right to fetch something, which one process has at a time; it passes on when its owner shows no more sign of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BlobChanged, BlobNotFound

STALE = 20.0
"""After so many seconds without a sign, whoever fetches is taken for dead."""
LOOK = 0.1


def claim(
    blobs: Blobs,
    ref: BlobRef,
    there: Callable[[], bool],
    check: Callable[[], None],
    stale: float | None = None,
) -> BlobInfo | None:
    """The right to fetch; None when what is wanted has come meanwhile.

    No clock is compared with another: a claim that has not changed for a while is replaced, on the
    condition that it is still the same. Should its owner live after all, both write the same bytes.
    """
    seen, since = "", 0.0
    patience = STALE if stale is None else stale
    while True:
        try:
            mine = blobs.write(ref, b"fetching", only_if_new=True)
        except BlobChanged:
            check()
        else:
            return _unless(blobs, there, mine)
        etag = state(blobs, ref)
        if etag != seen:
            seen, since = etag, time.monotonic()
        elif etag and time.monotonic() - since > patience:
            try:
                return blobs.write(ref, b"fetching", if_etag=etag)
            except (BlobChanged, BlobNotFound):
                seen = ""
        time.sleep(LOOK)
        if there():
            return None


def release(blobs: Blobs, mine: BlobInfo) -> None:
    try:
        blobs.delete(mine.ref, if_etag=mine.etag)
    except (BlobChanged, BlobNotFound):
        return  # somebody took over


def state(blobs: Blobs, ref: BlobRef) -> str:
    try:
        return blobs.info(ref).etag
    except BlobNotFound:
        return ""


def _unless(blobs: Blobs, there: Callable[[], bool], mine: BlobInfo) -> BlobInfo | None:
    """Somebody may have fetched it between our look and our claim."""
    if not there():
        return mine
    release(blobs, mine)
    return None


class Turn:
    """A claim that its owner renews while it works."""

    def __init__(self, blobs: Blobs, mine: BlobInfo) -> None:
        self._blobs, self._mine = blobs, mine
        self._lock, self._since = threading.Lock(), time.monotonic()

    def go_on(self) -> None:
        """Say that the owner lives, every few seconds at most."""
        with self._lock:
            if time.monotonic() - self._since < STALE / 4:
                return
            self._since = time.monotonic()
            try:
                self._mine = self._blobs.write(self._mine.ref, b"fetching", if_etag=self._mine.etag)
            except (BlobChanged, BlobNotFound):
                return  # somebody took over; both write the same

    def end(self) -> None:
        release(self._blobs, self._mine)
