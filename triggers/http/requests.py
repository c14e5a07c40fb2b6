"""What endpoints share in reading requests: strict bodies, strict queries, and the links of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from core.errors import MalformedBody
from core.values import NUL
from triggers.http.problems import invalid_parameters

M = TypeVar("M", bound=BaseModel)

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(description="The `next` of the page before.")]
Hours = Annotated[float | None, Query(gt=0, le=87_600, description="Created in the last hours.")]
Verbose = Annotated[bool, Query(description="Tell everything.")]


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; no body is an empty one. NaN and broken Unicode are not JSON."""
    body = await request.body()
    if not body.strip():
        return {}
    try:
        value: Any = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedBody('The body must be a JSON object, like {"n": 5}.')
    parameters = cast(dict[str, Any], value)
    if NUL.search(body):
        refuse_nul(parameters)
    return parameters


def refuse_nul(parameters: dict[str, Any]) -> None:
    """The database keeps every character but this one."""
    wrong = [name for name, given in parameters.items() if "\0" in _characters([name, given])]
    if wrong:
        raise invalid_parameters(
            [{"loc": ("body", n), "msg": "holds a NUL character", "type": "nul"} for n in wrong]
        )


def _characters(value: Any) -> str:
    """All text inside a JSON value."""
    match value:
        case str():
            return value
        case list():
            return "".join(_characters(part) for part in cast(list[Any], value))
        case dict():
            return "".join(_characters(list(p)) for p in cast(dict[str, Any], value).items())
        case _:
            return ""


Parameters = Annotated[dict[str, Any], Depends(json_object)]


def body_of(model: type[M]) -> Callable[[Parameters], M]:
    """A dependency that reads the body as this model, whatever type of content it is said to be."""

    def read(given: Parameters) -> M:
        return fitted(model, given)

    return read


def fitted(model: type[M], given: Mapping[str, Any]) -> M:
    """What a body says, as a model; what does not fit is named."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_parameters(
            [{**dict(one), "loc": ("body", *one["loc"])} for one in error.errors()]
        ) from None


def described(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """What the OpenAPI document tells of such a body."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": required, "content": content}}


_QUERIES: dict[tuple[Any, str, str], frozenset[str]] = {}
"""What is known already, by what answers, its path and its method."""


def query_parameters(route: APIRoute, method: str) -> frozenset[str]:
    """Their names, as the document of this route alone tells them: the whole one takes a second to write."""
    key = (route.endpoint, route.path_format, method)
    if key not in _QUERIES:
        document: dict[str, Any] = get_openapi(title="one route", version="1", routes=[route])
        operations: dict[str, Any] = document["paths"].get(route.path_format, {})
        told: list[dict[str, Any]] = operations.get(method.lower(), {}).get("parameters", [])
        _QUERIES[key] = frozenset(each["name"] for each in told if each["in"] == "query")
    return _QUERIES[key]


async def only_described(request: Request) -> None:
    """Refuse query parameters that the OpenAPI document does not describe for this operation."""
    if not request.query_params:
        return
    known = query_parameters(request.scope["route"], request.method)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
        raise invalid_parameters(
            [
                {"loc": ("query", name), "msg": f"unknown; {takes}", "type": "unknown_parameter"}
                for name in unknown
            ]
        )


def later(created_after: datetime | None, hours: float | None) -> datetime | None:
    """The later of a moment and so many hours ago."""
    ago = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    return max((moment for moment in (created_after, ago) if moment is not None), default=None)


def job_links(job_id: str) -> dict[str, str]:
    """Where everything about a job is found."""
    job = f"/api/jobs/{job_id}"
    return {
        "self": job,
        "status": f"/api/jobs/status/{job_id}",
        "tasks": f"{job}/tasks",
        "events": f"{job}/events",
        "stream": f"{job}/events/stream",
        "logs": f"{job}/logs",
        "result": f"{job}/result",
    }


def page_links(
    request: Request, following: str | int | None, name: str = "cursor"
) -> dict[str, str | None]:
    """This page, and the one that follows it with the same filters."""
    here = request.url
    on = None if following is None else here.include_query_params(**{name: following})
    return {"self": _relative(here), "next": None if on is None else _relative(on)}


def _relative(url: Any) -> str:
    return f"{url.path}?{url.query}" if url.query else url.path
