"""Count what lies in a container, by extension, folder and age."""

from pydantic import Field

from core import Context, JobBase, Results, fan_in, fan_out, single
from services.storage import inventory
from services.storage.models import Container, Filter, Page, Summary


class SummarizeContainer(JobBase):
    """Page through a container, a task per page, and sum up: counts and bytes by extension, folder and age."""

    container_name: str
    """Zone and container, as in `bronze-rasters`."""
    file_limit: int | None = Field(default=None, ge=1)
    """Look at no more than so many blobs."""
    filter: Filter = Filter()
    """Which blobs count: prefix, extensions, sizes, dates."""

    @single
    def list_pages(self, ctx: Context) -> list[Page]:
        return inventory.pages(
            ctx.blobs, Container.parse(self.container_name), self.filter.prefix, self.file_limit
        )

    @fan_out(list_pages)
    def look(self, ctx: Context, page: Page) -> Summary:
        found = inventory.read(ctx.blobs, Container.parse(self.container_name), page, self.filter)
        return inventory.summarize(found, self.filter.prefix)

    @fan_in(look)
    def sum_up(self, ctx: Context, parts: Results[Summary]) -> Summary:
        total = Summary()
        for part in parts:
            total = inventory.merge(total, part)
        return total
