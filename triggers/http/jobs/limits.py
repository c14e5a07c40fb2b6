"""What may run at once over HTTP: who holds which key, and what an operator allows a job type."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from core.admission.lines import KeyPage, LimitView, limit_of
from triggers.http.door.actor import TheActor
from triggers.http.requests import Limit, body_of, described, page_links
from triggers.http.services import TheInsights, TheMachine

router = APIRouter(prefix="/api", tags=["limits"])

KeyCursor = Annotated[
    str | None, Query(max_length=400, description="The `next` of the page before.")
]


class KeyList(KeyPage):
    """A page of concurrency keys."""

    links: dict[str, str | None]


class LimitOrder(BaseModel):
    """What a job type may do from now on. What is left out is unlimited."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    max_running: int | None = Field(default=None, ge=0, le=1_000_000, strict=True)
    """How many of its runs may run at once; 0 stops new ones, null lifts the limit."""
    rate: str | None = Field(default=None, max_length=60)
    """How fast runs may start, as `100/minute`; null leaves it to the job type."""


@router.get("/concurrency")
def concurrency(
    request: Request, insights: TheInsights, cursor: KeyCursor = None, limit: Limit = 50
) -> KeyList:
    """The concurrency keys in use: who holds each, and who waits for it."""
    page = insights.keys(cursor, limit)
    links = page_links(request, page.next)
    return KeyList(keys=page.keys, next=page.next, links=links)


@router.get("/limits/{job_type}")
def limits(job_type: str, insights: TheInsights) -> LimitView:
    """What a job type may do at once, and how many of its runs run and wait."""
    return insights.limit(job_type)


@router.put("/limits/{job_type}", openapi_extra=described(LimitOrder))
def set_limits(
    job_type: str,
    wanted: Annotated[LimitOrder, Depends(body_of(LimitOrder))],
    machine: TheMachine,
    insights: TheInsights,
    actor: TheActor,
) -> LimitView:
    """Limit a job type. Runs that are under way go on; those that wait start as the new limits allow."""
    machine.set_limit(job_type, limit_of(wanted.max_running, wanted.rate), by=actor)
    return insights.limit(job_type)
