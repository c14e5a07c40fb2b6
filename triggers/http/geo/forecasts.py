"""Fire forecasts under the addresses that today's users know: ask for one, follow it, find the latest, see what burns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.catalog import Document
from core.errors import BadInput, ItemNotFound, JobNotFound
from core.insights.questions import Insights
from core.insights.views import JobView, Moment
from core.machine import CoreMachine
from core.states import JobStatus, TaskStatus
from jobs.fire_forecast import Degrees, FireForecast, Hours
from services.fire import maps, sightings
from services.grids.models import Box
from triggers.http.door.actor import TheActor
from triggers.http.geo.grids import box_of
from triggers.http.jobs.jobs import JobId
from triggers.http.requests import body_of, described
from triggers.http.services import TheInsights, TheMachine, TheServices

router = APIRouter(prefix="/api/forecast", tags=["forecasts"])
fires = APIRouter(prefix="/api/fires", tags=["forecasts"])

COLLECTION = "fire-forecasts"
LONGEST = timedelta(days=31)
TheBox = Annotated[Box, Depends(box_of)]


class JitStatus(StrEnum):
    """How far a forecast is, in the words that its users know."""

    PENDING = "pending"
    TERRAIN = "ingesting_terrain"
    WEATHER = "ingesting_weather"
    RUNNING = "running_forecast"
    COMPLETED = "completed"
    FAILED = "failed"


class ForecastOrder(BaseModel):
    """Where and when."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bbox: tuple[Degrees, Degrees, Degrees, Degrees]
    """West, south, east, north in degrees, anywhere on earth."""
    forecast_reference_time: AwareDatetime | None = None
    """When the fire begins; this hour when not given."""
    horizons_hours: Annotated[list[Hours], Field(min_length=1, max_length=24)] = [24, 48, 72]
    """Hours after that."""
    region_name: str | None = Field(default=None, max_length=200)
    """Taken and not used: the box says where."""


class Started(BaseModel):
    """A forecast that is being made, or was made already."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    task_id: str
    """The same."""
    status: JitStatus
    status_url: str


class JitResult(BaseModel):
    """What it was made of, and its maps."""

    terrain_id: str
    weather_run_id: str
    forecast_run_id: str
    tilejson_urls: dict[str, str]


class JitAnswer(BaseModel):
    """How far a forecast is."""

    job_id: str
    status: JitStatus
    progress_message: str
    result: JitResult | None
    error: str | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class Latest(BaseModel):
    """A forecast that the catalog has."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    forecast_run_id: str
    collection: str
    forecast_reference_time: AwareDatetime
    horizons_hours: list[int]
    bbox: list[float]
    tilejson_urls: dict[str, str]
    contours_url: str
    """Where half the members stand hour by hour, as GeoJSON."""
    properties: dict[str, Any]
    """Checks, warnings, and what it was made of, as in the catalog."""


class Detections(BaseModel):
    """A FeatureCollection of detections."""

    type: str = "FeatureCollection"
    features: list[dict[str, Any]]


Order = Annotated[ForecastOrder, Depends(body_of(ForecastOrder))]


@router.post("/jit", status_code=202, openapi_extra=described(ForecastOrder))
def forecast_jit(order: Order, machine: TheMachine, insights: TheInsights, by: TheActor) -> Started:
    """Begin a forecast of a place that nobody prepared. Equal orders of one hour are one forecast."""
    return _started(order, machine, insights, by)


@router.post("/generate", status_code=202, openapi_extra=described(ForecastOrder))
def forecast_generate(
    order: Order, machine: TheMachine, insights: TheInsights, by: TheActor
) -> Started:
    """The same; it no longer waits for the forecast."""
    return _started(order, machine, insights, by)


@router.get("/jit/{job_id}")
def forecast_jit_status(job_id: JobId, insights: TheInsights) -> JitAnswer:
    """How far it is, and its maps once it is done."""
    view = insights.job(job_id)
    if view.job_type != FireForecast.job_type:
        raise JobNotFound(f"Job {job_id} is no forecast but a {view.job_type}.")
    status = status_of(view)
    return JitAnswer(
        job_id=view.job_id,
        status=status,
        progress_message=_message(view, status, insights),
        result=_result(view.result) if status is JitStatus.COMPLETED else None,
        error=view.error.message if view.error else None,
        created_at=view.created_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
    )


@router.get("")
def forecast_latest(
    box: TheBox,
    services: TheServices,
    time: Annotated[
        AwareDatetime | None, Query(description="The latest that began before; now if left out.")
    ] = None,
) -> Latest:
    """The newest forecast of a box."""
    before = (time or datetime.now(UTC)).astimezone(UTC)
    query = {
        "collections": [COLLECTION],
        "bbox": list(box),
        "datetime": f"../{before:%Y-%m-%dT%H:%M:%SZ}",
        "sortby": [{"field": "datetime", "direction": "desc"}],
        "limit": 1,
    }
    known = services.catalog.collection(COLLECTION)
    found: list[Document] = services.catalog.search(query)["features"] if known else []
    if not found:
        raise ItemNotFound(
            "There is no forecast of that box yet; POST /api/forecast/jit makes one."
        )
    return _latest(found[0])


@fires.get("/detections")
def fire_detections(
    box: TheBox,
    services: TheServices,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    noise: Annotated[bool, Query(description="Also those that are no wildfire.")] = False,
) -> Detections:
    """What satellites saw burning in a box: of the last 24 hours, or of up to 31 days."""
    last = end or datetime.now(UTC)
    first = start or last - timedelta(days=1)
    if not timedelta(0) < last - first <= LONGEST:
        raise BadInput("start lies before end, and at most 31 days before it")
    found = sightings.find(services.blobs, box, first, last)
    return Detections(features=sightings.features(s for s in found if noise or not s.is_noise))


def _started(order: ForecastOrder, machine: CoreMachine, insights: Insights, by: str) -> Started:
    given = {
        "bbox": order.bbox,
        "horizons_hours": order.horizons_hours,
        "reference_time": (order.forecast_reference_time or datetime.now(UTC)).isoformat(),
    }
    job = machine.parse(FireForecast.job_type, given)
    job_id = machine.submit(job, by=by).run.job_id
    status = status_of(insights.job(job_id))
    return Started(
        job_id=job_id,
        task_id=job_id,
        status=status,
        status_url=f"/api/forecast/jit/{job_id}",
    )


def status_of(view: JobView) -> JitStatus:
    if view.status in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS):
        return JitStatus.COMPLETED
    if view.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return JitStatus.FAILED
    closed = {stage.name for stage in view.stages if stage.closed_at is not None}
    for stage, status in {
        FireForecast.locate.name: JitStatus.PENDING,
        FireForecast.terrain.name: JitStatus.TERRAIN,
        FireForecast.weather.name: JitStatus.WEATHER,
    }.items():
        if stage not in closed:
            return status
    return JitStatus.RUNNING


def _message(view: JobView, status: JitStatus, insights: Insights) -> str:
    if view.status.is_final:
        return status.value if view.error is None else view.error.message
    running = insights.tasks(view.job_id, status=TaskStatus.PROCESSING).tasks
    notes = dict.fromkeys(task.note for task in running if task.note)
    return ", ".join(notes) or status.value.replace("_", " ")


def _result(made: Document) -> JitResult:
    return JitResult(
        terrain_id=made["terrain"]["id"],
        weather_run_id=made["weather"]["id"],
        forecast_run_id=made["item"],
        tilejson_urls=_tilejsons(made["collection"], made["item"], made["maps"]),
    )


def _latest(item: Document) -> Latest:
    assets, told = item["assets"], item["properties"]
    rasters = [name for name in assets if name != maps.ISOCHRONES]
    return Latest(
        forecast_run_id=item["id"],
        collection=item["collection"],
        forecast_reference_time=told["forecast:reference_datetime"],
        horizons_hours=told["coremachine:horizons_hours"],
        bbox=item["bbox"],
        tilejson_urls=_tilejsons(item["collection"], item["id"], rasters),
        contours_url=f"/api/storage/blob/{assets[maps.ISOCHRONES]['href']}",
        properties=told,
    )


def _tilejsons(collection: str, item: str, names: Any) -> dict[str, str]:
    base = f"/api/tiles/{collection}/{item}/WebMercatorQuad/tilejson.json"
    return {name: f"{base}?asset={name}" for name in names}
