"""Keep the tile cache small."""

from datetime import UTC, datetime

from pydantic import Field

from core import Context, JobBase, minutes, single
from services.weather.tilecache import pruning
from services.weather.tilecache.pruning import Pruned, Retention


class PruneCache(JobBase, schedule="47 * * * *"):
    """Remove GRIB files whose hours are in the tiles, and runs beyond those that are kept."""

    keep_runs: int = Field(default=12, ge=1)
    """The newest runs of each model stay."""
    keep_synoptic: int = Field(default=8, ge=0)
    """And so many of those of 00, 06, 12 and 18 UTC."""
    grib_hours: float = Field(default=48.0, gt=0)
    """GRIB files of runs that began earlier than so many hours ago go in any case."""
    keep_gribs: bool = False
    """Whether the others stay although their hours are in the tiles."""

    @single(timeout=minutes(30))
    def prune(self, ctx: Context) -> Pruned:
        keep = Retention(
            runs=self.keep_runs,
            synoptic=self.keep_synoptic,
            grib_hours=self.grib_hours,
            keep_gribs=self.keep_gribs,
        )
        return pruning.prune(ctx.blobs, keep, datetime.now(UTC), ctx.check)
