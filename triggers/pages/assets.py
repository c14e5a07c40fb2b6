"""The scripts, styles and maps of the pages: a fixed list, ours and those of npm packages, and nothing else.

Their address holds a digest of them all, so browsers keep them for ever and still never mix two versions.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from core.errors import NothingThere
from triggers.http.docs import NotSetUp
from triggers.http.services import TheServices

router = APIRouter(include_in_schema=False)

OURS = Path(__file__).parent / "static"
PACKAGED = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "idiomorph.js": "idiomorph/dist/idiomorph-ext.min.js",
    "maplibre.js": "maplibre-gl/dist/maplibre-gl-csp.js",
    "maplibre-worker.js": "maplibre-gl/dist/maplibre-gl-csp-worker.js",
    "maplibre.css": "maplibre-gl/dist/maplibre-gl.css",
    "topojson.js": "topojson-client/dist/topojson-client.min.js",
    "countries-110m.json": "world-atlas/countries-110m.json",
    "countries-50m.json": "world-atlas/countries-50m.json",
}
OWN = frozenset(file.name for file in OURS.iterdir())
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
NOT_KEPT = {"Cache-Control": "no-cache"}


@cache
def version(folder: Path) -> str:
    """A digest of everything that is served; files do not change while a process lives."""
    digest = sha256()
    for name in sorted(OWN | PACKAGED.keys()):
        file = _file(folder, name)
        digest.update(name.encode() + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()[:12]


@router.get("/assets/{version}/{name}")
def page_asset(version: str, name: str, services: TheServices) -> FileResponse:
    """One of them."""
    if name not in OWN and name not in PACKAGED:
        raise NothingThere(f"There is no asset {name!r}.")
    file = _file(services.static_folder, name)
    if not file.is_file():
        raise NotSetUp(f"{file} is missing; run make setup")
    return FileResponse(file, headers=FOR_EVER if _is_current(version, services) else NOT_KEPT)


def _is_current(given: str, services: TheServices) -> bool:
    return given == version(services.static_folder)


def _file(folder: Path, name: str) -> Path:
    return OURS / name if name in OWN else folder / PACKAGED[name]
