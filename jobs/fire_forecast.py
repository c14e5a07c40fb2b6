"""Where a fire spreads to in the hours after a moment, anywhere on earth."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from core import HEAVY, BlobRef, Context, JobBase, Retry, fan_in, fan_out, minutes, single
from core.errors import BadInput
from services.fire import air, layers, locating, members, publishing, scene, site, work
from services.fire.air import Here
from services.fire.layers import Layer
from services.fire.members import Batch, Ran
from services.fire.publishing import Made, Wanted
from services.fire.scene import Scene
from services.fire.site import Site
from services.grids.models import NAME
from services.weather.models import ModelName, model_named
from services.weather.patch import refuse

Degrees = Annotated[float, Field(ge=-360, le=360)]
Hours = Annotated[int, Field(ge=1, le=72)]
SOON = Retry(attempts=3, delay=timedelta(seconds=1))


class FireForecast(JobBase):
    """Terrain, weather and fuel side by side, then an ensemble of fires, their maps, outlines, checks and catalog item."""

    reference_time: AwareDatetime
    """When the fire begins, as `2026-11-25T12:00:00Z`; its whole hour counts."""
    point: tuple[Degrees, Degrees] | None = None
    """Longitude and latitude of where it burns."""
    bbox: tuple[Degrees, Degrees, Degrees, Degrees] | None = None
    """West, south, east, north in degrees: where it may spread to. Without a point, what was seen burning in it begins."""
    detections: BlobRef | None = None
    """A CSV of FIRMS, whose fires begin."""
    radius_m: float = Field(default=20_000, ge=500, le=200_000)
    """Metres around the point, or around all detections, where no bbox is given."""
    seen_within_hours: float = Field(default=24, gt=0, le=240)
    """How long before the reference time a detection may have been seen."""
    horizons_hours: Annotated[list[Hours], Field(min_length=1, max_length=24)] = [6, 12, 24]
    """Hours after the reference time that the forecast tells of."""
    members: int = Field(default=50, ge=1, le=500)
    """Fires in the ensemble; the first is undisturbed."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Another seed draws other members."""
    cell_m: float | None = Field(default=None, ge=10, le=5_000)
    """Metres along the edge of a cell; so that 400 fill the box, and 30 at least, when not given."""
    model: ModelName = ModelName.GFS
    """The forecast of the weather: `gfs`, `ecmwf`, `hrrr`, `nbm` or `nam`."""
    collection: str = Field(default="fire-forecasts", pattern=NAME)
    """The collection that the item belongs to."""

    @field_validator("reference_time")
    @classmethod
    def _whole_hour(cls, given: datetime) -> datetime:
        return given.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

    @field_validator("horizons_hours")
    @classmethod
    def _sorted(cls, given: list[int]) -> list[int]:
        return sorted(set(given))

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.point is None and self.bbox is None and self.detections is None:
            raise ValueError("give a point, a bbox or detections")
        if self.point is not None and self.detections is not None:
            raise ValueError("give either a point or detections")
        try:
            self._refuse()
        except BadInput as error:
            raise ValueError(str(error)) from None
        return self

    def _refuse(self) -> None:
        if self.point and self.bbox and not site.inside(self.bbox, self.point):
            raise BadInput("the point lies outside of the bbox")
        box = self.bbox or (site.around(self.point, self.radius_m) if self.point else None)
        if box is not None:
            refuse(model_named(self.model), site.grids(box, self.cell_m).air, self.last * 5)

    @property
    def last(self) -> int:
        return max(self.horizons_hours)

    @property
    def asked(self) -> locating.Asked:
        return locating.Asked(
            self.point, self.radius_m, self.bbox, self.detections, self.reference_time,
            timedelta(hours=self.seen_within_hours), self.cell_m,
        )  # fmt: skip

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            self.collection, self.reference_time, self.horizons_hours, self.seed, self.fingerprint
        )

    @single
    def locate(self, ctx: Context) -> Site:
        return locating.locate(ctx.blobs, self.asked)

    @single(locate, queue=HEAVY, retry=SOON, timeout=minutes(10))
    def terrain(self, ctx: Context, where: Site) -> Layer:
        return layers.terrain_of(ctx, where.ground)

    @single(locate, queue=HEAVY, retry=SOON, timeout=minutes(10))
    def weather(self, ctx: Context, where: Site) -> Here:
        ref = BlobRef(f"silver/{work.CONTAINER}/weather/{ctx.job_id}/{ctx.token}.npz")
        return air.fetch(ctx, where, self.model, self.reference_time, self.last, ref)

    @single(locate, queue=HEAVY, retry=SOON, timeout=minutes(10))
    def fuel(self, ctx: Context, where: Site) -> Layer:
        return layers.cover_of(ctx, where.ground)

    @single(terrain, weather, fuel, queue=HEAVY, timeout=minutes(5))
    def features(self, ctx: Context, ground: Layer, here: Here, cover: Layer) -> Scene:
        return scene.make(ctx.blobs, ground, here, cover, self.reference_time)

    def batches(self, made: Scene) -> list[Batch]:
        return members.batches(made, self.members)

    @fan_out(features, each=batches, queue=HEAVY, timeout=minutes(30))
    def spread(self, ctx: Context, batch: Batch) -> Ran:
        return members.run(ctx, batch, self.last * 60.0, self.seed)

    @fan_in(spread, features, queue=HEAVY, timeout=minutes(15))
    def publish(self, ctx: Context, ran: list[Ran], made: Scene) -> Made:
        return publishing.finish(ctx, self.wanted, ran, made)
