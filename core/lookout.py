"""A look at something slow, taken behind the back of whoever asks: nobody waits long, however it is doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from typing import Generic, TypeVar

from core.errors import ServiceUnavailable

V = TypeVar("V")

PATIENCE = 1.0
"""Seconds."""


class Lookout(Generic[V]):
    """An answer, or that there is none, serves for `serves` seconds. Who asks waits `patience` seconds at most."""

    def __init__(
        self, find: Callable[[], V], what: str, serves: float, patience: float | None = None
    ) -> None:
        self.find = find
        self.what = what
        self.serves = serves
        self.patience = patience
        self._lock = threading.Lock()
        self._until = 0.0
        self._look: Future[V] | None = None

    def __call__(self) -> V:
        try:
            return self._current().result(PATIENCE if self.patience is None else self.patience)
        except NotYet:
            raise ServiceUnavailable(f"{self.what} has not answered yet; ask again") from None

    def _current(self) -> Future[V]:
        """The look that serves now; one at a time is taken."""
        with self._lock:
            look = self._look
            if look is None or (look.done() and time.monotonic() >= self._until):
                look = self._look = Future()
                threading.Thread(target=self._take, args=(look,), daemon=True).start()
            return look

    def _take(self, look: Future[V]) -> None:
        try:
            found = self.find()
        except Exception as error:  # noqa: BLE001 - raised again where the answer is asked for
            tell = partial(look.set_exception, error)
        else:
            tell = partial(look.set_result, found)
        self._until = time.monotonic() + self.serves
        tell()
