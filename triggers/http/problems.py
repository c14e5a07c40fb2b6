"""Every error as RFC 9457 problem details, in one envelope that tells nothing about the inside."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from core.errors import (
    BodyTooLarge,
    CoreMachineError,
    InvalidParameters,
    MalformedBody,
    NothingThere,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "2"
COME_BACK = (429, 503)
"""Answers that tell when to try again."""


class MethodNotAllowed(CoreMachineError):
    """That address answers, but not to this method."""

    code, status = "method_not_allowed", 405


class BadRequest(CoreMachineError):
    """The request is not valid HTTP for this service."""

    code, status = "bad_request", 400


class Wrong(BaseModel):
    """One parameter that is not right."""

    parameter: str
    place: str
    """Where it stands: body, query, path or header."""
    message: str
    type: str


class Problem(BaseModel):
    """What went wrong, for people (`title`, `detail`) and for programs (`code`, `errors`)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    """Stable: programs may rely on it."""
    correlation_id: str
    """Names this request in the logs."""
    errors: list[Wrong] = []


ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem, as RFC 9457 describes it.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def problem(
    error: CoreMachineError, correlation_id: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response that tells of an error. Of what went wrong inside it tells only the kind."""
    inside = error.status >= 500
    kind = _title(error)
    body = Problem(
        type=getattr(error, "about", f"/errors/{error.code}"),
        title=kind,
        status=error.status,
        detail=f"{kind} Quote the correlation id when you report this." if inside else str(error),
        code=error.code,
        correlation_id=correlation_id,
        errors=_wrong(error),
    )
    more = {"Retry-After": RETRY_AFTER} if error.status in COME_BACK else {}
    return JSONResponse(
        body.model_dump(), error.status, {**(headers or {}), **more}, media_type=MEDIA_TYPE
    )


def _title(error: CoreMachineError) -> str:
    return (type(error).__doc__ or "").strip().splitlines()[0]


def _wrong(error: CoreMachineError) -> list[Wrong]:
    given = error.errors if isinstance(error, InvalidParameters) else []
    return [_named(cast(Mapping[str, Any], one)) for one in given]


def _named(error: Mapping[str, Any]) -> Wrong:
    place, *name = error["loc"] or ("body",)
    if place not in ("query", "path", "header", "body"):
        place, name = "body", [place, *name]
    return Wrong(
        parameter=".".join(str(part) for part in name),
        place=place,
        message=error["msg"],
        type=error["type"],
    )


def correlation_of(request: Request) -> str:
    return request.scope.get("correlation_id", "")


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CoreMachineError)
    name = correlation_of(request)
    if error.status >= 500:
        trace = None if error.retryable else error
        log.error("%s %s (%s): %s", request.method, request.url.path, name, error, exc_info=trace)
    return problem(error, name)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that FastAPI refused: its parameters do not have the declared types."""
    assert isinstance(error, RequestValidationError)
    errors = [{key: one[key] for key in ("loc", "msg", "type")} for one in error.errors()]
    if any(one["type"] == "json_invalid" for one in errors):
        return problem(MalformedBody("The body is not JSON."), correlation_of(request))
    return problem(invalid_parameters(errors), correlation_of(request))


def invalid_parameters(errors: Sequence[Mapping[str, Any]]) -> InvalidParameters:
    names = ", ".join(".".join(str(part) for part in one["loc"][1:]) for one in errors)
    message = f"{len(errors)} parameter(s) of this request are not right: {names}"
    return InvalidParameters(message, [dict(one) for one in errors])


async def _http(request: Request, error: Exception) -> JSONResponse:
    """What the framework refused before any endpoint saw it."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            known: CoreMachineError = NothingThere(_no_route(request))
        case 405:
            allowed = (error.headers or {}).get("Allow", "other methods")
            known = MethodNotAllowed(f"{request.url.path} takes {allowed}, not {request.method}.")
        case 413:
            known = BodyTooLarge(str(error.detail))
        case _:
            known = BadRequest(str(error.detail))
    return problem(known, correlation_of(request), error.headers)


def _no_route(request: Request) -> str:
    app = cast(FastAPI, request.app)
    path = request.url.path
    paths: list[str] = list(app.openapi()["paths"])
    near = difflib.get_close_matches(path, paths, n=1)
    hint = f"Did you mean {near[0]}?" if near else "GET /api/openapi.json lists what there is."
    return f"Nothing answers at {path[:200]}. {hint}"


def speak_problems(app: FastAPI) -> None:
    """Let the app tell of every error in the one envelope."""
    app.add_exception_handler(CoreMachineError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
