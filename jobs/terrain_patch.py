"""The terrain of a place: how high, how steep, and where it falls."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core import HEAVY, Context, JobBase, minutes, single
from core.errors import BadInput
from services.geo.gridspec import GridSpec
from services.grids.models import NAME
from services.terrain import patch, publishing
from services.terrain.publishing import Stored

Degrees = Annotated[float, Field(ge=-360, le=360)]


class TerrainPatch(JobBase):
    """Read the tiles of the Copernicus DEM that a place takes, reckon slope and aspect, and catalog the maps."""

    bbox: tuple[Degrees, Degrees, Degrees, Degrees] | None = None
    """West, south, east, north in degrees; west lies east of east where it crosses the 180th meridian."""
    point: tuple[Degrees, Degrees] | None = None
    """Longitude and latitude, in place of a box."""
    radius_m: float = Field(default=5_000, gt=0, le=2_000_000)
    """Metres around the point."""
    resolution: float | None = Field(default=None, gt=0)
    """The edge of a cell: degrees (an arc second when not given), or metres (30)."""
    metric: bool = False
    """Cells in metres: of the UTM zone, or of a plane around the place where no zone fits."""
    collection: str = Field(default="terrain", pattern=NAME)
    """The collection that the item belongs to."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.bbox is None) == (self.point is None):
            raise ValueError("give either bbox or point")
        try:
            patch.refuse(self.grid)
        except BadInput as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def grid(self) -> GridSpec:
        cell = self.resolution or (30 if self.metric else 1 / 3600)
        if self.bbox is not None:
            return GridSpec.from_bbox(self.bbox, cell, metric=self.metric)
        assert self.point is not None
        return GridSpec.around(*self.point, self.radius_m, cell, metric=self.metric)

    @single(queue=HEAVY, timeout=minutes(20))
    def read(self, ctx: Context) -> Stored:
        made = patch.make(ctx, self.grid)
        return publishing.store(ctx.blobs, made, self.collection, self.fingerprint)

    @single(read)
    def publish(self, ctx: Context, made: Stored) -> Stored:
        return publishing.publish(ctx.catalog, made)
