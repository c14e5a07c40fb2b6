"""The job types there are, each with the JSON Schema of its parameters."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from core.insights.views import JobTypeView
from triggers.http.services import TheInsights

router = APIRouter(prefix="/api/job-types", tags=["job types"])


class JobTypes(BaseModel):
    """The installed job types."""

    job_types: list[JobTypeView]


@router.get("")
def job_types(insights: TheInsights) -> JobTypes:
    """Every job type that can be submitted."""
    return JobTypes(job_types=insights.job_types())


@router.get("/{job_type}")
def job_type(job_type: str, insights: TheInsights) -> JobTypeView:
    """What a job type does, which parameters it takes, and its stages."""
    return insights.job_type(job_type)
