"""Describe rasters that lie in storage as they are, without converting them."""

import hashlib
import re

from core.blobs import BlobRef, Blobs
from core.catalog import Document
from services.raster.inspect import inspect
from services.raster.models import RasterInfo
from services.raster.options import RasterOptions
from services.stac.bands import bands
from services.stac.item import document, resolution

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
TIFF = "image/tiff; application=geotiff"


def extract(
    blobs: Blobs,
    source: BlobRef,
    collection: str,
    item_id: str | None = None,
    options: RasterOptions | None = None,
) -> Document:
    """The item of a raster. Without an id, its blob gives it one."""
    info = inspect(blobs, source, options=options)
    assets = {"data": _asset(info)}
    return document(info, info.grid, assets, collection, item_id or item_name(source))


def item_name(source: BlobRef) -> str:
    """An id that every run gives this blob, and no other: the file's name and a hash of all of its name."""
    stem = UNSAFE.sub("-", source.name.rpartition(".")[0] or source.name).strip("-._")
    return f"{stem[:100] or 'raster'}-{hashlib.sha256(source.encode()).hexdigest()[:10]}"


def _asset(info: RasterInfo) -> Document:
    found = {
        "href": str(info.source),
        "type": TIFF if info.driver in ("GTiff", "COG") else None,
        "title": info.source.name,
        "roles": ["data"],
        "file:size": info.size,
        # A multihash: 0xd5 0x01 stands for MD5, 0x10 for its 16 bytes.
        "file:checksum": f"d50110{info.md5}" if info.md5 else None,
        "raster:spatial_resolution": resolution(info.grid),
        "bands": bands(info, info.dtype, info.model_dump(mode="json")["nodata"], len(info.bands)),
    }
    return {key: value for key, value in found.items() if value is not None}
