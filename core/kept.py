"""Answers that are dear to find, kept for a while in proportion to what finding them took."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """A count of ten rows is always fresh; one of a million serves for `factor` times as long as it took."""

    def __init__(
        self,
        factor: float = 20.0,
        cheap: float = 0.01,
        largest: int = 1_000,
        least: float = 0.0,
    ) -> None:
        """`least`: the seconds for which any answer serves, however cheap it was."""
        self.factor = factor
        self.least = least
        self.cheap = cheap
        self.largest = largest
        self._lock = threading.Lock()
        self._answers: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K, find: Callable[[], V]) -> V:
        with self._lock:
            until, answer = self._answers.get(key, (0.0, None))
        began = time.monotonic()
        if answer is not None and began < until:
            return answer
        found = find()
        took = time.monotonic() - began
        if self.least or took > self.cheap:
            self._keep(key, began + took + max(self.least, self.factor * took), found)
        return found

    def _keep(self, key: K, until: float, answer: V) -> None:
        with self._lock:
            self._answers[key] = (until, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > self.largest:
                self._answers.popitem(last=False)
