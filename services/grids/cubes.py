"""The cube that an item of the catalog names, kept open."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from core.blobs import BlobRef, Blobs
from core.catalog import Catalog, Document
from core.errors import BadInput, ItemNotFound
from services.grids import opened
from services.grids.inspect import Coordinates, coordinates, inspect
from services.grids.models import GridInfo

if TYPE_CHECKING:
    import xarray

KEPT = 16
TYPES = ("application/vnd.zarr", "application/json")


class Cube(NamedTuple):
    """An opened cube with its coordinates. What its cells mean, scaled or missing, is xarray's to say."""

    dataset: xarray.Dataset
    info: GridInfo
    at: Coordinates


def cube_of(catalog: Catalog, blobs: Blobs, collection: str, item: str) -> Cube:
    """What the item's data asset names. It stays open for as long as its metadata stays as it is."""
    found = catalog.item(collection, item)
    if found is None:
        raise ItemNotFound(f"There is no item {item!r} in collection {collection!r}")
    ref = _data_of(found, item)
    return _opened(blobs, ref, opened.state_of(blobs, ref))


@lru_cache(KEPT)
def _opened(blobs: Blobs, ref: BlobRef, state: str) -> Cube:
    info = inspect(blobs, ref)
    group = opened.cube(blobs, ref)
    return Cube(opened.dataset(group, ref), info, coordinates(group, info))


def _data_of(found: Document, item: str) -> BlobRef:
    """Where the cube lies: in our own storage, whoever wrote the item."""
    asset: dict[str, Any] = found.get("assets", {}).get("data", {})
    kind, href = str(asset.get("type", "")), str(asset.get("href", ""))
    if not kind.startswith(TYPES):
        raise BadInput(f"item {item!r} is no cube: its data is {kind or 'not there'}")
    try:
        return BlobRef(href)
    except BadInput:
        raise BadInput(f"the data of item {item!r} does not lie in this storage") from None
