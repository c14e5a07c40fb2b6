"""Submitting: a form for every job type, checked while it is filled in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from core.blobs import BlobInfo, BlobRef, Zone
from core.errors import BadInput, CoreMachineError, InvalidParameters
from core.insights.portrait import plan_lines
from core.insights.views import JobTypeView, PlanLine
from core.job import JobBase
from core.states import JobStatus
from core.templates import TemplateView
from services.storage import inventory
from services.storage.models import Container
from triggers.http.door.actor import TheActor
from triggers.http.requests import refuse_nul
from triggers.pages.forms import Field, Kind, entered, fields, wrong_by_parameter
from triggers.pages.page import Page, TheForm, ThePage

router = APIRouter(include_in_schema=False)

BLOBS = 100
TEMPLATES = 200


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of looking at a form, before anything is begun."""

    sent: dict[str, Any]
    """The parameters as the form would send them."""
    wrong: Mapping[str, str]
    """What is not right, by parameter; under an empty name what is wrong with the whole."""
    job: JobBase | None = None
    status: JobStatus | None = None
    """Where the equal job stands, if there is one."""
    plan: list[PlanLine] | None = None
    sizes: Mapping[str, int] | None = None
    """How large the blobs are that it names."""


@router.get("/submit")
def choose(page: ThePage) -> Response:
    """What can be submitted."""
    types = page.services.insights.job_types()
    return page.show("submit.html", types=types, templates=_templates(page))


@router.get("/submit/{job_type}")
def form(page: ThePage, job_type: str, template: str = "", of: str = "") -> Response:
    """The form of one job type: empty, as a template has it, or as an earlier job had it."""
    view = page.services.insights.job_type(job_type)
    given = _given(page, template, of)
    return _form(page, view, given, Checked({}, {}), template=template)


@router.post("/submit/{job_type}/check")
def check(page: ThePage, job_type: str, form: TheForm) -> Response:
    """What a submission would do; nothing is begun."""
    view = page.services.insights.job_type(job_type)
    checked = _checked(page, view, *entered(form, fields(view.parameters)))
    return page.show(
        "parts/checked.html", view=view, checked=checked, **_spelled(page, view, checked)
    )


@router.post("/submit/{job_type}")
def submit(page: ThePage, job_type: str, form: TheForm, actor: TheActor) -> Response:
    """Submit it, and go where it can be watched."""
    view = page.services.insights.job_type(job_type)
    checked = _checked(page, view, *entered(form, fields(view.parameters)))
    if checked.job is None or checked.wrong:
        return _form(page, view, checked.sent, checked, status=422)
    submission = page.services.machine.submit(checked.job, force="force" in form, by=actor)
    return RedirectResponse(f"/jobs/{submission.run.job_id}", 303)


@router.get("/pick/blobs")
def pick(
    page: ThePage,
    container: str = "",
    prefix: Annotated[str, Query(max_length=1024)] = "",
    cursor: str | None = None,
) -> Response:
    """Containers, and the blobs of one: a part of the form, where one is picked."""
    blobs = page.services.blobs
    places = [f"{zone}-{name}" for zone in Zone for name in blobs.containers(zone)]
    found: list[BlobInfo] = []
    following = None
    if container:
        listed = inventory.search(blobs, Container.parse(container), prefix, "", BLOBS, cursor)
        found, following = listed.blobs, listed.next
    return page.show(
        "parts/blobs.html",
        places=places,
        container=container,
        prefix=prefix,
        blobs=found,
        following=following,
    )


def _form(
    page: Page,
    view: JobTypeView,
    given: Mapping[str, Any],
    checked: Checked,
    *,
    template: str = "",
    status: int = 200,
) -> Response:
    services = page.services
    known = fields(view.parameters)
    kinds = {each.kind for each in known}
    return page.show(
        "form.html",
        status,
        view=view,
        fields=[each for each in known if each.required],
        others=[each for each in known if not each.required],
        given=given,
        checked=checked,
        spelled=_spelled(page, view, checked),
        template=template,
        templates=[each for each in _templates(page) if each.job_type == view.job_type],
        containers=_containers(page) if Kind.CONTAINER in kinds else [],
        zones=[str(zone) for zone in Zone if zone in services.uploads.into],
        has_blobs=Kind.BLOB in kinds,
        may_submit=page.may("POST", "/submit/{job_type}", job_type=view.job_type),
    )


def _containers(page: Page) -> list[str]:
    try:
        return [f"{zone}-{name}" for zone in Zone for name in page.services.blobs.containers(zone)]
    except CoreMachineError:  # the name can still be typed
        return []


def _given(page: Page, template: str, of: str) -> Mapping[str, Any]:
    if template and page.services.templates is not None:
        return page.services.templates.get(template, None).parameters
    if of:
        found: Any = page.services.insights.job(of, verbose=True).parameters
        return cast(dict[str, Any], found) if isinstance(found, dict) else {}
    return {}


def _templates(page: Page) -> list[TemplateView]:
    templates = page.services.templates
    return [] if templates is None else templates.page(None, TEMPLATES).templates


def _checked(page: Page, view: JobTypeView, sent: dict[str, Any], wrong: dict[str, str]) -> Checked:
    if wrong:
        return Checked(sent, wrong)
    try:
        refuse_nul(sent)
        job = page.services.machine.parse(view.job_type, sent)
    except InvalidParameters as error:
        return Checked(sent, wrong_by_parameter(error))
    except BadInput as error:
        return Checked(sent, {"": str(error)})
    status = page.services.insights.status_of(job.fingerprint)
    return Checked(sent, {}, job, status, plan_lines(type(job)), _sizes(page, view, sent))


def _sizes(page: Page, view: JobTypeView, sent: Mapping[str, Any]) -> dict[str, int]:
    """How much the blobs hold that the form names, as far as they are there."""
    known: list[Field] = [each for each in fields(view.parameters) if each.kind is Kind.BLOB]
    sizes: dict[str, int] = {}
    for each in known:
        try:
            sizes[each.name] = page.services.blobs.info(BlobRef(str(sent.get(each.name, "")))).size
        except CoreMachineError:  # the task will say what is wrong with it
            continue
    return sizes


def _spelled(page: Page, view: JobTypeView, checked: Checked) -> dict[str, str]:
    """The same submission for a terminal and for a program."""
    url = f"{page.request.base_url}".rstrip("/")
    body = json.dumps(checked.sent, ensure_ascii=False)
    key = ' -H "X-API-Key: $CM_API_KEY"' if page.is_identified else ""
    sent = pformat(checked.sent, width=88, sort_dicts=False)
    return {
        "curl": f"curl -X POST {url}/api/jobs/submit/{view.job_type}{key} -d {shlex.quote(body)}",
        "python": "from coremachine_client import Client\n\n"
        f'with Client("{url}") as client:\n    job = client.submit("{view.job_type}", {sent})',
    }
