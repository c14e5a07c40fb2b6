"""Fetch forecasts into the GRIB cache."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from core import (
    Concurrency,
    Context,
    JobBase,
    Results,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from services.weather import patch
from services.weather.derive import Variable
from services.weather.models import ModelName
from services.weather.tilecache import ingest, rounds
from services.weather.tilecache.ingest import HourOrder, Ingested
from services.weather.tilecache.rounds import Round

Hour = Annotated[int, Field(ge=0, le=384)]


class IngestGrib(JobBase, concurrency=Concurrency("weather-tiles", shared=True)):
    """Fetch hours of a run, an hour a task; what is in the GRIB cache already stays."""

    model: ModelName
    """The forecast."""
    run: AwareDatetime
    """When the run begins, as `2026-11-25T12:00:00Z`."""
    variables: Annotated[list[Variable], Field(min_length=1, max_length=len(Variable))]
    """What to take; every model has its own."""
    hours: Annotated[list[Hour], Field(max_length=400)] | None = None
    """Which hours; all that such a run has when not given."""

    @single
    def choose(self, ctx: Context) -> list[HourOrder]:
        return ingest.orders(ctx.blobs, self.model, self.run, self.variables, self.hours)

    @fan_out(choose, timeout=minutes(10), on_failure=keep_going())
    def fetch(self, ctx: Context, order: HourOrder) -> Ingested:
        return ingest.ingest(patch.desk(ctx), order, datetime.now(UTC))

    @fan_in(fetch)
    def tell(self, ctx: Context, fetched: Results[Ingested]) -> Round:
        return rounds.told([], fetched)
