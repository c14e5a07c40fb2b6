"""Take an existing Zarr store into the catalog."""

from pydantic import Field

from core import HEAVY, BlobRef, Context, JobBase, Results, fan_in, fan_out, minutes, single
from services.grids import copy, item
from services.grids.inspect import inspect
from services.grids.models import NAME, Batch, GridInfo, Published, Share


class IngestZarr(JobBase):
    """Look whether a Zarr store can be read, copy it to the silver zone in batches, and catalog the copy."""

    source: BlobRef
    """The root of the store, as `zone/container/path`."""
    collection: str = Field(pattern=NAME)
    """The collection that the item belongs to."""
    item_id: str | None = Field(default=None, pattern=NAME)
    """The item's id; the store's name without extension when not given."""
    copy_data: bool = True
    """Copy the store; otherwise it is cataloged where it lies."""

    @property
    def root(self) -> BlobRef:
        return BlobRef(self.source.rstrip("/"))

    @property
    def item_name(self) -> str:
        return self.item_id or self.root.name.rsplit(".", 1)[0]

    def target(self, info: GridInfo) -> BlobRef:
        return item.versioned(self.collection, self.item_name, self.fingerprint, info.etag, ".zarr")

    @single(queue=HEAVY, timeout=minutes(10))
    def look(self, ctx: Context) -> GridInfo:
        return inspect(ctx.blobs, self.root)

    @single(look)
    def list_batches(self, ctx: Context, info: GridInfo) -> list[Batch]:
        return copy.batches(ctx.blobs, self.root) if self.copy_data else []

    @fan_out(list_batches, look, queue=HEAVY, timeout=minutes(30))
    def copy_batch(self, ctx: Context, batch: Batch, info: GridInfo) -> Share:
        return copy.copy(ctx.blobs, self.root, batch, self.target(info), ctx.check)

    @fan_in(copy_batch, look, timeout=minutes(10))
    def publish(self, ctx: Context, copied: Results[Share], info: GridInfo) -> Published:
        if not self.copy_data:
            return item.publish(ctx.catalog, info, self.collection, self.item_name, self.root)
        share = copy.verify(ctx.blobs, self.target(info), copied)
        stored = inspect(ctx.blobs, self.target(info))
        return item.publish(
            ctx.catalog, stored, self.collection, self.item_name, self.root, copied=share
        )
