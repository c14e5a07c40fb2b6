"""The ground as a picture to find one's way on: what grows there in colours, and hills by their shade."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import cache

import numpy as np

from core.blobs import BlobRef, Blobs, Zone, is_there
from core.errors import BlobChanged
from services.fire import scene
from services.fire.fuel_models import CODES, Barrier
from services.fire.landscape import Landscape
from services.fire.layers import CONTAINER
from services.fire.rothermel import Array
from services.fire.scene import Scene
from services.raster import made
from services.raster.models import COG_TYPE

TITLE = "What grows, and how the ground rises"
BANDS: tuple[str, ...] = ("red", "green", "blue")
GRASS, SHRUB, WOOD = (224, 226, 190), (206, 211, 168), (176, 197, 160)
COLORS: dict[range | Barrier, tuple[int, int, int]] = {
    range(1, 4): GRASS, range(4, 8): SHRUB, range(8, 14): WOOD,
    range(101, 110): GRASS, range(121, 150): SHRUB, range(161, 205): WOOD,
    Barrier.URBAN: (203, 196, 196),
    Barrier.SNOW: (246, 249, 251),
    Barrier.AGRICULTURE: (236, 227, 196),
    Barrier.WATER: (173, 203, 220),
    Barrier.BARREN: (220, 213, 202),
}  # fmt: skip
"""By codes of fuel models: pale, for the fire is to be seen on them."""
OTHER = (228, 228, 224)
SUN = 45.0
"""Degrees above the horizon, in the north-west, where maps have it."""
DARKEST, LIGHTEST = 0.45, 1.15


def keep(blobs: Blobs, where: Scene) -> BlobRef:
    """Made once for a place, like the layers it is made of."""
    name = "assumed-ground" if where.fuel.fallback else "ground"
    ref = BlobRef.of(Zone.SILVER, CONTAINER, f"{where.site.ground.name}/{name}.tif")
    if is_there(blobs, ref):
        return ref
    bands = dict(zip(BANDS, picture(scene.load(blobs, where.data).landscape), strict=True))
    data = made.cog(where.site.ground, bands, title=TITLE)
    with suppress(BlobChanged):  # another forecast of the same place made the same
        blobs.write(ref, data, content_type=COG_TYPE, only_if_new=True)
    return ref


def picture(land: Landscape) -> Array:
    """Red, green and blue of every cell."""
    light = shade(land.rise_east, land.rise_north)
    return np.clip(_palette()[land.codes].transpose(2, 0, 1) * light, 0, 255).astype(np.uint8)


def shade(east: Array, north: Array) -> Array:
    """How light a cell is beside level ground, from its rise over run along columns and rows."""
    level = math.sin(math.radians(SUN))
    slant = math.cos(math.radians(SUN)) * math.sqrt(0.5)
    light = (slant * (east - north) + level) / np.sqrt(1 + east**2 + north**2)
    return np.clip(light / level, DARKEST, LIGHTEST)


@cache
def _palette() -> Array:
    colors = np.full((CODES, 3), OTHER, np.float32)
    for codes, color in COLORS.items():
        colors[codes] = color
    return colors
