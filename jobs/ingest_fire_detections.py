"""Active fires that satellites have seen, from a file or from NASA."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from core import BlobRef, Context, JobBase, minutes, single
from core.internet import Internet
from services.fire import firms, ingesting
from services.fire.firms import MOST_DAYS, Satellite
from services.fire.ingesting import Ingested
from services.fire.missing import needed
from services.fire.options import FireOptions

Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class IngestFireDetections(JobBase):
    """Read a table of FIRMS, tell wildfire from noise, and keep both for forecasts and maps."""

    source: BlobRef | None = None
    """A CSV of MODIS or VIIRS, as FIRMS gives it."""
    bbox: tuple[Longitude, Latitude, Longitude, Latitude] | None = None
    """In place of a file: the box that FIRMS is asked for (needs `CM_FIRMS_KEY`)."""
    first: date | None = None
    """The first day to ask for, as `2026-11-25`."""
    days: int = Field(default=1, ge=1, le=MOST_DAYS)
    """How many days."""
    satellite: Satellite = Satellite.SNPP
    """Which product of FIRMS."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.source is None) == (self.bbox is None):
            raise ValueError("give either source or bbox")
        if self.bbox is not None:
            west, south, east, north = self.bbox
            if self.first is None:
                raise ValueError("give first, the day to ask for")
            if not (west < east and south < north):
                raise ValueError("FIRMS takes west below east, and south below north")
        return self

    @single(timeout=minutes(10))
    def fetch(self, ctx: Context) -> BlobRef:
        if self.source is not None:
            return self.source
        assert self.bbox is not None
        assert self.first is not None
        ctx.report(0.0, "asking NASA FIRMS")
        internet, options = ctx.option(Internet), ctx.option(FireOptions)
        with needed(ctx, "answer of NASA FIRMS"):
            found = firms.csv(internet, options, self.satellite, self.bbox, self.first, self.days)
        ref = BlobRef(f"bronze/firms/{self.satellite}/{self.first}-{self.fingerprint[:16]}.csv")
        ctx.blobs.write(ref, found, content_type="text/csv")
        return ref

    @single(fetch, timeout=minutes(30))
    def ingest(self, ctx: Context, table: BlobRef) -> Ingested:
        return ingesting.ingest(ctx.blobs, table, self.fingerprint)
