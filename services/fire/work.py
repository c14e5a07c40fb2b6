"""What tasks of a forecast hand to each other: of no use once it has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from core.blobs import Blobs, Zone
from services.storage import pruning
from services.storage.pruning import Pruned

CONTAINER = "fire-work"


def prune(
    blobs: Blobs, keep: timedelta, now: datetime, check: Callable[[], None] = lambda: None
) -> Pruned:
    """Every forecast writes its own anew, so none under way misses what is older than that."""
    return pruning.prune(
        blobs, Zone.SILVER, CONTAINER, lambda info: info.modified < now - keep, check
    )
