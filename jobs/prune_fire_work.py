"""Keep what forecasts of fires leave behind small."""

from datetime import UTC, datetime, timedelta

from pydantic import Field

from core import Context, JobBase, minutes, single
from services.fire import work
from services.storage.pruning import Pruned


class PruneFireWork(JobBase, schedule="27 * * * *"):
    """Remove what tasks of fire forecasts handed to each other; maps, outlines and items stay."""

    keep_hours: float = Field(default=72, ge=6)
    """How long it stays, for runs that are paused or tried again."""

    @single(timeout=minutes(30))
    def prune(self, ctx: Context) -> Pruned:
        keep = timedelta(hours=self.keep_hours)
        return work.prune(ctx.blobs, keep, datetime.now(UTC), ctx.check)
