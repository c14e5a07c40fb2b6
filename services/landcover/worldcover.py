"""ESA WorldCover 2021 as it is published: its classes, its tiles, and where they are to be had."""

from __future__ import annotations

from enum import IntEnum

from services.remote.products import Grid, Mirror, Product

TILE = 3
"""Degrees along the edge of a tile."""
COLUMNS = 12_000
"""Columns and rows of a degree."""
CELLS = TILE * COLUMNS
NATIVE = 9.3
"""Metres of a cell, north to south."""


class Cover(IntEnum):
    """The classes of WorldCover."""

    NONE = 0
    """No tile, or no data: sea, mostly."""
    TREES = 10
    SHRUBS = 20
    GRASS = 30
    CROPS = 40
    BUILT = 50
    BARE = 60
    SNOW = 70
    WATER = 80
    WETLAND = 90
    MANGROVES = 95
    MOSS = 100


PRODUCT = Product(
    "worldcover",
    (
        Mirror(
            "aws",
            "https://esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map/ESA_WorldCover_10m_2021_v200_{tile}_Map.tif",
        ),
    ),
    "N45E006",
)


def name(south: int, west: int) -> str:
    """By the south-west corner, whole multiples of three degrees."""
    north, east = ("N" if south >= 0 else "S"), ("E" if west >= 0 else "W")
    return f"{north}{abs(south):02d}{east}{abs(west):03d}"


def grid(south: int, west: int) -> Grid:
    cell = 1 / COLUMNS
    return Grid(CELLS, CELLS, float(west), float(south + TILE), cell, cell)
