"""Fire: begin a forecast of a place, watch it arrive, look at it hour by hour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData, QueryParams

from core.errors import BadInput, InvalidParameters, JobNotFound
from core.insights.logbook import Level, Logbook
from core.insights.reading import JobFilter
from core.insights.views import JobView
from core.states import JobStatus, TaskStatus
from core.watching.task_logs import LogLine
from jobs.fire_forecast import FireForecast
from services.fire import felt, site
from services.fire.publishing import GROUND, Made
from services.weather.models import ModelName
from triggers.http.door.actor import TheActor
from triggers.http.jobs.jobs import JobId
from triggers.http.requests import refuse_nul
from triggers.pages.forecast import Step, Told, grounds, log, steps
from triggers.pages.formats import place
from triggers.pages.forms import wrong_by_parameter
from triggers.pages.lines import line
from triggers.pages.page import Page, TheForm, ThePage
from triggers.pages.series import Lat, Lon, Story, told

router = APIRouter(prefix="/fire", include_in_schema=False)

HORIZONS = (1, 3, 6, 12, 24, 48, 72)
USUAL: Mapping[str, Any] = {
    "lon": "", "lat": "", "radius": "10", "begins": "", "hours": ["6", "12", "24"],
    "model": str(ModelName.GFS), "members": "50",
}  # fmt: skip
"""What a form says before somebody changes it."""
FIELDS = ("point", "horizons_hours", "reference_time", "radius_m", "members", "model")
"""Beside which the form says what is wrong with them; those after the first two are folded away."""
LINES = 100
RECENT = 6
Chosen = Annotated[str | None, Query(alias="job", description="A forecast by its job.")]


@router.get("")
def fire(page: ThePage, chosen: Chosen = None) -> Response:
    """The map; beside it the form, or how far a forecast is and what it says."""
    given = _given(page.request.query_params)
    return _shown(page, given, {}) if chosen is None else _followed(page, _forecast(page, chosen))


@router.post("")
def begin(page: ThePage, form: TheForm, actor: TheActor) -> Response:
    """Begin a forecast, and go where it can be watched. Equal ones of an hour are one."""
    given = _given(form)
    try:
        job = page.services.machine.parse(FireForecast.job_type, _parameters(given))
    except InvalidParameters as error:
        return _shown(page, given, wrong_by_parameter(error), 422)
    except BadInput as error:
        return _shown(page, given, {"": str(error)}, 422)
    run = page.services.machine.submit(job, by=actor).run
    return RedirectResponse(f"/fire?job={run.job_id}", 303)


@router.get("/{job_id}/isochrones")
def isochrones(page: ThePage, job_id: JobId) -> Response:
    """Its outlines as GeoJSON, from here: the policy of the pages lets them fetch from nowhere else."""
    made = made_by(_forecast(page, job_id))
    if made is None:
        raise JobNotFound(f"Job {job_id} has no outlines yet.")
    return Response(page.services.blobs.read(made.isochrones), media_type="application/geo+json")


@router.get("/{job_id}/weather")
def weather(page: ThePage, job_id: JobId, lon: Lon, lat: Lat) -> Response:
    """The weather that it was made with, at a place."""
    made = made_by(_forecast(page, job_id))
    if made is None:
        raise JobNotFound(f"Job {job_id} has no weather yet.")
    return told(page, lambda: _felt(page, made, lon, lat))


def _felt(page: Page, made: Made, lon: float, lat: float) -> Story:
    found = felt.at(page.services.blobs, made.weather, made.reference_time, lon, lat)
    times = [f"{each:%Y-%m-%dT%H:%M:%S}" for each in found.times]
    drawn = [line(each.title, each.unit, times, each.values.tolist()) for each in found.felt]
    return Story(drawn, place(lon, lat))


def made_by(view: JobView) -> Made | None:
    """What the job made, once it is done."""
    is_done = view.status in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)
    return Made.model_validate(view.result) if is_done and view.result else None


def _shown(
    page: Page, given: Mapping[str, Any], wrong: Mapping[str, str], code: int = 200
) -> Response:
    recent = page.services.insights.jobs(JobFilter(job_type=FireForecast.job_type), limit=RECENT)
    return page.show(
        "fire.html",
        code,
        given=given,
        wrong=wrong,
        fields=FIELDS,
        opened=not wrong.keys().isdisjoint(FIELDS[2:]),
        horizons=HORIZONS,
        models=list(ModelName),
        recent=recent.jobs,
        job=None,
        box="",
        place=[_number(given["lon"]), _number(given["lat"])]
        if given["lon"] and given["lat"]
        else [],
    )


def _followed(page: Page, view: JobView) -> Response:
    job = FireForecast.model_validate(view.parameters)
    made = made_by(view)
    box = (
        made.bbox
        if made
        else job.bbox or (site.around(job.point, job.radius_m) if job.point else None)
    )
    return page.show(
        "fire_forecast.html",
        job=view,
        asked=job,
        made=made,
        grounds=grounds(made) if made else [],
        steps=_steps(page, view),
        told=_told(page, view.job_id),
        tiles=json.dumps(_tiles(made) if made and page.services.tiles else {}),
        box=json.dumps(box) if box else "",
        place=list(job.point or ()),
    )


def _steps(page: Page, view: JobView) -> list[Step]:
    running = page.services.insights.tasks(view.job_id, status=TaskStatus.PROCESSING, limit=50)
    return steps(view, running.tasks)


def _told(page: Page, job_id: str) -> list[Told]:
    services = page.services
    lines: list[LogLine] = []
    if services.task_logs is not None:
        book = Logbook(services.insights, services.task_logs)
        lines = book.page(job_id, level=Level.INFO, limit=LINES).lines
    return log(services.insights.events(job_id, 0, LINES).events, lines)


def _tiles(made: Made) -> dict[str, str]:
    """Where a map gets its pictures from, by what they show."""
    base = f"/api/tiles/{made.collection}/{made.item}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png"
    shown = [*made.maps, *([GROUND] if made.ground else [])]
    return {name: f"{base}?asset={name}" for name in shown}


def _forecast(page: Page, job_id: str) -> JobView:
    view = page.services.insights.job(job_id, verbose=True)
    if view.job_type != FireForecast.job_type:
        raise JobNotFound(f"Job {job_id} is no forecast but a {view.job_type}.")
    return view


def _given(said: QueryParams | FormData) -> dict[str, Any]:
    """What somebody entered, as text; what they left out is as usual."""
    found = {
        name: str(said.get(name, usual)).strip() for name, usual in USUAL.items() if name != "hours"
    }
    hours = [str(each) for each in said.getlist("hours")]
    return {**found, "hours": hours or ([] if "lon" in said and "csrf" in said else USUAL["hours"])}


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    if not (given["lon"] and given["lat"]):
        raise BadInput("Say where it burns: click on the map, or enter longitude and latitude.")
    refuse_nul(dict(given))
    radius = _number(given["radius"])
    begins = given["begins"] or datetime.now(UTC).isoformat()
    return {
        "point": [_number(given["lon"]), _number(given["lat"])],
        "radius_m": radius * 1000 if not isinstance(radius, str) else radius,
        "reference_time": begins if begins.endswith(("Z", "+00:00")) else f"{begins}Z",
        "horizons_hours": [_number(each) for each in given["hours"]],
        "model": given["model"],
        "members": _number(given["members"]),
    }


def _number(text: str) -> float | str:
    """The text itself where it is none: what is wrong with it, the job type says."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not isfinite(value):
        return text
    return int(value) if value.is_integer() else value
