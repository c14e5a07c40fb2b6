"""OGC API - Processes 1.0, part 1: landing page, processes, execution, jobs, results, dismissal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from core.control.desk import Control
from core.insights.questions import Insights
from core.insights.reading import JobFilter
from core.states import JobStatus
from triggers.http.door.actor import TheActor
from triggers.http.ogc import describing
from triggers.http.ogc.describing import RESULT
from triggers.http.ogc.errors import BadExecution, standard
from triggers.http.ogc.inputs import parameters_of
from triggers.http.ogc.models import (
    JSON,
    REL,
    SPEC,
    STATUS,
    Conformance,
    Execute,
    Jobs,
    Landing,
    Link,
    Process,
    Status,
    StatusInfo,
    Summaries,
    Transmission,
)
from triggers.http.requests import Cursor, Limit, body_of, described
from triggers.http.services import TheInsights, TheMachine

BASE = "/api/ogc"
KEPT = ("core", "ogc-process-description", "json", "job-list", "dismiss")
LONGEST = 30.0
"""Seconds that a client which waits for a result is made to wait."""
LOOK = (0.02, 0.5)
"""Seconds between two looks at a job, at first and at most."""
MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


async def only_json(
    f: Annotated[Literal["json"], Query(description="The only format.")] = "json",
) -> None:
    """Clients may name the format."""


router = APIRouter(prefix=BASE, tags=["OGC API - Processes"], dependencies=[Depends(only_json)])


async def base_of(request: Request) -> str:
    return f"{request.base_url}".rstrip("/") + BASE


TheBase = Annotated[str, Depends(base_of)]
TheOrder = Annotated[Execute, Depends(body_of(Execute))]
Prefer = Annotated[str, Header(description="respond-async, or wait=10.")]


@router.get("/", include_in_schema=False)
@router.get("")
def ogc_landing(base: TheBase) -> Landing:
    """The entrance for clients of OGC API - Processes."""
    root = base.removesuffix(BASE)
    return Landing(
        title="CoreMachine",
        description="Geospatial jobs as processes.",
        links=[
            Link(href=base, rel="self", title="This document"),
            Link(
                href=f"{root}/api/openapi.json",
                rel="service-desc",
                type="application/vnd.oai.openapi+json;version=3.1",
                title="The API as a document",
            ),
            Link(
                href=f"{root}/api/interface/redoc",
                rel="service-doc",
                type="text/html",
                title="The API to read",
            ),
            Link(href=f"{base}/conformance", rel=f"{REL}/conformance", title="What is kept"),
            Link(href=f"{base}/processes", rel=f"{REL}/processes", title="The processes"),
            Link(href=f"{base}/jobs", rel=f"{REL}/job-list", title="The jobs"),
        ],
    )


@router.get("/conformance")
def ogc_conformance() -> Conformance:
    """Which parts of the standard are kept."""
    return Conformance(conforms_to=[f"{SPEC}/{part}" for part in KEPT])


@router.get("/processes")
def ogc_processes(
    request: Request,
    base: TheBase,
    insights: TheInsights,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Summaries:
    """The job types, by name."""
    found = [each for each in insights.job_types() if cursor is None or each.job_type > cursor]
    page = found[:limit]
    following = page[-1].job_type if len(found) > limit else None
    return Summaries(
        processes=[describing.summary(each, base) for each in page],
        links=_pages(request, following),
    )


@router.get("/processes/{process_id}")
def ogc_process(process_id: str, base: TheBase, insights: TheInsights) -> Process:
    """A job type with its inputs and outputs."""
    with standard():
        return describing.process(insights.job_type(process_id), base)


@router.post(
    "/processes/{process_id}/execution",
    openapi_extra=described(Execute),
    responses={
        200: {"description": "The results."},
        201: {"model": StatusInfo, "description": "The job was taken in, and is followed there."},
        204: {"description": "The result is where the Link header says."},
    },
)
async def ogc_execute(
    process_id: str,
    order: TheOrder,
    base: TheBase,
    machine: TheMachine,
    insights: TheInsights,
    actor: TheActor,
    prefer: Prefer = "",
) -> Response:
    """Run a process: wait for its result, or follow it as a job (`Prefer: respond-async`).

    A job that takes longer than a client can wait goes on, and is followed as if that had been asked for.
    """
    parameters = parameters_of(order)

    def submit() -> str:
        with standard():
            job = machine.parse(process_id, parameters)
            return machine.submit(job, by=actor).run.job_id

    job_id = await run_in_threadpool(submit)
    patience = _patience(prefer)
    if patience and await _ended(insights, job_id, patience):
        return await run_in_threadpool(_results, insights, job_id, order, base)
    info = await run_in_threadpool(lambda: describing.job_info(insights.job(job_id), base))
    told = {"Preference-Applied": "respond-async"} if "respond-async" in prefer else {}
    headers = {"Location": f"{base}/jobs/{job_id}", **told}
    content = info.model_dump(mode="json", by_alias=True, exclude_none=True)
    return JSONResponse(content, 201, headers)


@router.get("/jobs", response_model_exclude_none=True)
def ogc_jobs(
    request: Request,
    base: TheBase,
    insights: TheInsights,
    process_id: Annotated[str | None, Query(alias="processID")] = None,
    status: Status | None = None,
    type_: Annotated[Literal["process"] | None, Query(alias="type")] = None,
    when: Annotated[
        str | None, Query(alias="datetime", description="A moment, or start/end; .. is open.")
    ] = None,
    min_duration: Annotated[float | None, Query(alias="minDuration", ge=0)] = None,
    max_duration: Annotated[float | None, Query(alias="maxDuration", ge=0)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Jobs:
    """The jobs, newest first. Where durations or statuses are chosen, pages may hold fewer than `limit`."""
    after, before = _interval(when)
    only = [ours for ours, theirs in STATUS.items() if theirs is status]
    one = only[0] if len(only) == 1 else None
    page = insights.jobs(JobFilter(one, process_id, after, before, None), cursor, limit)
    infos = [describing.line_info(line, base) for line in page.jobs]
    return Jobs(
        jobs=[
            info
            for info in infos
            if status in (None, info.status) and _lasted(info, min_duration, max_duration)
        ],
        links=_pages(request, page.next),
    )


@router.get("/jobs/{job_id}", response_model_exclude_none=True)
def ogc_job(job_id: str, base: TheBase, insights: TheInsights) -> StatusInfo:
    """Where a job stands."""
    with standard():
        return describing.job_info(insights.job(job_id), base)


@router.delete("/jobs/{job_id}", response_model_exclude_none=True)
def ogc_dismiss(
    job_id: str, base: TheBase, insights: TheInsights, machine: TheMachine, actor: TheActor
) -> StatusInfo:
    """Cancel a job. What it has stored already stays."""
    with standard():
        job = insights.job(job_id)  # which knows what is no id at all
        Control(machine).cancel(job.job_id, by=actor)
        return describing.job_info(insights.job(job_id), base)


@router.get(
    "/jobs/{job_id}/results",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON: {}}, "description": "The results, by output."}},
)
def ogc_results(job_id: str, insights: TheInsights) -> StreamingResponse:
    """What a job gave, as a document with one member per output."""
    return StreamingResponse(_document(insights, job_id), media_type=JSON)


def _results(insights: Insights, job_id: str, order: Execute, base: str) -> Response:
    """As the request wanted them: bare or in a document, as values or as links."""
    wanted = order.outputs.get(RESULT)
    linked = wanted is not None and wanted.transmission_mode is Transmission.REFERENCE
    href = f"{base.removesuffix(BASE)}/api/jobs/{job_id}/result"
    raw = order.response == "raw"
    pieces = _document(insights, job_id) if not raw else insights.result(job_id)
    if not linked:
        return StreamingResponse(pieces, media_type=JSON)
    if raw:
        return Response(status_code=204, headers={"Link": f'<{href}>; rel="{RESULT}"'})
    return JSONResponse({RESULT: {"href": href, "type": JSON}})


def _document(insights: Insights, job_id: str) -> Iterator[bytes]:
    with standard():
        pieces = insights.result(job_id)

    def told() -> Iterator[bytes]:
        yield b'{"%s":' % RESULT.encode()
        yield from pieces
        yield b"}"

    return told()


async def _ended(insights: Insights, job_id: str, patience: float) -> bool:
    """Whether the job ends while the client waits."""
    clock = asyncio.get_running_loop().time
    end, pause = clock() + patience, LOOK[0]
    while True:
        status = await run_in_threadpool(insights.status_of, job_id)
        if status is None or status.is_final:
            return True
        if clock() >= end or status is JobStatus.PAUSED:
            return False
        await asyncio.sleep(min(pause, max(0.0, end - clock())))
        pause = min(2 * pause, LOOK[1])


def _patience(prefer: str) -> float:
    """How long the client is made to wait; not at all where it prefers to be told at once."""
    if "respond-async" in prefer:
        return 0.0
    wait = re.search(r"\bwait\s*=\s*(\d+)", prefer)
    return min(float(wait[1]), LONGEST) if wait else LONGEST


def _interval(when: str | None) -> tuple[datetime | None, datetime | None]:
    if when is None:
        return None, None
    first, slash, last = when.partition("/")
    return _moment(first), _moment(last if slash else first)


def _moment(text: str) -> datetime | None:
    if text in ("", ".."):
        return None
    try:
        return MOMENT.validate_strings(text)
    except ValidationError:
        raise BadExecution(f"datetime={text!r} is no moment; write 2026-01-31T06:00:00Z") from None


def _lasted(info: StatusInfo, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    if info.started is None:
        return False
    seconds = ((info.finished or datetime.now(info.started.tzinfo)) - info.started).total_seconds()
    return (least or 0.0) <= seconds <= (most if most is not None else seconds)


def _pages(request: Request, following: Any) -> list[Link]:
    links = [Link(href=str(request.url), rel="self")]
    if following is not None:
        links.append(Link(href=str(request.url.include_query_params(cursor=following)), rel="next"))
    return links
