"""Inventories of containers under the address that today's users know."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from core.errors import JobNotFound
from triggers.http.jobs.jobs import JobId
from triggers.http.services import TheInsights

router = APIRouter(prefix="/api/analysis", tags=["storage"])

INVENTORY = "inventory_container_contents"


@router.get(
    "/container/{job_id}",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "The inventory."}},
)
def container_analysis(job_id: JobId, insights: TheInsights) -> StreamingResponse:
    """What an inventory_container_contents job found. /api/jobs/{job_id}/result gives the same."""
    kind = insights.job(job_id).job_type
    if kind != INVENTORY:
        raise JobNotFound(f"Job {job_id} is no {INVENTORY} but a {kind}.")
    return StreamingResponse(insights.result(job_id), media_type="application/json")
