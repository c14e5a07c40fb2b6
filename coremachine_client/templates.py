"""Templates: named parameters that jobs are submitted from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Template(Answer):
    """A version of a template."""

    name: str
    version: int
    job_type: str
    parameters: dict[str, Any] = {}
    missing: list[str] = []
    """Parameters that a submission must add."""
    description: str = ""


class TemplateSubmitted(Answer):
    """What came of a submission."""

    template: str
    version: int
    job_id: str
    job_type: str
    status: str
    run: int
    is_new: bool
    parameters: dict[str, Any]


class Use(Answer):
    """A submission that was made of a template."""

    version: int
    overrides: dict[str, Any]
    job_id: str
    run: int
    is_new: bool
    by: str
    at: datetime


class Templates:
    """What a client can do with templates."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Template]:
        return map(Template.model_validate, self.transport.pages("/api/templates", "templates"))

    def get(self, name: str, version: int | None = None) -> Template:
        """One version, the latest unless told otherwise."""
        return self.transport.get(Template, _path(name), version=version)

    def put(
        self,
        name: str,
        job_type: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        description: str = "",
    ) -> Template:
        """Save a template, or a new version of it."""
        body = {
            "job_type": job_type,
            "parameters": parameters or {},
            "description": description,
        }
        return self.transport.put(Template, _path(name), body)

    def delete(self, name: str) -> None:
        """Let it not be submitted any more."""
        self.transport.send("DELETE", _path(name))

    def versions(self, name: str) -> Iterator[Template]:
        """Its versions, the latest first."""
        found = self.transport.pages(_path(name, "versions"), "templates")
        return map(Template.model_validate, found)

    def submissions(self, name: str) -> Iterator[Use]:
        """What was submitted of it, the last first."""
        found = self.transport.pages(_path(name, "submissions"), "submissions")
        return map(Use.model_validate, found)

    def submit(
        self,
        name: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        force: bool = False,
    ) -> TemplateSubmitted:
        """Submit its job, with overrides in place of its own parameters."""
        body: dict[str, Any] = {"overrides": overrides or {}, "version": version, "force": force}
        path = _path(name, "submit")
        return self.transport.post(TemplateSubmitted, path, body, repeatable=not force)


def _path(name: str, verb: str = "") -> str:
    path = f"/api/templates/{quote(name, safe='')}"
    return f"{path}/{verb}" if verb else path
