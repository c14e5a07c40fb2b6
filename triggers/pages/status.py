"""Status: the whole installation on one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import CoreMachineError
from core.insights.reading import JobFilter
from core.insights.views import JobLine
from services.weather.derive import ABOUT
from services.weather.tilecache.inventory import Inventory, RunStatus
from triggers.http.operate.health import Checkup
from triggers.pages import stock
from triggers.pages.drawings import sparkline
from triggers.pages.page import Page, ThePage

router = APIRouter(include_in_schema=False)

NEWEST = 25
LONGEST = 40
"""Characters of what a form may say of a place."""
LOOKS = {
    RunStatus.COMPLETE: "completed",
    RunStatus.BUILDING: "processing",
    RunStatus.WAITING: "queued",
    RunStatus.FAILED: "failed",
    RunStatus.SOURCE_DOWN: "alert",
}
"""How far a run is, as the mark of a job that is as far."""
DISKS = frozenset({"scratch"})


@router.get("/status")
def status(page: ThePage) -> Response:
    """Workers, queues, failures, alerts, and the newest jobs."""
    insights = page.services.insights
    checkup: Checkup = page.request.app.state.checkup
    told, jobs = insights.throughput(), insights.jobs(JobFilter(), limit=NEWEST).jobs
    return page.show(
        "status.html",
        status=insights.deep(),
        queues=insights.queues(),
        workers=insights.workers(),
        throughput=told,
        sticks=sparkline(told),
        jobs=jobs,
        **_forecasts(page),
        **_place(page),
        hands=insights.hands(unfinished(jobs)),
        disks=checkup.run(DISKS).components if checkup.probes.keys() >= DISKS else {},
    )


def _forecasts(page: Page) -> dict[str, Any]:
    """What is kept of the weather, and what is missing of it."""
    look: Callable[[], Inventory] = page.request.app.state.forecasts
    try:
        found = look()
    except CoreMachineError:  # storage is away, which the page says
        found = None
    matrices = stock.matrices(found) if found else []
    return {
        "kept": found,
        "matrices": matrices,
        "gaps": stock.unfinished(matrices),
        "looks": LOOKS,
        "strip": stock.STRIP,
        "models": sorted({row.model for row in found.runs}) if found else [],
    }


def _place(page: Page) -> dict[str, Any]:
    """The place that the address names, whose forecast is fetched as a part of its own."""
    given = page.request.query_params
    place = {name: given.get(name, "")[:LONGEST] for name in ("model", "variable", "lon", "lat")}
    is_wrong = bool(place["lon"] or place["lat"]) and not _lies(place["lon"], place["lat"])
    return {
        "place": place,
        "wrong_place": "A place is a latitude from -90 to 90 and a longitude." if is_wrong else "",
        "variables": ABOUT,
    }


def _lies(lon: str, lat: str) -> bool:
    try:
        return abs(float(lat)) <= 90 and abs(float(lon)) <= 360
    except ValueError:
        return False


def unfinished(jobs: list[JobLine]) -> list[str]:
    """Those that somebody may be working for."""
    return [line.job_id for line in jobs if not line.status.is_final]
