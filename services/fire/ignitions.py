"""Where a fire begins, from what people have: places, outlines, fires seen from above."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from core.errors import BadInput
from services.fire.landscape import Ignition, Landscape
from services.fire.rothermel import Array

SNAP = 5
"""Cells within which a place that cannot burn is moved to one that can."""


def within(
    outlines: Iterable[BaseGeometry | dict[str, Any]], shape: tuple[int, int], transform: Affine
) -> Array:
    """The cells that outlines touch, in the coordinates of the landscape; also those of a line or a point."""
    drawn = [(outline, 1) for outline in outlines]
    if not drawn:
        raise BadInput("there is no outline to begin from")
    cells = np.zeros(shape, np.uint8)
    rasterize(drawn, out=cells, transform=transform, all_touched=True)
    return cells > 0


def settled(landscape: Landscape, ignition: Ignition) -> tuple[Ignition, list[str]]:
    """Places in fuel: one on water or a road moves to the nearest cell that burns, and is told of.

    What has no fuel within five cells is left out, and refused if that leaves nothing.
    """
    burns = landscape.burns
    kept, told = [], []
    given = zip(ignition.rows, ignition.columns, ignition.minutes, strict=True)
    for row, column, minute in ((int(r), int(c), float(m)) for r, c, m in given):
        place = _nearest(burns, row, column)
        if place is None:
            told.append(f"cell {row}, {column}: nothing burns within {SNAP} cells")
        else:
            kept.append((*place, minute))
            if place != (row, column):
                told.append(
                    f"cell {row}, {column} does not burn; {place[0]}, {place[1]} begins instead"
                )
    if not kept:
        raise BadInput("the fire begins where nothing burns; pass a place in fuel")
    return Ignition.of(kept), told


def _nearest(burns: Array, row: int, column: int) -> tuple[int, int] | None:
    height, width = burns.shape
    if not (0 <= row < height and 0 <= column < width):
        raise BadInput(f"cell {row}, {column} lies outside of {height} x {width} cells")
    if burns[row, column]:
        return row, column
    top, left = max(0, row - SNAP), max(0, column - SNAP)
    near = np.argwhere(burns[top : row + SNAP + 1, left : column + SNAP + 1]) + np.array(
        [top, left]
    )
    if near.size == 0:
        return None
    away = ((near - (row, column)) ** 2).sum(axis=1)
    y, x = near[int(away.argmin())]
    return int(y), int(x)
