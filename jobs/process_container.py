"""Turn every raster of a container into items of the catalog, however many there are."""

from typing import Any

from pydantic import Field, model_validator

from core import (
    HEAVY,
    BlobRef,
    Context,
    JobBase,
    Results,
    Retry,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from core.blobs import Prefix
from services.raster import batch, known, sources
from services.raster.batch import Batch, Made
from services.raster.sources import EXTENSIONS, Named
from services.raster.wishes import ManyWishes
from services.stac import publishing
from services.storage import inventory
from services.storage.models import Container, Filter, Page


class ProcessContainer(JobBase, ManyWishes):
    """Page through a container, convert each raster that is new in a task of its own, and publish them all."""

    container_name: str
    """Zone and container, as in `bronze-rasters`."""
    prefix: Prefix = ""
    """Only what lies below it."""
    extensions: list[str] = EXTENSIONS
    """Which files are rasters."""
    filter: Filter = Filter()
    """Which of them count: sizes, dates; its prefix and extensions count more than those above."""
    file_limit: int | None = Field(default=None, ge=1)
    """Process no more than so many."""
    skip_existing: bool = True
    """Leave out what the catalog already has, made of the same bytes."""
    max_failures: float = Field(default=1.0, ge=0, le=1)
    """The share of rasters that may fail; with more than that, nothing is published."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.several(given)

    @property
    def chosen(self) -> Filter:
        prefix, extensions = self.filter.prefix or self.prefix, self.filter.extensions
        changed = {"prefix": prefix, "extensions": extensions or self.extensions}
        return self.filter.model_copy(update=changed)

    @single(timeout=minutes(30))
    def list_pages(self, ctx: Context) -> list[Page]:
        batch.refuse_in_vain(ctx, self)
        container = Container.parse(self.container_name)
        return inventory.pages(ctx.blobs, container, self.chosen.prefix, None)

    @fan_out(list_pages)
    def read(self, ctx: Context, page: Page) -> list[BlobRef]:
        found = inventory.read(ctx.blobs, Container.parse(self.container_name), page, self.chosen)
        return [blob.ref for blob in found]

    def rasters(self, pages: list[list[BlobRef]]) -> list[Named]:
        found = [ref for page in pages for ref in page][: self.file_limit]
        return sources.named(found, sources.folder_of(self.chosen.prefix), self.item_prefix)

    @fan_out(
        read,
        each=rasters,
        queue=HEAVY,
        retry=Retry(attempts=5),
        timeout=minutes(120),
        on_failure=keep_going(),
    )
    def convert(self, ctx: Context, named: Named) -> Made:
        if self.skip_existing and publishing.knows(ctx, self, named):
            return Made(source=named.source, item_id=named.item_id, known=True)
        return publishing.make(ctx, batch.look(ctx, named, self), self, self.fingerprint)

    @fan_in(convert, read, timeout=minutes(60))
    def publish(self, ctx: Context, made: Results[Made], pages: list[list[BlobRef]]) -> Batch:
        return publishing.publish_many(ctx, made, self.rasters(pages), self)
