"""Storage: zones, containers, folders, and what is in a blob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.blobs import BlobRef, Blobs, Folder, Prefix, Zone
from core.errors import BlobNotFound, CoreMachineError, NothingThere
from core.imports import one_at_a_time
from services.storage.models import Container
from services.storage.preview import preview
from triggers.http.storage.blobs import MEANINGS
from triggers.pages.page import Page, ThePage

router = APIRouter(prefix="/storage", include_in_schema=False)

ROWS = 100
PICTURE = {
    "Cache-Control": "private, max-age=300",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the way down to where one is."""

    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class ZoneCard:
    """A zone with its containers; None where its account does not answer."""

    zone: Zone
    meaning: str
    containers: list[str] | None
    uploads: bool


@router.get("")
def storage(
    page: ThePage,
    container: str = "",
    prefix: Annotated[Prefix, Query(max_length=1024)] = "",
    cursor: Annotated[str | None, Query(max_length=4096)] = None,
) -> Response:
    """The zones, or what lies in a folder of a container."""
    if not container:
        return page.show("storage.html", zones=_zones(page))
    place = Container.parse(container)
    found = _folder(page.services.blobs, place, prefix, cursor)
    return page.show(
        "folder.html",
        place=place,
        name=f"{place.zone}-{place.name}",
        prefix=prefix,
        base=prefix.rpartition("/")[0] + "/" if "/" in prefix else "",
        crumbs=crumbs(prefix),
        folder=found,
        is_first=cursor is None,
        takes=_takes(page, place),
    )


@router.get("/blob")
def blob(page: ThePage, ref: BlobRef) -> Response:
    """One blob: its facts, and a glance into it."""
    blobs = page.services.blobs
    info = blobs.info(ref)
    return page.show(
        "blob.html",
        info=info,
        name=f"{ref.zone}-{ref.container}",
        crumbs=crumbs(ref.path),
        glance=preview(blobs, info),
        tiles=page.services.tiles,
    )


@router.get("/picture")
def picture(page: ThePage, ref: BlobRef) -> Response:
    """A small picture of a raster."""
    if not page.services.tiles:
        raise NothingThere("This host shows no rasters.")
    with one_at_a_time:
        from services.tiles.thumbnail import thumbnail  # noqa: PLC0415 - takes seconds to import, and not every host shows rasters

    opener = page.request.app.state.atlas.opener
    return Response(thumbnail(opener, ref), media_type="image/png", headers=PICTURE)


def crumbs(prefix: str) -> list[Crumb]:
    """The folders above a name, the outermost first."""
    parts = prefix.split("/")[:-1]
    return [Crumb(name or "/", "/".join(parts[: n + 1]) + "/") for n, name in enumerate(parts)]


def _folder(blobs: Blobs, place: Container, prefix: str, cursor: str | None) -> Folder:
    """A container that nobody has written to yet is as good as empty."""
    try:
        return blobs.folder(place.zone, place.name, prefix, cursor, ROWS)
    except BlobNotFound:
        return Folder(folders=[], blobs=[])


def _zones(page: Page) -> list[ZoneCard]:
    into = page.services.uploads.into
    return [
        ZoneCard(zone, meaning, _containers(page.services.blobs, zone), zone in into)
        for zone, meaning in MEANINGS.items()
    ]


def _containers(blobs: Blobs, zone: Zone) -> list[str] | None:
    try:
        return blobs.containers(zone)
    except CoreMachineError:
        return None


def _takes(page: Page, place: Container) -> bool:
    into = page.services.uploads.into
    takes = bool({place.zone.value, f"{place.zone}-{place.name}"} & set(into))
    return takes and page.may("POST", "/api/storage/uploads")
