"""The list of jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from core.insights.questions import JOB_ID
from core.insights.reading import JobFilter
from core.states import JobStatus
from triggers.http.requests import later
from triggers.pages.page import ThePage
from triggers.pages.status import unfinished

router = APIRouter(include_in_schema=False)

ROWS = 50
TYPE = re.compile("[a-z][a-z0-9_]{0,62}")
PREFIX = re.compile("[0-9a-f]{1,64}")
SPANS = {"1": "last hour", "24": "last day", "168": "last week", "720": "last month"}


@router.get("/jobs")
def jobs(
    page: ThePage,
    status: str = "",
    type: str = "",
    hours: str = "",
    search: str = "",
    cursor: str | None = None,
) -> Response:
    """The jobs there are, newest first."""
    asked = search.strip().lower()
    if JOB_ID.fullmatch(asked):
        return RedirectResponse(f"/jobs/{asked}", 303)
    chosen = {"status": status, "type": type, "hours": hours, "search": search.strip()}
    insights = page.services.insights
    found = insights.jobs(_filter(chosen), cursor, ROWS)
    return page.show(
        "jobs.html",
        jobs=found.jobs,
        hands=insights.hands(unfinished(found.jobs)),
        following=_address(chosen, found.next) if found.next else None,
        is_first=cursor is None,
        chosen=chosen,
        statuses=list(JobStatus),
        types=sorted(page.services.machine.registry.jobs),
        spans=SPANS,
    )


def _filter(chosen: Mapping[str, str]) -> JobFilter:
    """What fits no filter is left out: an address that was typed by hand still shows something."""
    search = chosen["search"].lower()
    statuses = {str(each): each for each in JobStatus}
    is_id = PREFIX.fullmatch(search) is not None
    return JobFilter(
        status=statuses.get(chosen["status"]),
        job_type=chosen["type"] if TYPE.fullmatch(chosen["type"]) else None,
        created_after=later(None, float(chosen["hours"]) if chosen["hours"] in SPANS else None),
        prefix=search if is_id else None,
        text=chosen["search"] if chosen["search"] and not is_id else None,
    )


def _address(chosen: Mapping[str, str], cursor: str) -> str:
    given = {name: value for name, value in chosen.items() if value}
    return f"/jobs?{urlencode({**given, 'cursor': cursor})}"
