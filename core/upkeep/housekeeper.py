"""The housekeeper: comes by now and then, and removes what has been kept for long enough."""

from __future__ import annotations

import logging
from contextlib import suppress

from core.blobs import Blobs
from core.errors import Conflict, JobNotFound
from core.upkeep.keeping import Keeping, Steward, Swept
from core.upkeep.orphans import Orphans
from core.upkeep.removal import Removal

log = logging.getLogger(__name__)

CHUNK = 1_000
JOBS = 100
"""Jobs whose records are removed in one round at most."""
BY = "retention"


class Housekeeper:
    """Any number may come by: each removal is bounded, and harmless when repeated."""

    def __init__(self, steward: Steward, blobs: Blobs, removal: Removal, keeping: Keeping) -> None:
        self.steward, self.removal, self.keeping = steward, removal, keeping
        self.orphans = Orphans(steward, blobs, keeping.blobs)

    def preview(self) -> Swept:
        """What rounds would remove, up to a thousand of each."""
        records = self.steward.old(self.keeping, CHUNK)
        found = self.orphans.sweep(dry_run=True)
        return found.model_copy(update={"records": records, "jobs": self._expired(CHUNK)})

    def round(self) -> Swept:
        """Remove a bounded part of what is due."""
        jobs = [job_id for job_id in self._expired(JOBS) if self._forget(job_id)]
        records = self.steward.prune(self.keeping, CHUNK)
        found = self.orphans.sweep(dry_run=False)
        if jobs or any(records.values()) or found.blobs:
            log.info(
                "removed %d jobs, %s and %d blobs (%d bytes)",
                len(jobs), records, found.blobs, found.bytes,
            )  # fmt: skip
        done = len(jobs) < JOBS and not any(self.steward.old(self.keeping, 1).values())
        return found.model_copy(update={"records": records, "jobs": jobs, "done": done})

    def _expired(self, limit: int) -> list[str]:
        kept = self.keeping.jobs
        return [] if kept is None else self.steward.expired(kept, limit)

    def _forget(self, job_id: str) -> bool:
        """The records alone: what the job has stored is not ours to remove."""
        with suppress(JobNotFound, Conflict):  # deleted, or run again, since it was listed
            self.removal.delete(job_id, by=BY, outputs=False)
            return True
        return False
