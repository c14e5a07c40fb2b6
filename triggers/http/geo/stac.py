"""The STAC API, read only: stac-fastapi's clients over pgSTAC, on routes of our own."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from json import JSONDecodeError
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from stac_fastapi.api.models import (
    CollectionUri,
    EmptyRequest,
    GeoJSONResponse,
    ItemCollectionUri,
    ItemUri,
    JSONSchemaResponse,
    create_get_request_model,
    create_post_request_model,
    create_request_model,
)
from stac_fastapi.api.routes import create_async_endpoint
from stac_fastapi.pgstac.config import Settings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.extensions.filter import FiltersClient
from stac_fastapi.pgstac.models.extensions import Extensions
from stac_fastapi.pgstac.types.search import PgstacSearch
from stac_fastapi.types.errors import InvalidQueryParameter, NotFoundError

from core.blobs import BlobRef
from core.catalog import Document, whole
from core.errors import BadInput, CollectionNotFound, ItemNotFound, ServiceUnavailable
from triggers.http.problems import invalid_parameters
from triggers.http.requests import Parameters

PREFIX = "/api/stac"
TITLE, ABOUT = "CoreMachine", "What was made, by place and time."
SETTINGS = Settings(
    _env_file=None,  # type: ignore[call-arg]
    prefix_path=PREFIX,
    enabled_extensions=None,
    enable_transactions_extensions=False,
    enable_catalogs_extension=False,
    validate_extensions=False,
    use_api_hydrate=True,
    exclude_hydrate_markers=True,
    enable_response_models=False,
    enable_direct_response=False,
    stac_fastapi_title=TITLE,
    stac_fastapi_description=ABOUT,
    stac_fastapi_landing_id="coremachine",
    stac_fastapi_version="1",
)
"""Said here and not by the environment, which others may have filled for servers of theirs."""
EXTENSIONS = Extensions(settings=SETTINGS)
SEARCH_BODY = {
    "requestBody": {
        "description": "An item search: collections, ids, bbox, intersects, datetime, filter, sortby, fields, limit, token.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def addressed(document: Document, base: str) -> Document:
    """With addresses that anyone can follow in place of blobs; `coremachine:blob` keeps the blob's own name."""
    if not isinstance(document.get("assets"), dict):
        return document
    assets = {name: _addressed(asset, base) for name, asset in document["assets"].items()}
    return {**document, "assets": assets}


def _addressed(asset: Document, base: str) -> Document:
    try:
        ref = BlobRef(asset["href"])
    except (BadInput, KeyError):
        return asset
    return {**asset, "href": f"{base}/api/storage/blob/{quote(ref)}", "coremachine:blob": str(ref)}


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


class Client(CoreCrudClient):
    """stac-fastapi's client, whose assets can be fetched and whose errors are ours."""

    async def _search_base(self, search_request: PgstacSearch, request: Request) -> Any:
        found: Any = await super()._search_base(search_request, request)
        items = [whole(addressed(item, _base(request))) for item in found["features"]]
        return {**found, "features": items}

    async def all_collections(self, request: Request, *args: Any, **more: Any) -> Any:
        found: Any = await super().all_collections(request, *args, **more)
        if isinstance(found, JSONResponse):  # only some fields were asked for
            return found
        held = [addressed(each, _base(request)) for each in found["collections"]]
        return {**found, "collections": held}

    async def get_collection(self, collection_id: str, request: Request, **more: Any) -> Any:
        try:
            found: Any = await super().get_collection(collection_id, request, **more)
        except NotFoundError:
            raise CollectionNotFound(f"There is no collection {collection_id!r}") from None
        return addressed(found, _base(request))

    async def get_item(
        self, item_id: str, collection_id: str, request: Request, **more: Any
    ) -> Any:
        try:
            return await super().get_item(item_id, collection_id, request, **more)
        except NotFoundError:
            raise ItemNotFound(f"There is no item {item_id!r} in {collection_id!r}") from None


Act = Callable[..., Awaitable[Any]]


def _ours(act: Act, answers: type[JSONResponse]) -> Act:
    """What the library says of a wrong request, said as everything else says it, and a chosen part typed as the whole."""

    @wraps(act)
    async def asked(*args: Any, **more: Any) -> Any:
        try:
            found = await act(*args, **more)
            if isinstance(found, JSONResponse):  # only some fields were asked for
                found.headers["content-type"] = answers.media_type
            return found
        except (InvalidQueryParameter, JSONDecodeError) as error:
            raise BadInput(str(error)) from error
        except NotFoundError as error:
            raise CollectionNotFound(str(error)) from error

    return asked


def _by_body(act: Act, model: type[BaseModel]) -> Act:
    """An endpoint that reads its query as all of ours read theirs. The library's model trips over odd types."""

    async def asked(request: Request, body: Parameters) -> Any:
        try:
            query = model.model_validate(body)
        except ValidationError as error:
            raise invalid_parameters(
                [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
            ) from None
        except (AttributeError, TypeError, KeyError) as error:
            raise BadInput(
                "The body is no item search; GET /api/stac/conformance names what it may be."
            ) from error
        return await act(query, request=request)

    return asked


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the STAC API."""

    method: str
    path: str
    name: str
    about: str
    act: Act
    takes: Any
    answers: type[JSONResponse] = JSONResponse


def _client(post: Any) -> Client:
    client = Client(pgstac_search_model=post, landing_page_id="coremachine")
    client.title, client.description = TITLE, ABOUT
    client.extensions = [*EXTENSIONS.search, *EXTENSIONS.item_collection]
    if EXTENSIONS.collection_search is not None:
        client.extensions.append(EXTENSIONS.collection_search)
    return client


def _routes() -> list[Route]:
    post = create_post_request_model(EXTENSIONS.search, base_model=PgstacSearch)
    search = create_get_request_model(EXTENSIONS.search)
    collections = EXTENSIONS.collection_search
    assert collections is not None
    items = create_request_model(
        "ItemsOfCollection", ItemCollectionUri, EXTENSIONS.item_collection, request_type="GET"
    )
    client = _client(post)
    filters, one = FiltersClient(), "/collections/{collection_id}"
    geo, schema = GeoJSONResponse, JSONSchemaResponse
    return [
        Route("GET", "", "stac", "Where a STAC client begins.", client.landing_page, EmptyRequest),
        Route("GET", "/conformance", "stac_conformance", "Which parts of the STAC API there are.", client.conformance, EmptyRequest),
        Route("GET", "/collections", "stac_collections", "Collections, by place, time and words.", client.all_collections, collections.GET),
        Route("GET", one, "stac_collection", "One collection.", client.get_collection, CollectionUri),
        Route("GET", f"{one}/items", "stac_items", "The items of a collection, in pages.", client.item_collection, items, geo),
        Route("GET", f"{one}/items/{{item_id}}", "stac_item", "One item.", client.get_item, ItemUri, geo),
        Route("GET", "/search", "stac_search", "Items of any collection, by place, time and what they say.", client.get_search, search, geo),
        Route("POST", "/search", "stac_search_by_body", "The same, with the query as the body.", client.post_search, post, geo),
        Route("GET", "/queryables", "stac_queryables", "What every item can be searched by.", filters.get_queryables, EmptyRequest, schema),
        Route("GET", f"{one}/queryables", "stac_collection_queryables", "What a collection's items can be searched by.", filters.get_queryables, CollectionUri, schema),
    ]  # fmt: skip


def _router() -> APIRouter:
    made = APIRouter(prefix=PREFIX, tags=["stac"])
    for route in _routes():
        reads_body = route.method == "POST"
        endpoint = _by_body if reads_body else create_async_endpoint
        made.add_api_route(
            route.path,
            endpoint(_ours(route.act, route.answers), route.takes),
            methods=[route.method],
            name=route.name,
            description=route.about,
            response_class=route.answers,
            response_model=None,
            openapi_extra=SEARCH_BODY if reads_body else None,
        )
    # The root link of every document ends with a slash.
    root = made.routes[0]
    made.add_api_route("/", root.endpoint, include_in_schema=False, response_class=JSONResponse)  # type: ignore[attr-defined]
    return made


router = _router()


def join(app: FastAPI) -> None:
    """What stac-fastapi's clients look for on the app."""
    app.state.settings = SETTINGS
    app.state.router_prefix = PREFIX
    app.state.get_connection = _connection


@asynccontextmanager
async def _connection(request: Request, readwrite: str = "r") -> AsyncGenerator[Any]:
    connections = request.app.state.services.stac
    if connections is None:
        raise ServiceUnavailable("this web app was made without a STAC database")
    async with connections.connection() as conn:
        yield conn
