"""Reading from mirrors: patience where one is busy, and proof before a tile is called absent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.guard import Unreachable
from core.internet import Ask, Internet, Told
from services.remote.products import Mirror, Product

BUSY = frozenset({429, 500, 502, 503, 504})
ABSENT = frozenset({403, 404, 410})
"""Object stores say 403 of what is not there to those who may not list it, and of everything once they are closed."""
PATIENCE = (0.2, 1.0, 3.0)
"""Seconds before each further try of a busy mirror."""
LONGEST_WAIT = 5.0
GLANCE = 16
"""Bytes that tell whether a tile is there."""


class Failed(Exception):
    """One mirror cannot help; the next may."""


class Absent(Exception):
    """The mirror has other tiles, and not this one."""


class Mirrors:
    """The mirrors of one product, and what was read from them."""

    def __init__(
        self, product: Product, internet: Internet, check: Callable[[], None] = lambda: None
    ) -> None:
        self.product, self.internet, self.check = product, internet, check
        self.bytes = self.requests = 0
        self._lock = threading.Lock()
        self._proven: set[str] = set()

    def read(
        self, mirror: Mirror, tile: str, start: int, length: int, *, may_end: bool = False
    ) -> Told:
        """Part of a tile. Raises Absent only where the mirror proves to have others."""
        told = self._told(mirror, tile, start, length, may_end)
        if told.status in ABSENT:
            self._prove(mirror, told.status)
            raise Absent
        return told

    def has(self, mirror: Mirror, tile: str) -> bool:
        try:
            self.read(mirror, tile, 0, GLANCE)
        except Absent:
            return False
        return True

    def _prove(self, mirror: Mirror, status: int) -> None:
        if mirror.name in self._proven:
            return
        told = self._told(mirror, self.product.witness, 0, GLANCE, False)
        if told.status in ABSENT:
            raise Failed(f"{mirror.name}: it answers {status}, also of a tile that exists")
        self._proven.add(mirror.name)

    def _told(self, mirror: Mirror, tile: str, start: int, length: int, may_end: bool) -> Told:
        ask = Ask(mirror.url(tile), start, length, may_end=may_end, check=self.check)
        told = self._once(mirror, ask)
        for pause in PATIENCE:
            wait = max(pause, _asked_to_wait(told))
            if told.status not in BUSY or wait > LONGEST_WAIT:
                break
            self.check()
            time.sleep(wait)
            told = self._once(mirror, ask)
        if told.status in (200, 206, *ABSENT):
            return told
        raise Failed(f"{mirror.name}: it answers {told.status}")

    def _once(self, mirror: Mirror, ask: Ask) -> Told:
        try:
            told = self.internet.read(ask)
        except Unreachable as error:
            raise Failed(f"{mirror.name}: {error}") from error
        with self._lock:
            self.requests += 1
            self.bytes += len(told.body) if told.status in (200, 206) else 0
        return told


def _asked_to_wait(told: Told) -> float:
    text = told.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0
