"""Templates: named parameters that jobs are submitted from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer, Submitted
from coremachine_client.transport import Transport


class Template(Answer):
    """A set of parameters under a name. Every change makes a version."""

    name: str
    version: int = 1
    job_type: str = ""
    parameters: Any = None
    description: str | None = None


class Templates:
    """What a client can do with templates."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Template]:
        return map(Template.model_validate, self.transport.pages("/api/templates", "templates"))

    def get(self, name: str) -> Template:
        return self.transport.get(Template, _path(name))

    def put(self, name: str, job_type: str, parameters: Mapping[str, Any], **more: Any) -> Template:
        """Make a template, or a new version of it."""
        body = {"job_type": job_type, "parameters": parameters, **more}
        return self.transport.put(Template, _path(name), body)

    def delete(self, name: str) -> None:
        self.transport.send("DELETE", _path(name))

    def versions(self, name: str) -> Iterator[Template]:
        found = self.transport.pages(_path(name, "versions"), "versions")
        return map(Template.model_validate, found)

    def submit(
        self,
        name: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
    ) -> Submitted:
        """Submit a job with its parameters, some of them overridden."""
        body: dict[str, Any] = {"overrides": overrides or {}}
        if version is not None:
            body["version"] = version
        return self.transport.post(Submitted, _path(name, "submit"), body, repeatable=True)


def _path(name: str, verb: str = "") -> str:
    path = f"/api/templates/{quote(name, safe='')}"
    return f"{path}/{verb}" if verb else path
