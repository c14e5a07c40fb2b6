"""Turn one raster, of whatever size, into Cloud Optimized GeoTIFFs that the catalog knows."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from core import HEAVY, BlobRef, Context, JobBase, Results, Retry, fan_in, fan_out, minutes, single
from core.blobs import Zone
from services.raster import known, processing
from services.raster.inspect import inspect
from services.raster.models import Built, CogOrder, Published, RasterInfo, RasterType, Tier
from services.raster.options import RasterOptions
from services.raster.processing import Asked
from services.stac import publishing

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
FOLDER = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,255}$"


class ProcessRaster(
    JobBase,
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
    collection: str = Field(pattern=NAME)
    """The collection that the item belongs to; it is made when missing."""
    collection_must_exist: bool = False
    """Fail where the collection is missing."""
    item_id: str | None = Field(default=None, pattern=NAME)
    """The item's id; made of the file's name when not given."""
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=3)] = [Tier.ANALYSIS]
    """What to build: visualization (JPEG), analysis (lossless, quick to read), archive (lossless, small)."""
    raster_type: RasterType | None = None
    """What the cells mean, where the guess would be wrong."""
    input_crs: str | None = None
    """The coordinate reference system of a file that names none, as `EPSG:32635`."""
    target_crs: str | None = None
    """Reproject to this one; the COGs keep the file's own otherwise."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Of JPEG, in the visualization tier; 85 when not given."""
    band_names: dict[str, str] = {}
    """Names for bands by their number, as `{"1": "red"}`."""
    folder: str | None = Field(default=None, pattern=FOLDER)
    """Where the output goes inside `silver/rasters`; a folder per collection and item when not given."""
    tile_size: int | None = Field(default=None, ge=512, le=65_536, multiple_of=512)
    """Cut into tiles with edges of so many cells, whatever the raster's size."""
    overlap: int = Field(default=0, ge=0, le=4096)
    """Cells that neighbouring tiles share."""
    strict_mode: bool = False
    """Fail over what is otherwise only warned of, and where one of several tiers fails."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.translated(given)

    @property
    def asked(self) -> Asked:
        given = self.model_dump(include=set(Asked.model_fields))
        named = {"item_id": self.item_name, "prefix": self.prefix}
        return Asked.model_validate({**given, **named})

    @property
    def item_name(self) -> str:
        return self.item_id or processing.item_name(self.source)

    @property
    def prefix(self) -> BlobRef:
        """Other parameters give other names, so a new run never changes what an old item points to."""
        name = self.item_name
        folder = self.folder or f"{self.collection}/{name}"
        return BlobRef.of(Zone.SILVER, "rasters", f"{folder}/{self.fingerprint[:12]}/{name}")

    @single(queue=HEAVY, timeout=minutes(10))
    def look(self, ctx: Context) -> RasterInfo:
        options = ctx.option(RasterOptions)
        found = inspect(ctx.blobs, self.source, self.input_crs, self.raster_type, options)
        return processing.accepted(found, self.asked, ctx.catalog)

    @single(look)
    def plan_tiles(self, ctx: Context, info: RasterInfo) -> list[CogOrder]:
        return processing.plan(info, self.asked, ctx.option(RasterOptions))

    @fan_out(plan_tiles, look, queue=HEAVY, retry=Retry(attempts=5), timeout=minutes(120))
    def convert(self, ctx: Context, order: CogOrder, info: RasterInfo) -> Built:
        return processing.convert(ctx, info, self.asked, order)

    @fan_in(convert, look, queue=HEAVY, timeout=minutes(60))
    def publish(self, ctx: Context, built: Results[Built], info: RasterInfo) -> Published:
        return publishing.publish(ctx, info, built, self.asked)
