"""Where the front stands at each horizon, as GeoJSON in degrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import shapes
from rasterio.warp import transform
from shapely.affinity import translate
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from services.fire.rothermel import Array

LONLAT = CRS.from_epsg(4326)
DIGITS = 7
"""About a centimetre."""
AREA = 10_000


def isochrones(
    arrival: Array, horizons: Sequence[float], transform_: Affine, crs: str, cell: float
) -> dict[str, Any]:
    """What has burnt at each horizon (minutes), the largest first so that a map draws them one upon another."""
    features = []
    for minutes in sorted(horizons, reverse=True):
        burnt = arrival <= minutes
        if burnt.any():
            features.append(_feature(burnt, minutes, outline(burnt, transform_, crs), cell))
    return {"type": "FeatureCollection", "features": features}


def outline(burnt: Array, transform_: Affine, crs: str) -> dict[str, Any]:
    """The outline of cells with its holes: valid, counter-clockwise, cut at the 180th meridian (RFC 7946)."""
    cells = burnt.astype(np.uint8)
    drawn = [
        shape(part) for part, _ in shapes(cells, mask=burnt, connectivity=4, transform=transform_)
    ]
    on_earth = _in_degrees(shapely.unary_union(drawn), crs)
    polygons = [orient(part) for part in _polygons(_cut(on_earth))]
    whole = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    return mapping(whole)


def _feature(burnt: Array, minutes: float, geometry: dict[str, Any], cell: float) -> dict[str, Any]:
    told = {
        "minutes": minutes,
        "hours": round(minutes / 60, 3),
        "area_ha": round(float(burnt.sum()) * cell**2 / AREA, 2),
    }
    return {"type": "Feature", "properties": told, "geometry": geometry}


def _in_degrees(drawn: BaseGeometry, crs: str) -> BaseGeometry:
    """With longitudes that run on past 180 where the cells do."""
    source = CRS.from_user_input(crs)
    if source == LONLAT:
        return drawn
    middle = drawn.centroid
    (centre,), _ = transform(source, LONLAT, [middle.x], [middle.y])[:2]

    def moved(points: np.ndarray) -> np.ndarray:
        lon, lat = (np.asarray(v) for v in transform(source, LONLAT, *points.T.tolist())[:2])
        return np.column_stack([lon - 360 * np.round((lon - centre) / 360), lat])

    return shapely.transform(drawn, moved)


def _cut(drawn: BaseGeometry) -> BaseGeometry:
    """In three worlds side by side, each moved back to this one."""
    drawn = _valid(shapely.transform(drawn, lambda points: points.round(DIGITS)))
    west, _, east, _ = drawn.bounds
    if west >= -180 and east <= 180:
        return drawn
    worlds = [(turn, shapely.box(-180 + turn, -90, 180 + turn, 90)) for turn in (-360, 0, 360)]
    return shapely.unary_union([translate(drawn & world, -turn) for turn, world in worlds])


def _valid(drawn: BaseGeometry) -> BaseGeometry:
    return drawn if drawn.is_valid else shapely.make_valid(drawn)


def _polygons(drawn: BaseGeometry) -> list[shapely.Polygon]:
    return [
        part
        for part in shapely.get_parts(shapely.get_parts([drawn])).tolist()
        if isinstance(part, shapely.Polygon) and not part.is_empty
    ]
