"""Describe what was made on a grid of ours as a STAC item (1.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from core.blobs import BlobRef
from core.catalog import Document
from core.extents import utc
from services.geo.gridspec import GridSpec
from services.grids.item import PROJECTION
from services.raster import place
from services.raster.models import COG_TYPE

FORECAST = "https://stac-extensions.github.io/forecast/v0.2.0/schema.json"
RENDER = "https://stac-extensions.github.io/render/v2.0.0/schema.json"


def item(
    name: str,
    collection: str,
    spec: GridSpec,
    properties: Mapping[str, object],
    assets: Mapping[str, Document],
    extensions: Sequence[str] = (),
) -> Document:
    """The item. Place and projection are the grid's; `properties` say when it is of, and what else there is to say."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [PROJECTION, *extensions],
        "id": name,
        "collection": collection,
        "geometry": place.outline(spec.bbox),
        "bbox": list(spec.bbox),
        "properties": {
            **properties,
            "created": utc(datetime.now(UTC).replace(microsecond=0)),
            **_projection(spec),
        },
        "links": [{"rel": "collection", "type": "application/json", "href": "./collection.json"}],
        "assets": dict(assets),
    }


def cog(ref: BlobRef, title: str, unit: str) -> Document:
    """The asset of a COG with numbers."""
    return {"href": str(ref), "type": COG_TYPE, "title": title, "roles": ["data"], "unit": unit}


def _projection(spec: GridSpec) -> Document:
    """A plane around a place has no code, so it is written out."""
    has_code = spec.crs.startswith("EPSG:")
    code = {"proj:code": spec.crs} if has_code else {"proj:code": None, "proj:wkt2": spec.wkt}
    return {**code, "proj:shape": list(spec.shape), "proj:transform": place.six(spec.transform)}
