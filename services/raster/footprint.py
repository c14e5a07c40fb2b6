"""Where a raster really has data: an outline in degrees, simple enough to be drawn and searched."""

from itertools import pairwise
from math import ceil, isfinite
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import shapes, sieve
from rasterio.warp import transform
from shapely.affinity import translate
from shapely.geometry import shape as shape_of
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from services.raster import place
from services.raster.models import Box, Grid

VERTICES = 200
"""An outline has no more corners than this."""
LOOK = 256
"""An outline is drawn of no more cells than this, across and down."""
FULL = 0.999
"""Where so large a share of the cells is valid, the box says all there is."""
STEPS = 8
"""An edge is cut in so many parts before it is reprojected: straight lines bend."""


def outline(valid: np.ndarray, grid: Grid) -> dict[str, Any] | None:
    """The valid cells as GeoJSON: a polygon, or several, cut at the 180th meridian. None where it is the box.

    `valid` is a look at the whole grid, decimated or not.
    """
    if not valid.any() or valid.mean() >= FULL:
        return None
    on_earth = _on_earth(_drawn(valid, grid), grid)
    if not _is_finite(on_earth):
        return None  # a view of the whole disc: some of its cells look past the earth
    return _geojson(_fewer(_cut(on_earth), 1e-6))


def bounds(geometry: dict[str, Any]) -> Box:
    """The box of an outline; west > east where it crosses the 180th meridian."""
    parts = [shape_of(geometry)]
    boxes = [part.bounds for whole in parts for part in shapely.get_parts(whole)]
    souths, norths = [box[1] for box in boxes], [box[3] for box in boxes]
    west, east = min(box[0] for box in boxes), max(box[2] for box in boxes)
    if (west, east) == (-180.0, 180.0):
        west, east = _across([(box[0], box[2]) for box in boxes])
    return west, min(souths), east, max(norths)


def _across(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """From the end of the widest gap between parts round the earth to its beginning."""
    merged: list[tuple[float, float]] = []
    for west, east in sorted(spans):
        if merged and west <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], east)
        else:
            merged.append((west, east))
    gaps = [(b[0] - a[1], a[1], b[0]) for a, b in pairwise(merged)]
    if not gaps:
        return -180.0, 180.0
    _, east, west = max(gaps)
    return west, east


def _drawn(valid: np.ndarray, grid: Grid) -> BaseGeometry:
    """In the raster's own coordinates, without specks and pinholes of less than a thousandth."""
    step = max(1, ceil(max(valid.shape) / LOOK))
    cells = _smaller(valid, step)
    swept = sieve(cells, size=max(2, cells.size // 1000), connectivity=4)
    swept = swept if swept.any() else cells
    scale = step * grid.width / valid.shape[1], step * grid.height / valid.shape[0]
    to_map = Affine(*grid.transform) @ Affine.scale(*scale)
    parts = [
        shape_of(drawn)
        for drawn, _ in shapes(swept, mask=swept.astype(bool), transform=to_map, connectivity=4)
    ]
    inside = shapely.unary_union(parts) & shapely.box(*grid.bounds)
    return _fewer(inside, (abs(to_map.a) + abs(to_map.e)) / 4)


def _smaller(valid: np.ndarray, step: int) -> np.ndarray:
    """Fewer cells: each is 1 where at least half of what it stands for is valid."""
    high, wide = (ceil(length / step) for length in valid.shape)
    more = [(0, high * step - valid.shape[0]), (0, wide * step - valid.shape[1])]
    blocks = np.pad(valid, more, mode="edge").reshape(high, step, wide, step).mean(axis=(1, 3))
    return (blocks >= min(0.5, blocks.max())).astype("uint8")


def _fewer(shape: BaseGeometry, tolerance: float) -> BaseGeometry:
    """Simplified until it has few corners; its hull when it never has."""
    for _ in range(32):
        simple = shapely.make_valid(shape.simplify(tolerance))
        if shapely.get_num_coordinates(simple) <= VERTICES:
            return simple
        tolerance *= 1.5
    return shape.convex_hull


def _on_earth(shape: BaseGeometry, grid: Grid) -> BaseGeometry:
    """In degrees, with longitudes that run on past 180 where the raster does."""
    crs = place.parse(grid.crs)
    west, _, east, _ = grid.bounds_lonlat
    middle = (west + (east if west <= east else east + 360)) / 2

    def to_degrees(points: np.ndarray) -> np.ndarray:
        lon, lat = (np.asarray(v) for v in transform(crs, place.LONLAT, *points.T.tolist()))
        near = points[:, 0] if crs.is_geographic else middle
        turns = np.round((near - np.where(np.isfinite(lon), lon, near)) / 360)
        return np.column_stack([lon + 360 * turns, np.clip(lat, -90, 90)])

    if crs.is_geographic:
        return shapely.transform(shape, to_degrees)
    edge = max(grid.bounds[2] - grid.bounds[0], grid.bounds[3] - grid.bounds[1]) / STEPS
    on_earth = shapely.transform(shape.segmentize(edge), to_degrees)
    pole = _pole_in(shape, crs) if _is_finite(on_earth) else None
    return _round(on_earth, pole) if pole else on_earth


def _is_finite(shape: BaseGeometry) -> bool:
    return bool(np.isfinite(shapely.get_coordinates(shape)).all())


def _pole_in(shape: BaseGeometry, crs: CRS) -> float | None:
    """The latitude of the pole that lies inside."""
    for latitude in (90.0, -90.0):
        (x,), (y,) = transform(place.LONLAT, crs, [0.0], [latitude])[:2]
        if isfinite(x) and isfinite(y) and shape.contains(shapely.Point(x, y)):
            return latitude
    return None


def _round(shape: BaseGeometry, pole: float) -> BaseGeometry:
    """What lies round a pole: all longitudes, from its rim to the pole."""
    longest = max(_surfaces(shape), key=shapely.get_num_coordinates)
    rim = sorted(longest.exterior.coords)
    edge = [(-180.0, rim[0][1]), *rim, (180.0, rim[-1][1])]
    return shapely.Polygon([*edge, (180.0, pole), (-180.0, pole)])


def _cut(shape: BaseGeometry) -> BaseGeometry:
    """Only surfaces, cut at the 180th meridian into parts with longitudes from -180 to 180."""
    whole = shapely.make_valid(shape)
    parts = [
        translate(whole & shapely.box(west, -90, west + 360, 90), -west - 180)
        for west in (-540.0, -180.0, 180.0)
    ]
    surfaces = [part for cut in parts for part in _surfaces(cut)]
    return shapely.set_precision(shapely.unary_union(surfaces), 1e-7)


def _surfaces(shape: BaseGeometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, shapely.Polygon)]


def _geojson(shape: BaseGeometry) -> dict[str, Any]:
    """Closed rings, outer ones counterclockwise."""
    polygons = [orient(part) for part in _surfaces(shape)]
    rings = [
        [[list(point) for point in ring.coords] for ring in (part.exterior, *part.interiors)]
        for part in polygons
    ]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}
