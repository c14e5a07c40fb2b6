"""The web app. One ASGI app, hosted by Azure Functions and by uvicorn alike."""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from core.imports import one_at_a_time
from services.raster.costs import watched as holdings
from services.weather.tilecache.inventory import watched
from triggers.http import docs
from triggers.http.door.access import Doorkeeper
from triggers.http.door.aliases import Aliases
from triggers.http.door.crowd import Crowd
from triggers.http.door.gate import Gate, admitted
from triggers.http.door.middleware import Correlated, LimitedBody
from triggers.http.door.roles import secured
from triggers.http.door.watched import Watched
from triggers.http.geo import forecasts, grids, stac, stac_tools, weather
from triggers.http.jobs import (
    batches,
    control,
    events,
    job_types,
    jobs,
    legacy,
    limits,
    logs,
    schedules,
    templates,
    webhooks,
)
from triggers.http.ogc import routes as ogc
from triggers.http.operate import dbadmin, dead_letters, health, history, identity, metrics, status
from triggers.http.problems import ANY_PROBLEM, Problem, speak_problems
from triggers.http.requests import only_described
from triggers.http.services import Services
from triggers.http.storage import blobs, costs, inventories, links, uploads
from triggers.pages import routers as pages
from triggers.pages.faces import Faces
from triggers.pages.page import genuine

DESCRIPTION = """Submit geospatial jobs, follow them, and read what they gave.

Every error is problem JSON (RFC 9457) with a stable `code`. Lists come in pages: pass `next` as `cursor`.
"""
ROUTERS = (
    jobs.router,
    control.router,
    events.router,
    logs.router,
    job_types.router,
    limits.router,
    schedules.router,
    templates.router,
    batches.router,
    status.router,
    history.router,
    metrics.router,
    identity.router,
    grids.router,
    weather.router,
    forecasts.router,
    forecasts.fires,
    legacy.router,
    uploads.router,
    links.router,
    costs.router,
    blobs.router,
    inventories.router,
    stac_tools.router,
    ogc.router,
    dead_letters.router,
    dbadmin.router,
    stac.router,
    webhooks.router,
)


class WebApp(FastAPI):
    """FastAPI, whose document holds the schema that every operation's errors refer to."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            schemas.update({**schema.pop("$defs", {}), "Problem": schema})
            secured(super().openapi())
        return super().openapi()


def create_app(services: Services) -> FastAPI:
    """The app over these services. Nothing is connected until the first request needs it."""
    doorkeeper = Doorkeeper(services.access, services.machine)
    app = WebApp(
        title="CoreMachine",
        description=DESCRIPTION,
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(Faces),
            Middleware(Aliases),
            Middleware(Correlated),
            Middleware(Watched, lambda: services.machine.watch),
            Middleware(Crowd, services.crowd),
            Middleware(Gate, doorkeeper, services.audit),
            Middleware(
                LimitedBody,
                services.max_body_bytes,
                [*uploads.limits(services.uploads), batches.LIMIT],
            ),
        ],
    )
    app.state.services = services
    app.state.doorkeeper = doorkeeper
    app.state.checkup = health.checkup(services)
    app.state.holdings = holdings(services.catalog)
    app.state.forecasts = services.forecasts or watched(services.blobs)
    app.state.upload_slots = uploads.slots()
    for router in [*ROUTERS, *_tiles(app, services)]:
        app.include_router(
            router, dependencies=[Depends(admitted), Depends(only_described)], responses=ANY_PROBLEM
        )
    app.include_router(docs.router, dependencies=[Depends(admitted)])
    for router in pages.ROUTERS:
        app.include_router(router, dependencies=[Depends(admitted), Depends(genuine)])
    stac.join(app)
    speak_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    yield
    services: Services = app.state.services
    if services.stac is not None:
        await services.stac.close()


def _tiles(app: FastAPI, services: Services) -> list[APIRouter]:
    if not services.tiles:
        return []
    with one_at_a_time:
        from triggers.http import tiles  # noqa: PLC0415 - titiler takes two seconds to import

    app.state.atlas = tiles.atlas(services)
    app.state.tile_turns = Semaphore(tiles.BUSY)
    return tiles.routers()


def _operation_id(route: APIRoute) -> str:
    return route.name
