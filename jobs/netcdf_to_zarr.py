"""Turn a NetCDF file into a Zarr store that is quick to ask."""

from pydantic import Field

from core import HEAVY, BlobRef, Context, JobBase, Results, fan_in, fan_out, minutes, single
from services.grids import convert, item
from services.grids.inspect import inspect, inspect_file
from services.grids.models import NAME, GridInfo, Layout, Published, Slab, Written


class NetcdfToZarr(JobBase):
    """Inspect a NetCDF 4 file, copy it slab by slab into a Zarr store, compare the two, and catalog the store."""

    source: BlobRef
    """The file, as `zone/container/path`."""
    collection: str = Field(pattern=NAME)
    """The collection that the item belongs to."""
    item_id: str | None = Field(default=None, pattern=NAME)
    """The item's id; the file's name without extension when not given."""
    variables: list[str] | None = Field(default=None, min_length=1)
    """Which variables to take; all when not given."""
    chunks: dict[str, int] | None = None
    """Cells per chunk along dimensions, as `{"time": 100}`; about 2 MB a chunk when not given."""

    @property
    def item_name(self) -> str:
        return self.item_id or self.source.name.rsplit(".", 1)[0]

    @single(queue=HEAVY, timeout=minutes(10))
    def look(self, ctx: Context) -> GridInfo:
        return inspect_file(ctx.blobs, self.source)

    @single(look)
    def arrange(self, ctx: Context, info: GridInfo) -> Layout:
        root = item.versioned(self.collection, self.item_name, self.fingerprint, info.etag, ".zarr")
        return convert.plan(info, root, self.variables, self.chunks)

    @single(look, arrange, queue=HEAVY, timeout=minutes(10))
    def prepare(self, ctx: Context, info: GridInfo, layout: Layout) -> list[Slab]:
        return convert.prepare(ctx.blobs, info, layout)

    @fan_out(prepare, arrange, queue=HEAVY, timeout=minutes(30))
    def copy_cells(self, ctx: Context, slab: Slab, layout: Layout) -> Written:
        return convert.write(ctx.blobs, self.source, layout, slab)

    @fan_in(copy_cells, arrange, look, queue=HEAVY, timeout=minutes(10))
    def publish(
        self, ctx: Context, written: Results[Written], layout: Layout, info: GridInfo
    ) -> Published:
        convert.verify(ctx.blobs, info, layout, written)
        told = [*info.warnings, *convert.left_behind(info)]
        stored = inspect(ctx.blobs, layout.root).but_known(told)
        return item.publish(ctx.catalog, stored, self.collection, self.item_name, self.source)
