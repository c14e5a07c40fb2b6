"""Job types and jobs in the words of the standard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.insights.views import JobLine, JobTypeView, JobView
from core.states import JobStatus
from triggers.http.ogc.models import (
    REL,
    STATUS,
    Input,
    Link,
    Output,
    Process,
    StatusInfo,
    Summary,
)
from triggers.http.ogc.schemas import Schema, plain

RESULT = "result"
"""What the only output of every process is called."""


def summary(job_type: JobTypeView, base: str) -> Summary:
    return Summary(links=_process_links(job_type.job_type, base), **_told(job_type))


def process(job_type: JobTypeView, base: str) -> Process:
    schema = job_type.parameters
    required = set(schema.get("required", ()))
    shared = schema.get("$defs", {})
    found = cast(Mapping[str, Schema], schema.get("properties", {}))
    inputs = {name: _input(name, each, name in required, shared) for name, each in found.items()}
    output = Output(title="Result", description="What the job's last stage gave.", schema={})
    return Process(
        links=_process_links(job_type.job_type, base),
        inputs=inputs,
        outputs={RESULT: output},
        **_told(job_type),
    )


def _told(job_type: JobTypeView) -> dict[str, Any]:
    first, _, _ = job_type.description.partition("\n")
    return {
        "id": job_type.job_type,
        "title": first.rstrip(".") or job_type.job_type,
        "description": job_type.description,
    }


def _input(name: str, schema: Schema, required: bool, shared: Mapping[str, Schema]) -> Input:
    own = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return Input(
        title=schema.get("title", name),
        description=schema.get("description", ""),
        schema=plain(own, shared),
        min_occurs=1 if required else 0,
    )


def _process_links(name: str, base: str) -> list[Link]:
    here = f"{base}/processes/{name}"
    return [
        Link(href=here, rel="self", title="This process"),
        Link(href=f"{here}/execution", rel=f"{REL}/execute", title="Run it"),
    ]


def line_info(line: JobLine, base: str) -> StatusInfo:
    done = 100 if line.status.is_final else 100 * line.stages_closed // max(line.stages_total, 1)
    return _info(line, done, line.error, base)


def job_info(job: JobView, base: str) -> StatusInfo:
    error = None if job.error is None else job.error.message
    return _info(job, round(100 * job.progress), error, base)


def _info(job: JobLine | JobView, progress: int, error: str | None, base: str) -> StatusInfo:
    return StatusInfo(
        job_id=job.job_id,
        process_id=job.job_type,
        status=STATUS[job.status],
        message=error or f"The job is {job.status.replace('_', ' ')}.",
        created=job.created_at,
        started=job.started_at,
        finished=job.finished_at,
        updated=job.finished_at or job.started_at or job.created_at,
        progress=progress,
        links=_job_links(job.job_id, job.status, base),
    )


def _job_links(job_id: str, status: JobStatus, base: str) -> list[Link]:
    here = f"{base}/jobs/{job_id}"
    links = [Link(href=here, rel="self", title="This job")]
    if status in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS):
        links.append(Link(href=f"{here}/results", rel=f"{REL}/results", title="Its results"))
    if not status.is_final:
        links.append(Link(href=here, rel="cancel", title="Dismiss it with DELETE"))
    return links
