"""What lies in storage: zones, containers, blobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict

from core.blobs import BlobInfo, BlobPage, BlobRef, Prefix, Zone
from services.storage import inventory
from services.storage.models import Container
from triggers.http.requests import Cursor, page_links
from triggers.http.services import Services, TheServices

router = APIRouter(prefix="/api/storage", tags=["storage"])

MEANINGS = {
    Zone.BRONZE: "raw, as it came in",
    Zone.SILVER: "processed",
    Zone.GOLD: "exports",
    Zone.EXTERNAL: "cleared for outside",
}

Begins = Annotated[Prefix, Query(max_length=1024, description="How their names begin.")]
Suffix = Annotated[str, Query(max_length=1024, description="How their names end, as .tif")]
Limit = Annotated[int, Query(ge=1, le=5000, description="How many at most.")]
Metadata = Annotated[bool, Query(description="Tell sizes, dates and types; false: names only.")]
Name = Annotated[str, Query(min_length=1, max_length=1024, description="The blob's name.")]


class ZoneView(BaseModel):
    """A zone."""

    zone: Zone
    meaning: str
    uploads: bool
    """Whether every container of it takes uploads."""


class Zones(BaseModel):
    """What storage is divided into."""

    zones: list[ZoneView]


class ContainerView(BaseModel):
    """A container of a zone."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    zone: Zone
    container: str
    name: str
    """Both together, as jobs take it."""


class Containers(BaseModel):
    """The containers of one zone or of all."""

    containers: list[ContainerView]
    count: int


class BlobLine(BaseModel):
    """A blob in a list."""

    ref: BlobRef
    name: str
    size: int | None = None
    modified: AwareDatetime | None = None
    content_type: str | None = None
    etag: str | None = None
    md5: str | None = None


class BlobList(BaseModel):
    """A page of blobs, by name. A page may hold fewer than asked for; `next` tells whether more follow."""

    container: str
    blobs: list[BlobLine]
    count: int
    next: str | None
    links: dict[str, str | None]


def zoned(
    zone: Zone, container: Annotated[str, Path(description="Without its zone, as in rasters.")]
) -> Container:
    return Container.parse(f"{zone}-{container}")


def named(
    container: Annotated[str, Path(description="Zone and container, as in bronze-rasters.")],
) -> Container:
    return Container.parse(container)


Zoned = Annotated[Container, Depends(zoned)]
Named = Annotated[Container, Depends(named)]


@router.get("/zones")
def zones(services: TheServices) -> Zones:
    """The zones, and which of them take uploads."""
    into = services.uploads.into
    return Zones(
        zones=[
            ZoneView(zone=zone, meaning=meaning, uploads=zone in into)
            for zone, meaning in MEANINGS.items()
        ]
    )


@router.get("/containers")
def containers(services: TheServices, zone: Zone | None = None) -> Containers:
    """The containers of a zone, or of all."""
    found = [
        ContainerView(zone=of, container=name, name=f"{of}-{name}")
        for of in ([zone] if zone else Zone)
        for name in services.blobs.containers(of)
    ]
    return Containers(containers=found, count=len(found))


@router.get("/{zone}/{container}/blobs", response_model_exclude_unset=True)
def blobs_of_zone(
    request: Request,
    container: Zoned,
    services: TheServices,
    prefix: Begins = "",
    suffix: Suffix = "",
    limit: Limit = 500,
    cursor: Cursor = None,
    metadata: Metadata = True,
) -> BlobList:
    """The blobs of a container, by name."""
    page = inventory.search(services.blobs, container, prefix, suffix, limit, cursor)
    return _listed(request, container, page, metadata)


@router.get("/{container}/blobs", response_model_exclude_unset=True)
def blobs(
    request: Request,
    container: Named,
    services: TheServices,
    prefix: Begins = "",
    suffix: Suffix = "",
    limit: Limit = 500,
    cursor: Cursor = None,
    metadata: Metadata = True,
) -> BlobList:
    """The same for a container that is named with its zone, as in bronze-rasters."""
    page = inventory.search(services.blobs, container, prefix, suffix, limit, cursor)
    return _listed(request, container, page, metadata)


@router.get("/{zone}/{container}/blob")
def blob_of_zone(container: Zoned, path: Name, services: TheServices) -> BlobInfo:
    """The facts of one blob."""
    return _facts(services, container, path)


@router.get("/{container}/blob")
def blob(container: Named, path: Name, services: TheServices) -> BlobInfo:
    """The same for a container that is named with its zone, as in bronze-rasters."""
    return _facts(services, container, path)


def _facts(services: Services, container: Container, path: str) -> BlobInfo:
    return services.blobs.info(BlobRef.of(container.zone, container.name, path))


def _listed(request: Request, container: Container, page: BlobPage, metadata: bool) -> BlobList:
    return BlobList(
        container=f"{container.zone}-{container.name}",
        blobs=[_line(info, metadata) for info in page.blobs],
        count=len(page.blobs),
        next=page.next,
        links=page_links(request, page.next),
    )


def _line(info: BlobInfo, metadata: bool) -> BlobLine:
    if not metadata:
        return BlobLine(ref=info.ref, name=info.ref.path)
    return BlobLine(name=info.ref.path, **dict(info))
