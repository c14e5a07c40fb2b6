"""Beside the STAC API: the state of the catalog, its standard collections, and items of rasters in storage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from core.blobs import BlobRef
from services.stac import collection, existing
from services.storage.models import Container
from triggers.http.door.actor import about
from triggers.http.services import TheServices

router = APIRouter(prefix="/api/stac", tags=["stac"])

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class Setup(BaseModel):
    """The state of the catalog."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    installed: bool
    version: str
    """Of pgSTAC."""
    collections: int
    items: int
    missing: list[str]
    """Standard collections that are not there."""


class Made(BaseModel):
    """The standard collections that were missing, and are there now."""

    created: list[str]


class Extraction(BaseModel):
    """A raster in storage, and what to do with its item."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    container: str
    """Zone and container, as in `silver-rasters`."""
    blob_name: str
    collection_id: Name
    insert: bool = False
    """Also add the item to the catalog; its collection is made when missing."""
    item_id: Name | None = None
    """Made of the blob's name when not given."""


class Extracted(BaseModel):
    """The STAC item of a raster."""

    item: dict[str, Any]
    inserted: bool


@router.get("/setup")
def stac_setup(services: TheServices) -> Setup:
    """Whether the catalog is installed, and how much it holds."""
    census = services.catalog.census()
    known = {each["id"] for each in services.catalog.collections()}
    return Setup(
        installed=True,
        version=census.version,
        collections=census.collections,
        items=census.items,
        missing=[name for name in collection.STANDARD if name not in known],
    )


@router.post("/init")
def stac_init(services: TheServices, request: Request) -> Made:
    """Make the standard collections where they are missing."""
    created = collection.make_standard(services.catalog)
    about(request, ", ".join(created))
    return Made(created=created)


@router.post("/extract")
def stac_extract(wanted: Extraction, services: TheServices, request: Request) -> Extracted:
    """Describe a raster that lies in storage as a STAC item, and add that to the catalog if asked to."""
    container = Container.parse(wanted.container)
    source = BlobRef.of(container.zone, container.name, wanted.blob_name)
    item = existing.extract(services.blobs, source, wanted.collection_id, wanted.item_id)
    about(request, f"{wanted.collection_id}/{item['id']}" if wanted.insert else None)
    if wanted.insert:
        services.catalog.add(collection.collection(wanted.collection_id), [item])
    return Extracted(item=item, inserted=wanted.insert)
