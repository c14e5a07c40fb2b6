"""HTTP triggers: each function's route, under the prefix of host.json."""

import re
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triggers.devhost.indexing import HttpFunction
from triggers.devhost.worker import Worker

_PARAMETER = re.compile(r"\{(?P<rest>\*?)(?P<name>\w+)(:\w+)?(?P<optional>\??)\}")
_BODY_LIMIT = 100 * 1024 * 1024


def http_app(functions: Iterable[HttpFunction], worker: Worker, prefix: str) -> Starlette:
    """An ASGI app that hands requests to functions. A literal route wins over one with parameters."""
    routes = [
        route for f in sorted(functions, key=_vagueness) for route in _routes(f, worker, prefix)
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


def _vagueness(function: HttpFunction) -> tuple[int, int]:
    return function.route.count("{*"), function.route.count("{")


def _routes(function: HttpFunction, worker: Worker, prefix: str) -> list[Route]:
    path = _PARAMETER.sub(
        lambda m: f"{{{m['name']}:path}}" if m["rest"] else f"{{{m['name']}}}", function.route
    )
    paths = [path]
    last = re.search(_PARAMETER.pattern + "$", function.route)
    if last and (last["rest"] or last["optional"]):
        paths.append(path[: path.rindex("{")].rstrip("/"))
    base = f"/{prefix}" if prefix else ""

    async def endpoint(request: Request) -> Response:
        return await _answer(request, function, worker)

    methods = list(function.methods)
    return [Route(f"{base}/{p}".rstrip("/") or "/", endpoint, methods=methods) for p in paths]


async def _answer(request: Request, function: HttpFunction, worker: Worker) -> Response:
    body = await request.body()
    if len(body) > _BODY_LIMIT:
        return Response(status_code=413)
    invoked = await worker.invoke(
        function.id, function.argument, _request_datum(request, body, worker)
    )
    return _response(invoked.returned) if invoked.ok else Response(status_code=500)


def _request_datum(request: Request, body: bytes, worker: Worker) -> Any:
    def texts(values: dict[str, str]) -> dict[str, Any]:
        return {name: worker.datum("string", value) for name, value in values.items()}

    value = {
        "method": worker.datum("string", request.method),
        "url": worker.datum("string", str(request.url)),
        "headers": texts(_joined(request)),
        "params": texts({name: str(value) for name, value in request.path_params.items()}),
        "query": texts(dict(request.query_params)),
        "body": worker.datum("bytes", body),
    }
    return worker.datum("http", value)


def _joined(request: Request) -> dict[str, str]:
    """The headers as the wire between host and worker carries them: each name once."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        glue = "; " if name == "cookie" else ", "
        joined[name] = f"{joined[name]}{glue}{value}" if name in joined else value
    return joined


def _response(returned: Any) -> Response:
    if returned is None:
        return Response(status_code=204)
    if returned.type == "string":
        return Response(returned.value, media_type="text/plain")
    answer = returned.value
    headers = {name: datum.value for name, datum in answer["headers"].items()}
    response = Response(answer["body"].value, int(answer["status_code"].value), headers)
    for cookie in cast(list[SimpleCookie], answer["cookies"] or []):
        for morsel in cookie.values():
            response.headers.append("set-cookie", morsel.OutputString())
    return response
