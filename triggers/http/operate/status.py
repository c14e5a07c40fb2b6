"""How the installation is doing: for load balancers, for dashboards, for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from core.errors import ServiceUnavailable
from core.insights.overview import GateList, Throughput
from core.insights.views import DeepStatus
from triggers.http.jobs.events import EVENT_STREAM, HEADERS
from triggers.http.jobs.pulse import Listener
from triggers.http.operate.health import Checkup, Health, Verdict
from triggers.http.services import TheInsights, TheServices

router = APIRouter(prefix="/api", tags=["status"])


class Alive(BaseModel):
    """This process serves. Job modules that cannot be used are named; the others work."""

    status: str = "alive"
    broken_job_modules: dict[str, str] = {}


class Ready(BaseModel):
    """This process can do its work."""

    status: str = "ready"


async def checkup_of(request: Request) -> Checkup:
    return request.app.state.checkup


TheCheckup = Annotated[Checkup, Depends(checkup_of)]


@router.get("/livez")
async def livez(services: TheServices) -> Alive:
    """Whether the process serves. It asks nobody, so it answers when everything else is down."""
    return Alive(broken_job_modules=dict(services.machine.registry.broken))


@router.get("/readyz")
def readyz(checkup: TheCheckup) -> Ready:
    """Whether the database answers and has every migration, and temporary files have room."""
    if why := checkup.unready():
        raise ServiceUnavailable(why)
    return Ready()


@router.get("/health", responses={503: {"model": Health, "description": "Nothing can work."}})
def health(checkup: TheCheckup, request: Request, response: Response) -> Health:
    """How every component is, asked all at once with a deadline each. Details are for those who say who they are."""
    found = checkup.run()
    response.status_code = 503 if found.status is Verdict.UNHEALTHY else 200
    return found if request.state.caller.role is not None else found.outline()


@router.get("/status/deep")
def deep(insights: TheInsights) -> DeepStatus:
    """Queues, workers, failures of the last hour, and what someone should look at."""
    return insights.deep()


@router.get("/status/throughput")
def throughput(insights: TheInsights) -> Throughput:
    """Jobs that ended in the last hour, minute by minute, and the share that failed."""
    return insights.throughput()


@router.get(
    "/status/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENT_STREAM: {}}, "description": "Server-Sent Events."}},
)
def status_stream(services: TheServices) -> StreamingResponse:
    """Tells whenever something has happened to any job, queue or worker (Server-Sent Events); at first how it is now."""
    listener = Listener(services.insights, services.poll_every)
    return StreamingResponse(listener.listen(), headers=HEADERS, media_type=EVENT_STREAM)


@router.get("/gates")
def gates(insights: TheInsights) -> GateList:
    """The gates that wait for a person, the longest first; 200 at most."""
    return GateList(gates=insights.gates())
