"""Find out what lies in a container, and which jobs could make something of it."""

from pydantic import Field

from core import BlobRef, Context, JobBase, Results, fan_in, fan_out, minutes, single
from core.blobs import Prefix, Zone
from services.storage import contents
from services.storage.contents import Scan, Wishes
from services.storage.findings import Analysis, Grouping, Inventory, Look, Part
from services.storage.models import Container

PAGES = {"basic": 1_000, "geospatial": 250}
"""How many blobs a task looks at."""


class InventoryContainerContents(JobBase):
    """Look at every blob of a container, group what belongs together, and name the job for each group."""

    container_name: str
    """Zone and container, as in `bronze-rasters`."""
    prefix: Prefix | None = None
    """Only names that begin so."""
    suffix: str | None = None
    """Only names that end so, as `.tif`."""
    limit: int = Field(default=500, ge=1, le=50_000)
    """Look at no more than so many blobs."""
    analysis_mode: Analysis = "basic"
    """`basic` goes by names, `geospatial` by the first bytes too (64 KB of a blob at most)."""
    grouping_mode: Grouping = "auto"
    """What makes a collection: a vendor's manifest, the folder, how names begin, everything, nothing."""
    min_collection_size: int = Field(default=2, ge=2, le=1_000)
    """Fewer rasters than these are no collection."""
    include_unrecognized: bool = True
    """Whether the report lists blobs of unknown kind."""

    @property
    def scan(self) -> Scan:
        return Scan(
            container=Container.parse(self.container_name),
            prefix=self.prefix or "",
            suffix=self.suffix or "",
        )

    @single
    def list_blobs(self, ctx: Context) -> list[Part]:
        return contents.parts(ctx.blobs, self.scan, self.limit, PAGES[self.analysis_mode])

    @fan_out(list_blobs, timeout=minutes(20))
    def analyze(self, ctx: Context, part: Part) -> list[Look]:
        inside = self.analysis_mode == "geospatial"
        return contents.looks(ctx.blobs, self.scan, part, inside=inside, check=ctx.check)

    @fan_in(analyze)
    def aggregate(self, ctx: Context, found: Results[list[Look]]) -> Inventory:
        wishes = Wishes(
            analysis=self.analysis_mode,
            grouping=self.grouping_mode,
            least=self.min_collection_size,
            unrecognized=self.include_unrecognized,
        )
        name = f"inventories/{ctx.job_id}/{ctx.token}.json"
        target = BlobRef.of(Zone.SILVER, "coremachine", name)
        return contents.write_report(ctx.blobs, self.scan, wishes, found, target)
