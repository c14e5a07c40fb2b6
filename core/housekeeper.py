"""The housekeeper: comes by now and then, and removes what has been kept for long enough."""

from __future__ import annotations

import logging

from core.blobs import Blobs
from core.housekeeping import Keeping, Steward, Swept
from core.orphans import Orphans

log = logging.getLogger(__name__)

CHUNK = 1_000


class Housekeeper:
    """Any number may come by: each removal is bounded, and harmless when repeated."""

    def __init__(self, steward: Steward, blobs: Blobs, keeping: Keeping) -> None:
        self.steward, self.keeping = steward, keeping
        self.orphans = Orphans(steward, blobs, keeping.blobs)

    def preview(self) -> Swept:
        """What a round would remove."""
        records = self.steward.old(self.keeping.details, CHUNK)
        found = self.orphans.sweep(dry_run=True)
        return found.model_copy(update={"records": records})

    def round(self) -> Swept:
        """Remove a bounded part of what is due."""
        records = self.steward.prune(self.keeping.details, CHUNK)
        found = self.orphans.sweep(dry_run=False)
        done = all(count < CHUNK for count in records.values())
        if any(records.values()) or found.blobs:
            log.info("removed %s, and %d blobs (%d bytes)", records, found.blobs, found.bytes)
        return found.model_copy(update={"records": records, "done": done})
