"""Where a forecast is made: the box, the cells of the landscape, the coarser ones of its weather, and where it burns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.errors import BadInput
from services.geo import projecting
from services.geo.gridspec import GridSpec
from services.geo.projecting import Box

BLOCK = 32
"""Cells of the landscape along the edge of one cell of the weather. A grid is a whole number of these, so that
clicks that lie near to each other have the same."""
ALONG = 400
"""Cells along the longer side, where nobody says how large they are."""
SMALLEST, STEP = 30.0, 10.0
MOST_CELLS = 1_500_000
Point = tuple[float, float]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Site(Frozen):
    """What a forecast is about, before anything is known of the land."""

    ground: GridSpec
    air: GridSpec
    fires: list[Point]
    """Longitude and latitude of each place that burns at the beginning."""
    ignition: str
    """Where these come from: `point`, `detections`, or `assumed` (the middle of the box)."""
    warnings: list[str] = []


class Grids(NamedTuple):
    """Cells of the landscape and of the weather over the very same box."""

    ground: GridSpec
    air: GridSpec


def grids(box: Sequence[float], cell: float | None = None) -> Grids:
    """Square cells in metres over a box in degrees."""
    size = cell or _usual(projecting.checked(box))
    air = GridSpec.from_bbox(box, size * BLOCK, metric=True)
    ground = GridSpec(
        crs=air.crs,
        cell=air.cell / BLOCK,
        left=air.left * BLOCK,
        top=air.top * BLOCK,
        width=air.width * BLOCK,
        height=air.height * BLOCK,
    )
    if ground.width * ground.height > MOST_CELLS:
        raise BadInput(
            f"{ground.width} x {ground.height} cells are more than {MOST_CELLS:,}; "
            "ask for larger cells (cell_m) or a smaller box"
        )
    return Grids(ground, air)


def around(place: Point, radius: float) -> Box:
    return projecting.box_around(*place, radius)


def around_all(places: Sequence[Point], radius: float) -> Box:
    """A box that leaves so many metres around every place, also where they lie on both sides of 180 degrees."""
    first = places[0][0]
    turned = [first + (lon - first + 180) % 360 - 180 for lon, _ in places]
    lats = [lat for _, lat in places]
    west, south = around((min(turned), min(lats)), radius)[:2]
    east, north = around((max(turned), max(lats)), radius)[2:]
    return _wrapped(west), south, _wrapped(east), north


def middle(box: Sequence[float]) -> Point:
    west, south, east, north = box
    return _wrapped(west + (east - west) % 360 / 2), (south + north) / 2


def inside(box: Sequence[float], place: Point) -> bool:
    west, south, east, north = box
    lon, lat = place
    return south <= lat <= north and (lon - west) % 360 <= (east - west) % 360


def _usual(box: Box) -> float:
    west, south, east, north = box
    wide, high = projecting.metres_per_degree(np.array((south + north) / 2))
    longer = max((east - west) % 360 * float(wide), (north - south) * float(high))
    return max(SMALLEST, math.ceil(longer / ALONG / STEP) * STEP)


def _wrapped(lon: float) -> float:
    return (lon + 180) % 360 - 180
