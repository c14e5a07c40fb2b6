"""The API's documentation pages, from packages of our own: no CDN, and no script inside a page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from core.errors import NothingThere, ServiceUnavailable
from triggers.http.services import TheServices

router = APIRouter(prefix="/api/interface", include_in_schema=False)

OURS = Path(__file__).parent / "static"
PACKAGED = {
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "redoc.standalone.js": "redoc/bundles/redoc.standalone.js",
}
OWN = frozenset({"swagger.js", "redoc.js", "docs.css"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class NotSetUp(ServiceUnavailable):
    """The packages of the documentation pages are not installed here; run make setup."""

    code = "not_set_up"


@router.get("/swagger", name="swagger_ui_html")  # stac-fastapi links to it by this name
def swagger(services: TheServices) -> FileResponse:
    """The API to try out."""
    return _page(services.static_folder, "swagger.html", "swagger-ui-bundle.js")


@router.get("/redoc")
def redoc(services: TheServices) -> FileResponse:
    """The API to read."""
    return _page(services.static_folder, "redoc.html", "redoc.standalone.js")


@router.get("/assets/{name}")
def asset(name: str, services: TheServices) -> FileResponse:
    """The scripts and styles of both pages, and nothing else."""
    if name in OWN:
        return FileResponse(OURS / name)
    if name not in PACKAGED:
        raise NothingThere(f"There is no asset {name!r}.")
    return FileResponse(_installed(services.static_folder, name))


def _page(folder: Path, page: str, needs: str) -> FileResponse:
    _installed(folder, needs)
    return FileResponse(OURS / page, headers={"Content-Security-Policy": POLICY})


def _installed(folder: Path, name: str) -> Path:
    file = folder / PACKAGED[name]
    if not file.is_file():
        raise NotSetUp(f"{file} is missing; run make setup")
    return file
