"""The web app. One ASGI app, hosted by Azure Functions and by uvicorn alike."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from triggers.http import docs, events, grids, health, job_types, jobs, legacy, status
from triggers.http.middleware import Correlated, LimitedBody
from triggers.http.problems import ANY_PROBLEM, Problem, speak_problems
from triggers.http.requests import only_described
from triggers.http.services import Services

DESCRIPTION = """Submit geospatial jobs, follow them, and read what they gave.

Every error is problem JSON (RFC 9457) with a stable `code`. Lists come in pages: pass `next` as `cursor`.
"""
ROUTERS = (jobs.router, events.router, job_types.router, status.router, grids.router, legacy.router)


class WebApp(FastAPI):
    """FastAPI, whose document holds the schema that every operation's errors refer to."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            schemas.update({**schema.pop("$defs", {}), "Problem": schema})
        return super().openapi()


def create_app(services: Services) -> FastAPI:
    """The app over these services. Nothing is connected until the first request needs it."""
    app = WebApp(
        title="CoreMachine",
        description=DESCRIPTION,
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        middleware=[Middleware(Correlated), Middleware(LimitedBody, services.max_body_bytes)],
    )
    app.state.services = services
    app.state.checkup = health.checkup(services)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(only_described)], responses=ANY_PROBLEM)
    app.include_router(docs.router)
    speak_problems(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
