"""Around every endpoint of tiles: the libraries' errors as problems, and the headers that let clients keep pictures."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.tiles.atlas import Source
from services.tiles.errors import OutsideBounds, told

BUSY = 16
"""Pictures that are made at the same time. The rest wait without a thread, so that other requests get one."""
KEPT, UNSURE = "private, max-age=3600", "private, max-age=60"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Unchanged(Exception):
    """The caller has this picture already."""

    def __init__(self, etag: str) -> None:
        self.etag = etag


class TileRoute(APIRoute):
    """A tile that nothing covers is no error: map clients take a 204 for a transparent one."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        is_tile = "/tiles/" in self.path and "{z}" in self.path

        async def handle(request: Request) -> Response:
            try:
                with told():
                    async with request.app.state.tile_turns:
                        response = await handler(request)
            except Unchanged as unchanged:
                response = Response(status_code=304, headers={"ETag": unchanged.etag})
            except OutsideBounds:
                if not is_tile:
                    raise
                response = Response(status_code=204)
            return _kept(request, response)

        return handle


def seen(request: Request, source: Source) -> Source:
    """Note the source for the headers of the answer. It raises Unchanged where the caller has that answer."""
    request.state.source = source
    etag = _etag(request, source)
    if etag and request.method == "GET" and etag in request.headers.get("if-none-match", ""):
        raise Unchanged(etag)
    return source


def _kept(request: Request, response: Response) -> Response:
    source: Source | None = getattr(request.state, "source", None)
    if source is None or response.status_code >= 400:
        return response
    response.headers["Cache-Control"] = KEPT if source.version else UNSURE
    if etag := _etag(request, source):
        response.headers["ETag"] = etag
    return response


def _etag(request: Request, source: Source) -> str:
    """The same raster, asked the same way, gives the same answer."""
    if not source.version:
        return ""
    asked = f"{source.version} {request.url.path}?{request.url.query}"
    return f'"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'
