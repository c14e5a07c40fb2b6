"""Publish a patch: where it is kept, what its catalog item says, and what the job tells of it."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from pydantic import AwareDatetime

from core.blobs import BlobRef, Blobs, Zone
from core.catalog import Catalog, Document
from core.errors import BadInput
from core.extents import utc
from core.imports import one_at_a_time
from services.geo.gridspec import GridSpec
from services.grids.item import DATACUBE, ZARR
from services.stac import gridded
from services.stac.collection import collection as new_collection
from services.stac.gridded import FORECAST, RENDER
from services.weather.derive import ABOUT, Variable
from services.weather.models import Frozen
from services.weather.patch import Patch
from services.weather.plan import Plan

CONTAINER = "weather"


class Range(Frozen):
    """What the values of a variable are like."""

    minimum: float
    maximum: float
    mean: float
    missing: int
    unit: str


class Stored(Frozen):
    """A patch as it lies in storage, and where it came from."""

    item: str
    collection: str
    data: BlobRef
    """The root of the Zarr store."""
    cogs: dict[Variable, BlobRef]
    """One per variable, a band per time."""
    grid: GridSpec
    model: str
    cycle: AwareDatetime
    fallback: bool
    """Whether a cycle that was due was not whole, so that an older one was taken. `warnings` says why."""
    times: list[AwareDatetime]
    values: dict[Variable, Range]
    warnings: list[str]
    sources: list[str]
    """Those that were read, for what the cache did not have."""
    bytes: int
    requests: int


def name_of(plan: Plan, spec: GridSpec, job: str) -> str:
    """Another job, or another cycle, gives another name: nothing changes what an old item names."""
    version = sha256(f"{job} {plan.cycle.isoformat()}".encode()).hexdigest()[:8]
    return f"{plan.model.name}-{plan.cycle:%Y%m%d%H}-{spec.name}-{version}"


def store(blobs: Blobs, patch: Patch, collection: str, job: str) -> Stored:
    """Write the Zarr store and the COGs."""
    with one_at_a_time:
        from services.weather import stored  # noqa: PLC0415 - zarr is slow to import

    plan, name = patch.plan, name_of(patch.plan, patch.spec, job)
    values = {variable: _range(patch, variable) for variable in patch.variables}
    folder = BlobRef.of(Zone.SILVER, CONTAINER, f"{collection}/{name}")
    root = BlobRef(f"{folder}/{name}.zarr")
    stored.zarr_store(blobs, patch, root)
    cogs = {variable: BlobRef(f"{folder}/{variable.value}.tif") for variable in patch.variables}
    for variable, ref in cogs.items():
        stored.cog(blobs, patch, variable, ref)
    return Stored(
        item=name,
        collection=collection,
        data=root,
        cogs=cogs,
        grid=patch.spec,
        model=plan.model.name,
        cycle=plan.cycle,
        fallback=plan.fallback,
        times=plan.times,
        values=values,
        warnings=patch.warnings,
        sources=patch.sources,
        bytes=patch.bytes,
        requests=patch.requests,
    )


def publish(catalog: Catalog, made: Stored) -> Stored:
    document = item(made)
    about = f"Weather patches of {made.collection}."
    catalog.add(new_collection(made.collection, about, items=[document]), [document])
    return made


def item(made: Stored) -> Document:
    """STAC 1.1, with the datacube, zarr, projection, forecast and render extensions."""
    first, last = utc(made.times[0]), utc(made.times[-1])
    properties = {
        "datetime": first,
        "start_datetime": first,
        "end_datetime": last,
        "forecast:reference_datetime": utc(made.cycle),
        "cube:dimensions": _dimensions(made),
        "cube:variables": _variables(made),
        "renders": {each.value: _render(each, made.values[each]) for each in made.cogs},
        "coremachine:source": made.model,
        "coremachine:fallback": made.fallback,
        "coremachine:warnings": made.warnings,
    }
    cogs = {
        each.value: gridded.cog(ref, ABOUT[each].title, ABOUT[each].unit)
        for each, ref in made.cogs.items()
    }
    assets = {"data": _zarr(made), **cogs}
    more = [DATACUBE, ZARR, FORECAST, RENDER]
    return gridded.item(made.item, made.collection, made.grid, properties, assets, more)


def _render(variable: Variable, found: Range) -> Document:
    """Of its first time. Without it nobody knows which of many bands a picture shows."""
    least, most = found.minimum, found.maximum
    return {
        "title": ABOUT[variable].title,
        "assets": [variable.value],
        "bidx": [1],
        "rescale": [[least, most if most > least else least + 1]],
        "colormap_name": "viridis",
        "resampling": "nearest",
    }


def _zarr(made: Stored) -> Document:
    return {
        "href": str(made.data),
        "type": "application/vnd.zarr; version=3",
        "title": "Zarr store",
        "roles": ["data"],
        "zarr:zarr_format": 3,
        "zarr:node_type": "group",
        "zarr:consolidated": True,
    }


def _dimensions(made: Stored) -> Document:
    spec = made.grid
    west, south, east, north = spec.bounds
    system = int(spec.crs[5:]) if spec.crs.startswith("EPSG:") else spec.wkt
    axes = ("lon", "lat") if spec.in_degrees else ("x", "y")
    step = float(spec.cell)
    return {
        "time": {"type": "temporal", "extent": [utc(made.times[0]), utc(made.times[-1])]},
        axes[0]: _axis("x", [west, east], step, system),
        axes[1]: _axis("y", [south, north], step, system),
    }


def _axis(letter: str, extent: list[float], step: float, system: int | str) -> Document:
    return {
        "type": "spatial",
        "axis": letter,
        "extent": extent,
        "step": step,
        "reference_system": system,
    }


def _variables(made: Stored) -> Document:
    axes = ["time", "lat", "lon"] if made.grid.in_degrees else ["time", "y", "x"]
    return {
        variable.value: {
            "type": "data",
            "dimensions": axes,
            "description": ABOUT[variable].title,
            "unit": ABOUT[variable].unit,
        }
        for variable in made.cogs
    }


def _range(patch: Patch, variable: Variable) -> Range:
    """Nothing but missing values is no weather."""
    values = patch.variables[variable]
    there = np.isfinite(values)
    if not there.any():
        raise BadInput(f"{patch.plan.model.name} has no {variable.value} at {patch.spec.bbox}")
    known = values[there].astype(np.float64)
    return Range(
        minimum=float(known.min()),
        maximum=float(known.max()),
        mean=float(known.mean()),
        missing=int(there.size - known.size),
        unit=ABOUT[variable].unit,
    )
