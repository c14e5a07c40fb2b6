"""The directions in which fire may leave a cell, and what each ray crosses on its way."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import gcd, hypot
from typing import Any, NamedTuple

import numpy as np

REACHES = {8: 1, 16: 2, 32: 3, 48: 4, 80: 5}
"""By the number of directions: how many cells away the ends of rays lie."""

Cell = tuple[int, int]


class Ray(NamedTuple):
    """From the middle of a cell to that of another."""

    end: Cell
    crossed: list[tuple[Cell, float]]
    """Each cell, from the first to the last, with the share of the way that lies in it."""
    corners: list[tuple[Cell, Cell]]
    """Pairs of cells between whose corners the ray slips."""


def rays(directions: int) -> list[Ray]:
    reach = REACHES[directions]
    around = range(-reach, reach + 1)
    return [_ray((i, j)) for i in around for j in around if gcd(abs(i), abs(j)) == 1]


@cache
def compiled(directions: int, width: int, cell: float) -> tuple[Any, ...]:
    """As the kernels want it, for a landscape so many cells wide."""
    every = rays(directions)
    ends = np.array([ray.end for ray in every], np.int64)
    lengths = [hypot(*ray.end) for ray in every]
    first = np.cumsum([0, *(len(ray.crossed) for ray in every)])
    shift = [i * width + j for ray in every for (i, j), _ in ray.crossed]
    metres = [
        share * length * cell
        for ray, length in zip(every, lengths, strict=True)
        for _, share in ray.crossed
    ]
    corner_first = np.cumsum([0, *(len(ray.corners) for ray in every)])
    corners = [[i * width + j for i, j in pair] for ray in every for pair in ray.corners]
    east = np.array([ray.end[1] for ray in every]) / lengths
    north = np.array([-ray.end[0] for ray in every]) / lengths
    of_rays = east, north, first, np.array(shift, np.int64), np.array(metres)
    return ends, of_rays, corner_first, np.array(corners, np.int64).reshape(-1, 2)


def _ray(end: Cell) -> Ray:
    """Cut where it passes from cell to cell: at halves, to either side."""
    cuts = sorted({(2 * n + 1) / (2 * abs(part)) for part in end for n in range(abs(part))})
    crossed = []
    for start, stop in pairwise([0.0, *cuts, 1.0]):
        middle = (start + stop) / 2
        crossed.append(((round(middle * end[0]), round(middle * end[1])), stop - start))
    steps = pairwise(cell for cell, _ in crossed)
    corners = [((a[0], b[1]), (b[0], a[1])) for a, b in steps if a[0] != b[0] and a[1] != b[1]]
    return Ray(end, crossed, corners)
