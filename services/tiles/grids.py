"""The tile matrix sets that maps use."""

from typing import Any

import morecantile
from morecantile.defaults import TileMatrixSets
from rio_tiler.io import BaseReader

from services.raster.models import Box

NAMES = ("WebMercatorQuad", "WorldCRS84Quad", "WGS1984Quad")
GRIDS = TileMatrixSets({name: morecantile.tms.get(name) for name in NAMES})
MERCATOR = GRIDS.get("WebMercatorQuad")


def limits(grid: Any, bounds: Any, zooms: range) -> list[tuple[str, int, int, int, int]]:
    """By zoom: its name, and the least and the greatest row and column that meet the bounds."""
    west, south, east, north = bounds
    found = []
    for zoom in zooms:
        first, last = grid.tile(west, north, zoom), grid.tile(east, south, zoom)
        found.append((grid.matrix(zoom).id, first.y, last.y, first.x, last.x))
    return found


def extent(reader: BaseReader, grid: Any) -> tuple[Box, range]:
    """Where and at which zooms there is something to see."""
    found: Any = reader
    bounds = found.get_geographic_bounds(grid.rasterio_geographic_crs)
    return bounds, range(found.minzoom, found.maxzoom + 1)
