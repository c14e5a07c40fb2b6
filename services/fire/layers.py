"""The ground of a forecast: how it rises, and what grows on it. Reckoned once for a grid, and kept for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from core.blobs import BlobRef, Blobs, Zone, is_there
from core.context import Context
from core.errors import BlobChanged
from services.fire.missing import PATIENT, needed
from services.fire.rothermel import Array
from services.fire.site import Frozen
from services.geo.gridspec import GridSpec
from services.landcover import patch as landcover
from services.remote.products import TilesFailed
from services.storage import arrays
from services.terrain import patch as terrain

CONTAINER = "fire-ground"
TERRAIN, COVER = "Copernicus GLO-30", "ESA WorldCover 2021"


class Layer(Frozen):
    """One layer of the ground, and where it comes from."""

    id: str
    """The grid and the layer: equal places have equal ones."""
    source: str
    data: BlobRef | None
    """None where nothing is known of it."""
    cached: bool = False
    fallback: bool = False
    warnings: list[str] = []
    bytes: int = 0
    """Read from the internet for it."""


class Rises(NamedTuple):
    """Rise over run towards the true east and north, and the share of each cell that is sea."""

    east: Array
    north: Array
    sea: Array


def terrain_of(ctx: Context, spec: GridSpec) -> Layer:
    ref = _ref(spec, "terrain")
    layer = Layer(id=f"{spec.name}/terrain", source=TERRAIN, data=ref)
    if is_there(ctx.blobs, ref):
        ctx.report(1.0, "terrain is at hand")
        return layer.model_copy(update={"cached": True})
    ctx.report(0.0, "downloading terrain")
    with needed(ctx, "terrain"):
        made = terrain.make(_noted(ctx, "downloading terrain"), spec)
    _keep(ctx.blobs, ref, east=made.east, north=made.north, sea=made.sea)
    ctx.report(1.0, "terrain ready")
    return layer.model_copy(update={"bytes": made.bytes})


def cover_of(ctx: Context, spec: GridSpec) -> Layer:
    """Without a map of the land, a later attempt goes on with none: what is assumed instead, the result tells."""
    ref = _ref(spec, "cover")
    layer = Layer(id=f"{spec.name}/cover", source=COVER, data=ref)
    if is_there(ctx.blobs, ref):
        ctx.report(1.0, "land cover is at hand")
        return layer.model_copy(update={"cached": True})
    ctx.report(0.0, "downloading land cover")
    try:
        made = landcover.make(_noted(ctx, "downloading land cover"), spec)
    except TilesFailed as error:
        if ctx.attempt < PATIENT:
            raise
        return Layer(id=layer.id, source="default", data=None, fallback=True, warnings=[str(error)])
    _keep(ctx.blobs, ref, majority=made.majority)
    ctx.report(1.0, "land cover ready")
    return layer.model_copy(update={"bytes": made.bytes})


def rises(blobs: Blobs, layer: Layer) -> Rises:
    assert layer.data is not None
    return Rises(**arrays.Opened(blobs.read(layer.data)))


def classes(blobs: Blobs, layer: Layer) -> Array | None:
    """Classes of WorldCover, 0 where it has none."""
    return None if layer.data is None else arrays.Opened(blobs.read(layer.data))["majority"]


def _ref(spec: GridSpec, layer: str) -> BlobRef:
    return BlobRef.of(Zone.SILVER, CONTAINER, f"{spec.name}/{layer}.npz")


def _keep(blobs: Blobs, ref: BlobRef, **layer: Array) -> None:
    try:
        blobs.write(ref, arrays.together(layer, small=True), only_if_new=True)
    except BlobChanged:
        return  # another forecast of the same place made the same


def _noted(ctx: Context, doing: str) -> Context:
    """The context, saying what is done before how far it is."""
    return replace(ctx, reporter=lambda done, note: ctx.report(done, f"{doing}: {note}"))
