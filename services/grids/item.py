"""Describe a cube as a STAC item (1.1, with the datacube and zarr extensions), and the collection it goes into."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from core.blobs import BlobRef, Zone
from core.catalog import Catalog, Document
from services.grids.models import Axis, GridInfo, Published, Share
from services.grids.times import as_instant
from services.raster import place
from services.stac.collection import collection as new_collection

DATACUBE = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
ZARR = "https://stac-extensions.github.io/zarr/v1.1.0/schema.json"
CODE = 4326


def versioned(collection: str, item_id: str, job: str, state: str, ending: str) -> BlobRef:
    """Other parameters, or another state of the source, give another name: no run changes what an old item names."""
    version = sha256(f"{job} {state}".encode()).hexdigest()[:12]
    return BlobRef.of(Zone.SILVER, "grids", f"{collection}/{item_id}/{version}/{item_id}{ending}")


def publish(
    catalog: Catalog,
    info: GridInfo,
    collection: str,
    item_id: str,
    source: BlobRef | str,
    copied: Share | None = None,
) -> Published:
    """Put the cube into the catalog. `info` tells of what was written, `source` what it was made of."""
    made = item(info, collection, item_id, source)
    catalog.add(
        new_collection(collection, f"Grids of {collection}.", title=collection, items=[made]),
        [made],
    )
    return Published(
        item=item_id, collection=collection, data=info.source, info=info, copied=copied
    )


def item(info: GridInfo, collection: str, item_id: str, source: BlobRef | str) -> Document:
    now = _now()
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [DATACUBE, PROJECTION, ZARR],
        "id": item_id,
        "collection": collection,
        "geometry": place.outline(info.box),
        "bbox": list(info.box),
        "properties": {
            "title": info.title,
            **_when(info, now),
            "created": now,
            "proj:code": info.crs,
            "cube:dimensions": _dimensions(info),
            "cube:variables": _variables(info),
            "coremachine:source": str(source),
        },
        "links": [{"rel": "collection", "type": "application/json", "href": "./collection.json"}],
        "assets": {"data": _asset(info)},
    }


def _asset(info: GridInfo) -> Document:
    version = 3 if info.format == "zarr3" else 2
    is_store = info.format.startswith("zarr")
    return {
        "href": str(info.source),
        "type": f"application/vnd.zarr; version={version}" if is_store else "application/json",
        "title": "Zarr store" if is_store else "Zarr references (kerchunk)",
        "roles": ["data"] if is_store else ["data", "references"],
        "zarr:zarr_format": version,
        "zarr:node_type": "group",
        "zarr:consolidated": info.consolidated,
    }


def _when(info: GridInfo, now: str) -> Document:
    """STAC wants a time: that of the data, else that of processing; `coremachine:datetime_source` says which."""
    start, end = _span(info)
    if start is None or end is None:
        return {"datetime": now, "coremachine:datetime_source": "processing"}
    return {
        "datetime": start,
        "start_datetime": start,
        "end_datetime": end,
        "coremachine:datetime_source": "file",
    }


def _span(info: GridInfo) -> tuple[str | None, str | None]:
    if info.time is None:
        return None, None
    return as_instant(info.time.first), as_instant(info.time.last)


def _dimensions(info: GridInfo) -> dict[str, Document]:
    sizes = {d: n for v in info.cubes for d, n in zip(v.dims, v.shape, strict=True)}
    known = {info.x.name: _horizontal(info.x, "x"), info.y.name: _horizontal(info.y, "y")}
    if info.height is not None:
        known[info.height.name] = _vertical(info.height)
    if info.time is not None:
        known[info.time.name] = {"type": "temporal", "extent": list(_span(info))}
    return {dim: known.get(dim) or _other(size) for dim, size in sizes.items()}


def _horizontal(axis: Axis, letter: str) -> Document:
    ends = sorted((axis.first, axis.last))
    step = {} if axis.step is None else {"step": abs(axis.step)}
    return {"type": "spatial", "axis": letter, "extent": ends, "reference_system": CODE, **step}


def _vertical(axis: Axis) -> Document:
    unit = {"unit": axis.unit} if axis.unit else {}
    return {"type": "spatial", "axis": "z", "extent": sorted((axis.first, axis.last)), **unit}


def _other(size: int) -> Document:
    return {"type": "other", "extent": [0, size - 1]}


def _variables(info: GridInfo) -> dict[str, Any]:
    return {
        cube.name: {
            "type": "data",
            "dimensions": list(cube.dims),
            "description": cube.title,
            **({"unit": cube.unit} if cube.unit else {}),
        }
        for cube in info.cubes
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
