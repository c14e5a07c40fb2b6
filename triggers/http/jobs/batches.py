"""Batches over HTTP: many jobs in one call, and one address to watch them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from core.batches import LARGEST, BatchCancelled, BatchPage, BatchView, MemberPage, Order
from triggers.http.door.actor import TheActor
from triggers.http.door.middleware import BodyLimit
from triggers.http.jobs.control import Reason
from triggers.http.requests import Limit, body_of, described, page_links
from triggers.http.services import TheBatches

router = APIRouter(prefix="/api/batches", tags=["batches"])

LIMIT = BodyLimit(
    "POST", re.compile("/api/batches"), 16 * 1024 * 1024, "Send the jobs in several batches."
)
BatchId = Annotated[int, Path(ge=1, lt=2**63)]
Position = Annotated[int | None, Query(ge=0, lt=2**63)]


class JobOrder(BaseModel):
    """One job."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    job_type: str
    parameters: dict[str, Any] = {}
    force: bool = Field(default=False, strict=True)
    """Run a job again that has ended."""


class BatchOrder(BaseModel):
    """Jobs to be submitted."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    jobs: list[JobOrder] = Field(min_length=1, max_length=LARGEST)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    """For people; it need not be unique."""
    skip_invalid: bool = Field(default=False, strict=True)
    """Submit the others when some are not right. Without it, one wrong job keeps all out."""


class BatchAnswer(BatchView):
    """Where a batch stands."""

    links: dict[str, str]


class BatchList(BatchPage):
    """A page of batches."""

    links: dict[str, str | None]


class BatchJobs(MemberPage):
    """A page of a batch's jobs."""

    links: dict[str, str | None]


@router.post("", status_code=202, openapi_extra=described(BatchOrder))
def submit_batch(
    order: Annotated[BatchOrder, Depends(body_of(BatchOrder))],
    batches: TheBatches,
    actor: TheActor,
) -> BatchAnswer:
    """Submit many jobs: all of them, or none when one is not right."""
    orders = [Order(job.job_type, job.parameters, job.force) for job in order.jobs]
    view = batches.submit(orders, actor, order.name, skip_invalid=order.skip_invalid)
    return _answer(view)


@router.get("")
def batches(
    request: Request, batches: TheBatches, cursor: Position = None, limit: Limit = 50
) -> BatchList:
    """The batches there are, newest first."""
    page = batches.page(cursor, limit)
    return BatchList(**dict(page), links=page_links(request, page.next))


@router.get("/{batch_id}")
def batch(batch_id: BatchId, batches: TheBatches) -> BatchAnswer:
    """Where a batch stands: its jobs by status."""
    return _answer(batches.get(batch_id))


@router.get("/{batch_id}/jobs")
def batch_jobs(
    request: Request,
    batch_id: BatchId,
    batches: TheBatches,
    status: Annotated[
        str | None,
        Query(pattern="^[a-z_]{1,30}$", description="Of a job, or due, refused, invalid, deleted."),
    ] = None,
    cursor: Position = None,
    limit: Limit = 50,
) -> BatchJobs:
    """Its jobs in the order of the call, each as it stands now."""
    after = -1 if cursor is None else cursor
    page = batches.jobs(batch_id, after, limit, status)
    return BatchJobs(**dict(page), links=page_links(request, page.next))


@router.post("/{batch_id}/cancel", openapi_extra=described(Reason, required=False))
def cancel_batch(
    batch_id: BatchId,
    batches: TheBatches,
    told: Annotated[Reason, Depends(body_of(Reason))],
    actor: TheActor,
) -> BatchCancelled:
    """Cancel every job that the batch has begun."""
    return batches.cancel(batch_id, by=actor, reason=told.reason)


def _answer(view: BatchView) -> BatchAnswer:
    here = f"/api/batches/{view.batch_id}"
    return BatchAnswer(**dict(view), links={"self": here, "jobs": f"{here}/jobs"})
