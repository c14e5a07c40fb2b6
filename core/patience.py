"""Patience with services that are away: what is safe to do twice is done again after a pause."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import ServiceUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: up to five, spread so that a herd disperses."""
    return min(0.1 * 2 ** min(failures, 6), 5.0) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load


def persist(act: Callable[[], T], stopping: threading.Event | None = None, tries: int = 1_000) -> T:
    """Do it however often a service is away: what a task made must be written down."""
    failures = 0
    while True:
        try:
            return act()
        except ServiceUnavailable as error:
            failures += 1
            if failures >= (5 if stopping is not None and stopping.is_set() else tries):
                raise
            log.warning("will try again: %s", error)
            time.sleep(pause(failures))
