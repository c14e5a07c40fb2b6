"""Turn one raster into a Cloud Optimized GeoTIFF with its STAC item beside it."""

from pydantic import BaseModel, ConfigDict, Field

from core import HEAVY, BlobRef, Context, JobBase, minutes, single
from core.blobs import Zone
from services.raster import cog, item
from services.raster.inspect import inspect
from services.raster.models import Cog, RasterInfo

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"


class Published(BaseModel):
    """What the job leaves behind."""

    model_config = ConfigDict(frozen=True)

    item: BlobRef
    cog: Cog
    info: RasterInfo


class ProcessRaster(JobBase):
    """Inspect a raster, write one analysis COG, and put its STAC item beside it."""

    source: BlobRef
    """The raster, as `zone/container/path`."""
    collection: str = Field(pattern=NAME)
    """The collection that the item belongs to."""
    item_id: str | None = Field(default=None, pattern=NAME)
    """The item's id; the file's name without extension when not given."""
    input_crs: str | None = None
    """The coordinate reference system of a file that names none, as `EPSG:32635`."""
    target_crs: str | None = None
    """Reproject to this one; the COG keeps the file's own otherwise."""

    @property
    def item_name(self) -> str:
        return self.item_id or self.source.name.rsplit(".", 1)[0]

    def output(self, ending: str) -> BlobRef:
        """Other parameters give other names, so a new run never changes what an old item points to."""
        name = (
            f"{self.collection}/{self.item_name}/{self.fingerprint[:12]}/{self.item_name}{ending}"
        )
        return BlobRef.of(Zone.SILVER, "rasters", name)

    @single(queue=HEAVY, timeout=minutes(10))
    def look(self, ctx: Context) -> RasterInfo:
        return inspect(ctx.blobs, self.source, self.input_crs)

    @single(look, queue=HEAVY, timeout=minutes(60))
    def convert(self, ctx: Context, info: RasterInfo) -> Cog:
        def report(fraction: float, note: str) -> None:
            ctx.check()
            ctx.report(fraction, note)

        return cog.build(
            ctx.blobs,
            self.source,
            self.output("_analysis.tif"),
            info,
            report,
            ctx.token,
            self.target_crs,
        )

    @single(convert, look)
    def publish(self, ctx: Context, built: Cog, info: RasterInfo) -> Published:
        ref = self.output(".json")
        item.write(ctx.blobs, ref, item.item(info, built, self.collection, self.item_name))
        return Published(item=ref, cog=built, info=info)
