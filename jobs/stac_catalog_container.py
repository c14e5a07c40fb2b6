"""Bring the rasters of a container into the catalog as they are."""

from typing import Any

from pydantic import Field

from core import (
    HEAVY,
    BlobRef,
    Context,
    JobBase,
    Results,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from core.blobs import Prefix
from services.raster.options import RasterOptions
from services.stac import cataloging, existing
from services.stac.cataloging import Cataloged
from services.stac.collection import DEV
from services.storage.models import Container

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"


class StacCatalogContainer(JobBase):
    """Look at every raster of a container, a task each, and add their items to a collection."""

    container_name: str
    """Zone and container, as in `silver-rasters`."""
    collection_id: str = Field(default=DEV, pattern=NAME)
    """The collection that the items belong to; it is made when missing."""
    collection_must_exist: bool = False
    """Fail where the collection is missing."""
    prefix: Prefix = ""
    """Only blobs whose names begin so."""
    extension_filter: str = ".tif"
    """Only blobs whose names end so, in upper or lower case."""
    file_limit: int | None = Field(default=None, ge=1, le=100_000)
    """Catalog no more than so many rasters."""

    @single(timeout=minutes(30))
    def find(self, ctx: Context) -> list[BlobRef]:
        if self.collection_must_exist:
            cataloging.require(ctx.catalog, self.collection_id)
        container = Container.parse(self.container_name)
        return cataloging.find(
            ctx.blobs, container, self.prefix, self.extension_filter, self.file_limit
        )

    @fan_out(find, queue=HEAVY, timeout=minutes(10), on_failure=keep_going())
    def describe(self, ctx: Context, raster: BlobRef) -> dict[str, Any]:
        options = ctx.option(RasterOptions)
        return existing.extract(ctx.blobs, raster, self.collection_id, options=options)

    @fan_in(describe, timeout=minutes(30))
    def add(self, ctx: Context, items: Results[dict[str, Any]]) -> Cataloged:
        return cataloging.add(ctx.catalog, self.collection_id, items)
