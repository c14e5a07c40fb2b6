"""The route table: what it promises to hosts, documents and pages."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.http.house import House, serving
from tests.http.table import Operation, operations, page_routes, pages
from triggers.http.app import WebApp

SAMPLES = {
    "job_id": "ab" * 32,
    "task_id": "12-0-345",
    "job_type": "hello_world",
    "name": "docs.css",
    "key_id": "0123456789ab",
    "collection_id": "hills",
    "item_id": "a",
    "zone": "bronze",
    "container": "bronze-rasters",
    "path": "dem.tif",
    "upload_id": "abc",
    "batch_id": "7",
    "process_id": "hello_world",
    "number": "1",
    "stage": "review",
    "collection": "hills",
    "item": "a",
    "search": "ab",
    "webhook_id": "5b0e2a64-6a0d-4a3c-9d54-0d5b6a2f8a10",
    "delivery": "17",
    "version": "0",
    "tileMatrixSetId": "WebMercatorQuad",
    "format": "png",
    **dict.fromkeys(("z", "x", "y", "lon", "lat", "minx", "miny"), "0"),
    **dict.fromkeys(("maxx", "maxy", "width", "height"), "1"),
}
MODULES = Path(__file__).parents[2] / "node_modules"


def test_the_openapi_document_is_the_route_table(common_client: httpx.Client) -> None:
    """R132."""
    document = common_client.get("/api/openapi.json").json()
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(operation.method, operation.path) for operation in operations()}


def test_every_operation_is_described_with_its_problems(common_client: httpx.Client) -> None:
    document = common_client.get("/api/openapi.json").json()
    names = []
    for methods in document["paths"].values():
        for operation in methods.values():
            names.append(operation["operationId"])
            assert operation["description"]
            problem = operation["responses"]["default"]["content"]["application/problem+json"]
            assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert "422" not in operation["responses"]
    assert len(names) == len(set(names))
    references = set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')))
    assert references <= set(document["components"]["schemas"])


def test_no_route_begins_with_what_the_functions_host_keeps_for_itself() -> None:
    """R46."""
    paths = [operation.path for operation in operations() + pages()]
    assert paths
    ours = {route.path_format for route in page_routes()}
    assert {path for path in paths if not path.startswith("/api/")} == {"/metrics"} | ours
    assert not [path for path in ours if path.startswith(("/admin", "/runtime", "/api"))]
    assert not [path for path in paths if path.startswith(("/api/admin", "/api/runtime"))]


@pytest.mark.parametrize("operation", operations() + pages(), ids=str)
def test_every_route_is_reached_by_its_own_address(
    common_house: House, operation: Operation
) -> None:
    """R47: no literal path is caught by a parameter of another route."""
    path = re.sub(r"{(\w+)}", lambda name: SAMPLES[name[1]], operation.path)
    assert asyncio.run(reached(common_house.app(), operation.method, path)) == operation.path


async def reached(app: WebApp, method: str, path: str) -> str:
    """The route that answers; a stream that never ends is left once it has begun."""
    scopes, begun = [], asyncio.Event()

    async def noting(scope, receive, send) -> None:
        async def beginning(message) -> None:
            begun.set()
            await send(message)

        scopes.append(scope)
        await app(scope, receive, beginning)

    transport = httpx.ASGITransport(noting)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        request = asyncio.create_task(client.request(method, path))
        await begun.wait()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
    return scopes[0]["route"].path_format


@pytest.mark.skipif(not MODULES.is_dir(), reason="run make setup to install the pages' packages")
@pytest.mark.parametrize("page", ["swagger", "redoc"])
def test_the_documentation_pages_need_nobody_else(common_house: House, page: str) -> None:
    """No CDN, no script inside the page, and every file they name is served."""
    with serving(common_house.app(static_folder=MODULES)) as url:
        answer = httpx.get(f"{url}/api/interface/{page}", timeout=60)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert not re.search(r"<script(?! src=)", answer.text)
        named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        assert not [name for name in named if "//" in name]
        for name in named:
            if not name.startswith("data:"):
                target = httpx.get(httpx.URL(answer.url).join(name), timeout=60)
                assert target.status_code == 200, name


def test_pages_without_their_packages_say_what_to_do(common_house: House, tmp_path: Path) -> None:
    with serving(common_house.app(static_folder=tmp_path)) as url:
        answer = httpx.get(f"{url}/api/interface/swagger", timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_set_up")
        assert "make setup" in answer.json()["detail"]
        assert (
            httpx.get(f"{url}/api/interface/assets/..%2fswagger.html", timeout=60).status_code
            == 404
        )
