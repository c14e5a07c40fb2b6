"""What can be made to go wrong, and how often."""

import random
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Faults:
    """Shares are between 0 and 1. Everything is off by default."""

    lose: float = 0.0
    """Share of sent messages that are accepted and then vanish."""

    duplicate: float = 0.0
    """Share of sent messages that arrive twice."""

    delay: float = 0.0
    """Share of sent messages that arrive late, by up to `delay_seconds`, so also out of order."""

    delay_seconds: float = 1.0

    shuffle: int = 0
    """How many places a message may be overtaken."""

    cut: float = 0.0
    """Share of sends that are carried out but whose sender loses the connection before the answer."""

    refuse: Literal["busy", "quota", "disconnect"] | None = None
    """Refuse every send: throttled, over quota, or by closing the connection."""


class Dice:
    """Seeded luck: the same seed and the same traffic give the same faults."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def hits(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def upto(self, limit: float) -> float:
        return self._random.uniform(0, limit)
