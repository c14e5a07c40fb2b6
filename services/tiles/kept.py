"""Things worth keeping for a while: made once, forgotten when old or when there are too many."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, each for so many seconds, and at most so many of them."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Two threads may make the same value at once: that costs less than to wait for each other."""
        with self._lock:
            found = self._values.get(key)
        if found and found[0] > time.monotonic():
            return found[1]
        made = make()
        with self._lock:
            self._values[key] = time.monotonic() + self._seconds, made
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return made
