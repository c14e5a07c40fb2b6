"""Copernicus GLO-30 as it is published: the names of its tiles, the lattice of its cells, and where it is to be had."""

from __future__ import annotations

from services.remote.products import Grid, Mirror, Product

ROWS = 3600
"""Rows of a tile, and of a degree."""
WIDTHS = {85: 360, 80: 720, 70: 1200, 60: 1800, 50: 2400, 0: 3600}
"""Columns of a tile, by the latitude of its edge that is nearer to the equator."""
LAND = "N45_00_E006_00"
"""The Alps."""

PRODUCT = Product(
    "glo30",
    (
        Mirror(
            "aws",
            "https://copernicus-dem-30m.s3.amazonaws.com/Copernicus_DSM_COG_10_{tile}_DEM/Copernicus_DSM_COG_10_{tile}_DEM.tif",
        ),
        Mirror(
            "opentopography",
            "https://opentopography.s3.sdsc.edu/raster/COP30/COP30_hh/Copernicus_DSM_10_{tile}_DEM.tif",
        ),
    ),
    LAND,
)
COARSER = Product(
    "glo90",
    (
        Mirror(
            "aws",
            "https://copernicus-dem-90m.s3.amazonaws.com/Copernicus_DSM_COG_30_{tile}_DEM/Copernicus_DSM_COG_30_{tile}_DEM.tif",
        ),
    ),
    LAND,
)
"""Has the tiles of some countries that are not public at 30 m: what it has is no sea."""


def columns_of(south: int) -> int:
    """How many columns the tile has, and a degree of its latitudes."""
    edge = south if south >= 0 else -south - 1
    return next(columns for lowest, columns in WIDTHS.items() if edge >= lowest)


def south_of(row: int) -> int:
    """The tile of a row. Rows count arc seconds north of the equator, and a tile owns its northern edge."""
    return (row - 1) // ROWS


def name(south: int, west: int) -> str:
    north, east = ("N" if south >= 0 else "S"), ("E" if west >= 0 else "W")
    return f"{north}{abs(south):02d}_00_{east}{abs(west):03d}_00"


def grid(south: int, west: int) -> Grid:
    """The middle of the first cell is the tile's north-west corner, so its edge is half a cell before that."""
    columns = columns_of(south)
    wide, high = 1 / columns, 1 / ROWS
    return Grid(columns, ROWS, west - wide / 2, south + 1 + high / 2, wide, high)
