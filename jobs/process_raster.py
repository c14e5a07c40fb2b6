"""Turn one raster, of whatever size, into Cloud Optimized GeoTIFFs that the catalog knows."""

from typing import Any

from pydantic import Field, model_validator

from core import HEAVY, BlobRef, Context, JobBase, Results, Retry, fan_in, fan_out, minutes, single
from services.raster import known, processing
from services.raster.inspect import inspect
from services.raster.models import Built, CogOrder, Published, RasterInfo
from services.raster.options import RasterOptions
from services.raster.processing import Asked
from services.raster.wishes import NAME, Wishes
from services.stac import publishing


class ProcessRaster(
    JobBase,
    Wishes,
    also=(
        "process_raster_docker",
        "process_raster_v2",
        "process_large_raster_docker",
        "process_large_raster_v2",
    ),
):
    """Inspect a raster, build one COG per tier, tile by tile where it is giant, and publish its STAC item."""

    source: BlobRef
    """The raster, as `zone/container/path`."""
    item_id: str | None = Field(default=None, pattern=NAME)
    """The item's id; made of the file's name when not given."""
    tile_size: int | None = Field(default=None, ge=512, le=65_536, multiple_of=512)
    """Cut into tiles with edges of so many cells, whatever the raster's size."""
    overlap: int = Field(default=0, ge=0, le=4096)
    """Cells that neighbouring tiles share."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.translated(given)

    @property
    def asked(self) -> Asked:
        named = self.item_id or processing.item_name(self.source)
        asked = self.asked_for(named, self.fingerprint)
        return asked.model_copy(update={"tile_size": self.tile_size, "overlap": self.overlap})

    @single(queue=HEAVY, timeout=minutes(10))
    def look(self, ctx: Context) -> RasterInfo:
        if self.collection_must_exist:
            processing.refuse_missing_collection(ctx.catalog, self.collection)
        options = ctx.option(RasterOptions)
        found = inspect(ctx.blobs, self.source, self.input_crs, self.raster_type, options)
        return processing.accepted(found, self.asked)

    @single(look)
    def plan_tiles(self, ctx: Context, info: RasterInfo) -> list[CogOrder]:
        return processing.plan(info, self.asked, ctx.option(RasterOptions))

    @fan_out(plan_tiles, look, queue=HEAVY, retry=Retry(attempts=5), timeout=minutes(120))
    def convert(self, ctx: Context, order: CogOrder, info: RasterInfo) -> Built:
        return processing.convert(ctx, info, self.asked, order)

    @fan_in(convert, look, queue=HEAVY, timeout=minutes(60))
    def publish(self, ctx: Context, built: Results[Built], info: RasterInfo) -> Published:
        return publishing.publish(ctx, info, built, self.asked, self)
