"""Write down every blob of a container."""

from pydantic import Field

from core import BlobRef, Context, JobBase, Results, fan_in, fan_out, single
from core.blobs import BlobInfo, Zone
from services.storage import inventory
from services.storage.models import Container, Filter, Listing, Page


class ListContainerContents(JobBase):
    """Page through a container, a task per page, and write the list as JSON lines to the silver zone."""

    container_name: str
    """Zone and container, as in `bronze-rasters`."""
    file_limit: int | None = Field(default=None, ge=1)
    """List no more than so many blobs."""
    filter: Filter = Filter()
    """Which blobs to list: prefix, extensions, sizes, dates."""

    @single
    def list_pages(self, ctx: Context) -> list[Page]:
        return inventory.pages(
            ctx.blobs, Container.parse(self.container_name), self.filter.prefix, self.file_limit
        )

    @fan_out(list_pages)
    def look(self, ctx: Context, page: Page) -> list[BlobInfo]:
        return inventory.read(ctx.blobs, Container.parse(self.container_name), page, self.filter)

    @fan_in(look)
    def write_down(self, ctx: Context, parts: Results[list[BlobInfo]]) -> Listing:
        target = BlobRef.of(Zone.SILVER, "coremachine", f"listings/{ctx.job_id}/{ctx.token}.jsonl")
        return inventory.write_listing(
            ctx.blobs, Container.parse(self.container_name), parts, target
        )
