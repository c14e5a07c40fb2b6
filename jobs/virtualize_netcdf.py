"""Join NetCDF files into one cube without copying them."""

from typing import Self

from pydantic import Field, model_validator

from core import HEAVY, BlobRef, Context, JobBase, fan_in, fan_out, minutes, single
from services.grids import item, virtual
from services.grids.inspect import inspect
from services.grids.models import NAME, Published
from services.grids.virtual import FilePart


class VirtualizeNetcdf(JobBase):
    """Note where the chunks of many NetCDF files lie, join them along time, and catalog the references."""

    collection: str = Field(pattern=NAME)
    """The collection that the item belongs to."""
    item_id: str = Field(pattern=NAME)
    """The item's id."""
    files: list[BlobRef] | None = Field(default=None, min_length=1, max_length=virtual.MOST_FILES)
    """The files, as `zone/container/path`, in any order."""
    prefix: BlobRef | None = None
    """The folder of the files, in place of a list."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.files is None) == (self.prefix is None):
            raise ValueError("give either files or prefix")
        return self

    @single
    def list_files(self, ctx: Context) -> list[BlobRef]:
        if self.prefix is not None:
            return virtual.files_below(ctx.blobs, self.prefix)
        return sorted(set(self.files or []))

    @fan_out(list_files, queue=HEAVY, timeout=minutes(10))
    def refer(self, ctx: Context, file: BlobRef) -> FilePart:
        return virtual.refer(ctx.blobs, file)

    @fan_in(refer, queue=HEAVY, timeout=minutes(10))
    def combine(self, ctx: Context, parts: list[FilePart]) -> Published:
        state = virtual.state(parts)
        target = item.versioned(self.collection, self.item_id, self.fingerprint, state, ".json")
        virtual.write(ctx.blobs, virtual.combine(parts), target)
        info = inspect(ctx.blobs, target)
        virtual.prove(ctx.blobs, info)
        source = self.prefix or parts[0].ref
        return item.publish(ctx.catalog, info, self.collection, self.item_id, source)
