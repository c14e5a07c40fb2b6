"""Templates over HTTP: named, versioned sets of parameters."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.names import PATTERN
from core.states import JobStatus
from core.templates import TemplatePage, TemplateView, UsePage
from triggers.http.door.actor import TheActor
from triggers.http.requests import Limit, body_of, described, job_links, page_links
from triggers.http.services import TheTemplates

router = APIRouter(prefix="/api/templates", tags=["templates"])

Name = Annotated[str, Path(description="Lower case letters, digits and . _ -")]
Version = Annotated[int | None, Query(ge=1, lt=2**31, description="The latest without it.")]
Position = Annotated[int | None, Query(ge=0, lt=2**63)]

After = Annotated[
    str | None, Query(pattern=f"^{PATTERN}$", description="The `next` of the page before.")
]


class TemplateOrder(BaseModel):
    """What a template shall say from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    job_type: str
    parameters: dict[str, Any] = {}
    """What is missing must come with each submission."""
    description: str = Field(default="", max_length=2_000)


class TemplateUse(BaseModel):
    """A submission of a template."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    overrides: dict[str, Any] = {}
    """Parameters that take the place of the template's own."""
    version: int | None = Field(default=None, ge=1, lt=2**31, strict=True)
    """The latest without it."""
    force: bool = Field(default=False, strict=True)
    """Run a job again that has ended."""


class TemplateAnswer(TemplateView):
    """A template, and where its parts are found."""

    links: dict[str, str]


class TemplateList(TemplatePage):
    """A page of templates."""

    links: dict[str, str | None]


class UseList(UsePage):
    """A page of submissions."""

    links: dict[str, str | None]


class TemplateDeleted(BaseModel):
    """The template is gone."""

    name: str
    changed: bool = True
    message: str


class TemplateSubmitted(BaseModel):
    """What came of a submission."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    template: str
    version: int
    job_id: str
    job_type: str
    status: JobStatus
    run: int
    is_new: bool
    """Whether this submission began the run; equal parameters find the job that exists."""
    parameters: dict[str, Any]
    links: dict[str, str]


@router.get("")
def templates(
    request: Request, templates: TheTemplates, cursor: After = None, limit: Limit = 50
) -> TemplateList:
    """The latest version of every template, by name."""
    page = templates.page(cursor, limit)
    return TemplateList(**dict(page), links=page_links(request, page.next))


@router.put(
    "/{name}",
    status_code=201,
    openapi_extra=described(TemplateOrder),
    responses={
        200: {"model": TemplateAnswer, "description": "The latest version says so already."}
    },
)
def save_template(
    name: Name,
    order: Annotated[TemplateOrder, Depends(body_of(TemplateOrder))],
    templates: TheTemplates,
    actor: TheActor,
    response: Response,
) -> TemplateAnswer:
    """Save a new version. Versions that there are never change."""
    view, is_new = templates.save(
        name, order.job_type, order.parameters, by=actor, description=order.description
    )
    response.status_code = 201 if is_new else 200
    return _answer(view)


@router.get("/{name}")
def template(name: Name, templates: TheTemplates, version: Version = None) -> TemplateAnswer:
    """One version of a template."""
    return _answer(templates.get(name, version))


@router.delete("/{name}")
def delete_template(name: Name, templates: TheTemplates, actor: TheActor) -> TemplateDeleted:
    """Let it not be submitted any more. What was submitted stays known."""
    templates.delete(name, by=actor)
    return TemplateDeleted(name=name, message=f"Template {name} is deleted.")


@router.get("/{name}/versions")
def template_versions(
    request: Request,
    name: Name,
    templates: TheTemplates,
    cursor: Position = None,
    limit: Limit = 50,
) -> TemplateList:
    """Its versions, the latest first."""
    page = templates.versions(name, cursor, limit)
    return TemplateList(**dict(page), links=page_links(request, page.next))


@router.get("/{name}/submissions")
def template_submissions(
    request: Request,
    name: Name,
    templates: TheTemplates,
    cursor: Position = None,
    limit: Limit = 50,
) -> UseList:
    """What was submitted of it, the last first; also of a template that was deleted."""
    page = templates.uses(name, cursor, limit)
    return UseList(**dict(page), links=page_links(request, page.next))


@router.post(
    "/{name}/submit", status_code=202, openapi_extra=described(TemplateUse, required=False)
)
def submit_template(
    name: Name,
    use: Annotated[TemplateUse, Depends(body_of(TemplateUse))],
    templates: TheTemplates,
    actor: TheActor,
) -> TemplateSubmitted:
    """Submit its job, with overrides in place of its own parameters."""
    job, submission, version = templates.submit(
        name, use.overrides, by=actor, version=use.version, force=use.force
    )
    run = submission.run
    return TemplateSubmitted(
        template=name,
        version=version,
        job_id=run.job_id,
        job_type=run.job_type,
        status=run.status,
        run=run.number,
        is_new=submission.is_new,
        parameters=job.model_dump(mode="json"),
        links=job_links(run.job_id),
    )


def _answer(view: TemplateView) -> TemplateAnswer:
    here = f"/api/templates/{view.name}"
    links = {
        "self": here,
        "versions": f"{here}/versions",
        "submissions": f"{here}/submissions",
        "submit": f"{here}/submit",
    }
    return TemplateAnswer(**dict(view), links=links)
