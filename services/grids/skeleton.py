"""A Zarr store that has everything but the cells of its grids."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from typing import Any

import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from core.blobs import Blobs
from services.grids import opened
from services.grids.inspect import array_of, cells, dims_of
from services.grids.models import Layout
from services.grids.references import plain
from services.grids.store import BlobStore

LEVEL = 3


def write(blobs: Blobs, source: zarr.Group, layout: Layout, whole: Iterable[str]) -> None:
    """The arrays of a layout, empty but for those that are to be copied whole."""
    head = MemoryStore()
    with opened.understood(layout.root):
        group = zarr.create_group(head, zarr_format=3, attributes=plain(dict(source.attrs)))
        for name, chunks in layout.chunks.items():
            _create(group, array_of(source, name), name, chunks)
        zarr.consolidate_metadata(head)
    for name in whole:
        array_of(group, name)[...] = cells(array_of(source, name))
    _upload(head, BlobStore(blobs, layout.root))


def _create(group: zarr.Group, source: zarr.Array, name: str, chunks: tuple[int, ...]) -> None:
    group.create_array(
        name,
        shape=source.shape,
        chunks=chunks,
        dtype=source.dtype.newbyteorder("<"),
        compressors=[ZstdCodec(level=LEVEL)],
        fill_value=source.fill_value,
        dimension_names=dims_of(source),
        attributes=_attributes(source),
    )


def _attributes(source: zarr.Array) -> dict[str, Any]:
    """As the source has them, and what stands for no value as xarray writes it into version 3."""
    kept = plain(dict(source.attrs))
    fill = getattr(source.metadata, "fill_value", None)
    if fill is None:
        return kept
    if source.dtype.kind == "f":
        return kept | {"_FillValue": base64.b64encode(struct.pack("<d", float(fill))).decode()}
    return kept | {"_FillValue": int(fill)}


def _upload(head: MemoryStore, target: BlobStore) -> None:
    """The root last: until it is there, nobody takes this for a store."""
    for key in sorted(head._store_dict, key=lambda key: (key == "zarr.json", key)):
        data = sync(head.get(key, default_buffer_prototype()))
        assert data is not None, key
        sync(target.set(key, data))
