"""Find blobs of a container that have equal content."""

from core import BlobRef, Context, JobBase, Results, fan_in, fan_out, minutes, single
from core.blobs import Prefix, Zone
from services.storage import duplicates, inventory
from services.storage.duplicates import Copy, Duplicates, Suspects
from services.storage.models import Container, Filter, Page


class FindDuplicates(JobBase):
    """Compare sizes and digests as storage lists them, and read only blobs whose digest it does not know."""

    container_name: str
    """Zone and container, as in `bronze-rasters`."""
    prefix: Prefix = ""
    """Only names that begin so."""
    extensions: list[str] = []
    """Only names with one of these extensions, as `tif`."""

    @property
    def container(self) -> Container:
        return Container.parse(self.container_name)

    @single
    def list_pages(self, ctx: Context) -> list[Page]:
        return inventory.pages(ctx.blobs, self.container, self.prefix, None)

    @fan_out(list_pages)
    def look(self, ctx: Context, page: Page) -> list[Copy]:
        chosen = Filter(prefix=self.prefix, extensions=self.extensions)
        return [Copy.of(i) for i in inventory.read(ctx.blobs, self.container, page, chosen)]

    @fan_in(look)
    def compare_sizes(self, ctx: Context, pages: Results[list[Copy]]) -> Suspects:
        return duplicates.suspects(pages)

    def unread(self, seen: Suspects) -> list[list[Copy]]:
        return duplicates.batches(seen.copies)

    @fan_out(compare_sizes, each=unread, timeout=minutes(60))
    def digest(self, ctx: Context, batch: list[Copy]) -> list[Copy]:
        return duplicates.hashed(ctx.blobs, batch, ctx.check)

    @fan_in(digest, compare_sizes)
    def compare(self, ctx: Context, read: Results[list[Copy]], seen: Suspects) -> Duplicates:
        name = f"duplicates/{ctx.job_id}/{ctx.token}.json"
        target = BlobRef.of(Zone.SILVER, "coremachine", name)
        known = [copy for part in read for copy in part]
        return duplicates.write_report(ctx.blobs, self.container_name, seen, known, target)
