"""Publish terrain: its COGs, its catalog item, and what the job tells of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from core.blobs import BlobRef, Blobs, Zone
from core.catalog import Catalog, Document
from services.geo.gridspec import GridSpec
from services.raster import made
from services.raster.models import COG_TYPE
from services.stac import gridded
from services.stac.collection import collection as new_collection
from services.terrain.patch import Terrain

CONTAINER = "terrain"
PROVIDERS: list[Document] = [
    {
        "name": "European Space Agency",
        "roles": ["licensor"],
        "url": "https://dataspace.copernicus.eu",
    }
]
TAKEN = "2010-12-12T00:00:00Z", "2015-01-16T23:59:59Z"
"""When the radar flew."""
CREDIT = (
    "© DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018 provided under COPERNICUS "
    "by the European Union and ESA; all rights reserved"
)


class Layer(StrEnum):
    """What is kept of a terrain, a COG each."""

    ELEVATION = "elevation"
    SLOPE = "slope"
    ASPECT = "aspect"
    GRADIENT = "gradient"


class About(NamedTuple):
    title: str
    unit: str
    bands: Callable[[Terrain], dict[str, NDArray[Any]]]


ABOUT = {
    Layer.ELEVATION: About("Elevation above the geoid", "m", lambda t: {"elevation": t.elevation}),
    Layer.SLOPE: About("Steepness", "degree", lambda t: {"slope": t.slope}),
    Layer.ASPECT: About(
        "Where it falls, clockwise from north", "degree", lambda t: {"aspect": t.aspect}
    ),
    Layer.GRADIENT: About(
        "Rise over run to the true east and north",
        "1",
        lambda t: {"east": t.east, "north": t.north},
    ),
}


class Span(BaseModel):
    """What the values of a layer are like."""

    model_config = ConfigDict(frozen=True)

    minimum: float
    maximum: float
    mean: float


class Stored(BaseModel):
    """Terrain as it lies in storage."""

    model_config = ConfigDict(frozen=True)

    item: str
    collection: str
    cogs: dict[Layer, BlobRef]
    grid: GridSpec
    elevation: Span
    slope: Span
    sea: float
    """The share of the place where the DEM has no tile: sea, taken for 0 m."""
    source: str = "glo30"
    bytes: int
    """Read from the internet; what is kept is not read again."""
    requests: int


def store(blobs: Blobs, terrain: Terrain, collection: str, job: str) -> Stored:
    """Write the COGs. Another job gives another name, so nothing changes what an old item names."""
    name = f"terrain-{terrain.spec.name}-{sha256(job.encode()).hexdigest()[:8]}"
    folder = BlobRef.of(Zone.SILVER, CONTAINER, f"{collection}/{name}")
    cogs = {layer: BlobRef(f"{folder}/{layer.value}.tif") for layer in Layer}
    for layer, ref in cogs.items():
        about = ABOUT[layer]
        bands = about.bands(terrain)
        data = made.cog(
            terrain.spec,
            bands,
            title=about.title,
            unit=about.unit,
            nodata=float("nan"),
            overviews="NEAREST" if layer is Layer.ASPECT else made.NUMBERS,
        )
        blobs.write(ref, data, content_type=COG_TYPE)
    return Stored(
        item=name,
        collection=collection,
        cogs=cogs,
        grid=terrain.spec,
        elevation=_span(terrain.elevation),
        slope=_span(terrain.slope),
        sea=float(terrain.sea.mean(dtype=np.float64)),
        bytes=terrain.bytes,
        requests=terrain.requests,
    )


def publish(catalog: Catalog, made: Stored) -> Stored:
    document = item(made)
    about = f"Terrain of {made.collection}, from the Copernicus DEM."
    found = new_collection(made.collection, about, providers=PROVIDERS, items=[document])
    catalog.add(found, [document])
    return made


def item(made: Stored) -> Document:
    """STAC 1.1, with the projection extension."""
    properties = {
        "datetime": None,
        "start_datetime": TAKEN[0],
        "end_datetime": TAKEN[1],
        "description": CREDIT,
        "coremachine:source": made.source,
        "coremachine:sea": made.sea,
    }
    cogs = {
        layer.value: gridded.cog(ref, ABOUT[layer].title, ABOUT[layer].unit)
        for layer, ref in made.cogs.items()
    }
    return gridded.item(made.item, made.collection, made.grid, properties, cogs)


def _span(values: NDArray[Any]) -> Span:
    return Span(
        minimum=float(np.nanmin(values)),
        maximum=float(np.nanmax(values)),
        mean=float(np.nanmean(values, dtype=np.float64)),
    )
