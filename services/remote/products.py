"""What is published as tiles, and where: every place that is read is written here or in the modules that use it."""

from __future__ import annotations

from typing import NamedTuple

from core.errors import ServiceUnavailable


class Mirror(NamedTuple):
    """One place that has the tiles of a product."""

    name: str
    pattern: str
    """The address of a tile, with `{tile}` where its name stands."""

    def url(self, tile: str) -> str:
        return self.pattern.replace("{tile}", tile)


class Product(NamedTuple):
    """A raster of the earth in tiles."""

    name: str
    mirrors: tuple[Mirror, ...]
    """In order of preference."""
    witness: str
    """A tile that certainly exists. A mirror that does not have it has lost more than a tile."""


class Grid(NamedTuple):
    """How the cells of a tile lie: its size, its north-west corner and its cells in degrees."""

    width: int
    height: int
    west: float
    north: float
    wide: float
    high: float


class Window(NamedTuple):
    """Rows and columns of a tile, ends not included."""

    top: int
    bottom: int
    left: int
    right: int


class TilesFailed(ServiceUnavailable):
    """No mirror of a tiled product could be read. Try again in a few minutes."""

    code = "tiles_failed"
