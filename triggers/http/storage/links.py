"""Blobs on their way out, and links that let a client speak to storage itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.blobs import BlobInfo, BlobRef, Zone
from services.storage.uploads import refuse_existing
from triggers.http.door.actor import about
from triggers.http.requests import body_of, described
from triggers.http.services import Services, TheServices

router = APIRouter(prefix="/api/storage", tags=["storage"])

SHOWN = ("image/", "video/", "audio/", "text/plain", "application/json", "application/geo+json")
"""Types that a browser may show; what could run, such as HTML or SVG, it saves."""
REMEMBERED = 60
"""Seconds for which a client may take the same link again."""
ANSWERS: dict[int | str, dict[str, Any]] = {
    307: {"description": "Where the blob is, for as long as the link is good."},
    200: {"description": "The link (redirect=false)."},
}


class LinkOrder(BaseModel):
    """What a link shall allow."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    ref: BlobRef
    """The blob, as `bronze/rasters/dem.tif`."""
    access: Literal["read", "write"] = "write"
    overwrite: bool = Field(default=False, strict=True)
    """Let the link replace a blob. Without it, it can write a new one only."""


class Link(BaseModel):
    """An address that needs no other key, for a while."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ref: BlobRef
    url: str
    """Whoever has it may use it: keep it out of logs and chats."""
    method: Literal["GET", "PUT"]
    headers: dict[str, str]
    """What the request must carry."""
    expires: AwareDatetime


def the_ref(
    zone: Zone,
    container: Annotated[str, Path(description="Without its zone, as in rasters.")],
    path: Annotated[str, Path(description="The blob's name; quote # ? % in it.")],
) -> BlobRef:
    return BlobRef.of(zone, container, path)


TheRef = Annotated[BlobRef, Depends(the_ref)]


@router.get("/blob/{zone}/{container}/{path:path}", response_model=Link, responses=ANSWERS)
def download_blob(
    ref: TheRef,
    services: TheServices,
    redirect: Annotated[bool, Query(description="Go there at once; else tell the link.")] = True,
) -> Response:
    """Read a blob: a redirect to storage, which serves ranges too."""
    link = _to_read(services, services.blobs.info(ref))
    if redirect:
        remembered = f"private, max-age={min(REMEMBERED, _seconds(services) // 2)}"
        return RedirectResponse(link.url, 307, {"Cache-Control": remembered})
    return JSONResponse(link.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.head("/blob/{zone}/{container}/{path:path}", responses=ANSWERS)
def head_blob(ref: TheRef, services: TheServices) -> Response:
    """The same redirect, for those who only want to know what would come."""
    return download_blob(ref, services)


@router.post("/links", status_code=201, openapi_extra=described(LinkOrder))
def create_link(
    wanted: Annotated[LinkOrder, Depends(body_of(LinkOrder))],
    services: TheServices,
    request: Request,
) -> Link:
    """A link to send a blob straight to storage, or to read one there."""
    about(request, f"{wanted.access} {wanted.ref}")
    if wanted.access == "read":
        return _to_read(services, services.blobs.info(wanted.ref))
    services.uploads.check(wanted.ref)
    refuse_existing(services.blobs, wanted.ref, wanted.overwrite)
    url = services.blobs.link(
        wanted.ref, services.link_lasts, write=True, only_if_new=not wanted.overwrite
    )
    return Link(
        ref=wanted.ref,
        url=url,
        method="PUT",
        headers={"x-ms-blob-type": "BlockBlob"},
        expires=_expires(services),
    )


def _to_read(services: Services, info: BlobInfo) -> Link:
    to_save = not info.content_type.startswith(SHOWN) or "svg" in info.content_type
    url = services.blobs.link(info.ref, services.link_lasts, to_save=to_save)
    return Link(ref=info.ref, url=url, method="GET", headers={}, expires=_expires(services))


def _expires(services: Services) -> datetime:
    return datetime.now(UTC) + services.link_lasts


def _seconds(services: Services) -> int:
    return int(services.link_lasts.total_seconds())
