"""A patch on its way to storage: a Zarr store of everything, and a COG per variable for maps."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from core.blobs import BlobRef, Blobs
from services.grids import opened
from services.raster import made
from services.raster.models import COG_TYPE
from services.weather.derive import ABOUT, Variable
from services.weather.patch import Patch

CHUNK = 512
"""Rows and columns in a chunk at most; all times are in one, as points are asked over time."""
AT_ONCE = 8
LEVEL = 3
NAN = base64.b64encode(struct.pack("<d", float("nan"))).decode()
Floats = NDArray[np.float32]


def zarr_store(blobs: Blobs, patch: Patch, root: BlobRef) -> None:
    """CF conventions, version 3, metadata consolidated. The root is written last: until then it is no store."""
    head = MemoryStore()
    group = zarr.create_group(head, zarr_format=3, attributes=_title(patch))
    y, x = ("lat", "lon") if patch.spec.in_degrees else ("y", "x")
    for name, (dims, values, attributes) in _coordinates(patch, y, x).items():
        _array(group, name, dims, values, attributes)
    mapping = {} if patch.spec.in_degrees else {"grid_mapping": "spatial_ref"}
    for variable, values in patch.variables.items():
        about = ABOUT[variable]
        said = {
            "units": about.unit,
            "long_name": about.title,
            "standard_name": about.standard,
            "_FillValue": NAN,
        }
        _array(group, variable.value, ("time", y, x), values, said | mapping)
    with opened.understood(root):
        zarr.consolidate_metadata(head)
    _upload(blobs, head, root)


def cog(blobs: Blobs, patch: Patch, variable: Variable, ref: BlobRef) -> None:
    """One band per time, whose description is that time."""
    about = ABOUT[variable]
    names = [f"{moment:%Y-%m-%dT%H:%MZ}" for moment in patch.plan.times]
    bands = dict(zip(names, patch.variables[variable], strict=True))
    data = made.cog(patch.spec, bands, title=about.title, unit=about.unit, nodata=float("nan"))
    blobs.write(ref, data, content_type=COG_TYPE)


def _title(patch: Patch) -> dict[str, Any]:
    plan = patch.plan
    return {
        "Conventions": "CF-1.11",
        "title": f"{plan.model.title}, cycle {plan.cycle:%Y-%m-%d %H}z",
        "source": plan.model.title,
        "history": "; ".join(["cut and regridded, bilinear", *patch.warnings]),
    }


Made = tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]


def _coordinates(patch: Patch, y: str, x: str) -> dict[str, Made]:
    spec, plan = patch.spec, patch.plan
    minutes = np.array([int(moment.timestamp()) // 60 for moment in plan.times], np.int64)
    epoch = {"units": "minutes since 1970-01-01", "calendar": "proleptic_gregorian"}
    time = {**epoch, "standard_name": "time"}
    cycle = {**epoch, "standard_name": "forecast_reference_time"}
    found: dict[str, Made] = {
        "time": (("time",), minutes, time),
        "cycle": ((), np.array(int(plan.cycle.timestamp()) // 60, np.int64), cycle),
        y: ((y,), spec.ys(), _axis(spec.in_degrees, "latitude", "degrees_north", "y")),
        x: ((x,), spec.xs(), _axis(spec.in_degrees, "longitude", "degrees_east", "x")),
    }
    if plan.rain:
        over = {"units": "hours", "long_name": "Over how many hours the precipitation fell"}
        hours = np.array([each.hours for each in plan.rain], np.float32)
        found["precipitation_hours"] = (("time",), hours, over)
    if not spec.in_degrees:
        said = cast("dict[str, Any]", CRS.from_user_input(spec.crs).to_cf())
        found["spatial_ref"] = ((), np.array(0, np.int32), said)
    return found


def _axis(in_degrees: bool, name: str, unit: str, letter: str) -> dict[str, Any]:
    if in_degrees:
        return {"units": unit, "standard_name": name, "axis": letter.upper()}
    return {
        "units": "m",
        "standard_name": f"projection_{letter}_coordinate",
        "axis": letter.upper(),
    }


def _array(
    group: zarr.Group, name: str, dims: tuple[str, ...], values: NDArray[Any], said: dict[str, Any]
) -> None:
    large = len(dims) == 3
    chunks = tuple(
        size if at == 0 or not large else min(size, CHUNK) for at, size in enumerate(values.shape)
    )
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
        compressors=[ZstdCodec(level=LEVEL)] if dims else None,
        fill_value=float("nan") if large else 0,
        dimension_names=dims,
        attributes=said,
    )
    array[...] = values


def _upload(blobs: Blobs, head: MemoryStore, root: BlobRef) -> None:
    keys = list(_keys(head))

    def write(key: str) -> None:
        data = sync(head.get(key, default_buffer_prototype()))
        assert data is not None, key
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        blobs.write(BlobRef(f"{root}/{key}"), data.to_bytes(), content_type=kind)

    with ThreadPoolExecutor(AT_ONCE, "patch") as pool:
        list(pool.map(write, keys))
    write("zarr.json")


def _keys(head: MemoryStore) -> Iterator[str]:
    return (key for key in head._store_dict if key != "zarr.json")
