"""How often somebody may ask: a bucket of tokens for each, refilled at a steady rate."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 10_000
"""How many are remembered. Who is forgotten begins with a full bucket."""


class Buckets:
    """For one thread. A rate of 0 is no limit."""

    def __init__(
        self,
        rate: float,
        burst: float,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._most = most
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Seconds until there is a token; 0 when there is one. Takes none."""
        if not self.rate:
            return 0.0
        return max(0.0, (1.0 - self._tokens(who)) / self.rate)

    def take(self, who: str) -> float:
        """Take a token, if there is one; else the seconds until there is."""
        if (seconds := self.wait(who)) or not self.rate:
            return seconds
        self._held[who] = (self._tokens(who) - 1.0, self._clock())
        self._held.move_to_end(who)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return 0.0

    def _tokens(self, who: str) -> float:
        tokens, since = self._held.get(who, (self.burst, self._clock()))
        return min(self.burst, tokens + (self._clock() - since) * self.rate)
