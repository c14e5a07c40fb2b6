"""The weather of a place, cut from the newest forecast."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from core import HEAVY, Context, JobBase, minutes, single
from core.errors import BadInput
from services.geo.gridspec import GridSpec
from services.grids.models import NAME
from services.weather import patch, publishing
from services.weather.derive import Variable
from services.weather.models import ModelName, model_named
from services.weather.plan import LONGEST, Asked, Plan
from services.weather.publishing import Stored

WEATHER = [
    Variable.T2M,
    Variable.RH2M,
    Variable.WIND_SPEED,
    Variable.WIND_DIRECTION,
    Variable.PRECIPITATION,
]
Degrees = Annotated[float, Field(ge=-360, le=360)]


class WeatherPatch(JobBase):
    """Find the newest whole cycle, fetch the messages it takes, cut and regrid them, and catalog the patch."""

    start: AwareDatetime
    """The first moment, as `2026-11-25T12:00:00Z`."""
    hours: int = Field(default=24, ge=0, le=LONGEST)
    """How many hours from then on."""
    bbox: tuple[Degrees, Degrees, Degrees, Degrees] | None = None
    """West, south, east, north in degrees; west lies east of east where it crosses the 180th meridian."""
    point: tuple[Degrees, Degrees] | None = None
    """Longitude and latitude, in place of a box."""
    radius_m: float = Field(default=5_000, gt=0, le=2_000_000)
    """Metres around the point."""
    model: ModelName = ModelName.GFS
    """The forecast: `gfs` and `ecmwf` of the earth, `hrrr`, `nbm` and `nam` of the United States."""
    variables: Annotated[list[Variable], Field(min_length=1, max_length=len(Variable))] = WEATHER
    """What to take; every model has its own."""
    resolution: float | None = Field(default=None, gt=0)
    """The edge of a cell: degrees (0.01 when not given), or metres (1,000)."""
    metric: bool = False
    """Cells in metres: of the UTM zone, or of a plane around the place where no zone fits."""
    step_hours: int | None = Field(default=None, ge=1, le=24)
    """Hours between times; those that the model has when not given."""
    cycle: AwareDatetime | None = None
    """This cycle of the model, and no other."""
    collection: str = Field(default="weather", pattern=NAME)
    """The collection that the item belongs to."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.bbox is None) == (self.point is None):
            raise ValueError("give either bbox or point")
        try:
            patch.refuse(model_named(self.model), self.grid, len(self.variables))
        except BadInput as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def grid(self) -> GridSpec:
        cell = self.resolution or (1_000 if self.metric else 0.01)
        if self.bbox is not None:
            return GridSpec.from_bbox(self.bbox, cell, metric=self.metric)
        assert self.point is not None
        return GridSpec.around(*self.point, self.radius_m, cell, metric=self.metric)

    @property
    def asked(self) -> Asked:
        return Asked(
            model=self.model,
            start=self.start,
            hours=self.hours,
            step=self.step_hours,
            variables=tuple(dict.fromkeys(self.variables)),
            cycle=self.cycle,
        )

    @single(timeout=minutes(5))
    def choose(self, ctx: Context) -> Plan:
        return patch.plan(patch.desk(ctx), self.asked, datetime.now(UTC))

    @single(choose, queue=HEAVY, timeout=minutes(20))
    def fetch(self, ctx: Context, plan: Plan) -> Stored:
        made = patch.build(patch.desk(ctx), plan, self.grid)
        return publishing.store(ctx.blobs, made, self.collection, self.fingerprint)

    @single(fetch)
    def publish(self, ctx: Context, made: Stored) -> Stored:
        return publishing.publish(ctx.catalog, made)
