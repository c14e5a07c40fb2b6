"""Where a raster lies on the earth: its CRS, its bounds in degrees, its outline."""

from math import isfinite
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform, transform_bounds

from core.errors import BadInput
from services.raster.models import Box, Grid

LONLAT = CRS.from_epsg(4326)


def parse(crs: str) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise BadInput(
            f"{crs!r} is no CRS; write EPSG:4326, another authority's code or WKT"
        ) from error


def crs_of(dataset: DatasetReader, input_crs: str | None, name: str) -> CRS:
    """The file's own CRS, or the caller's where the file has none. Two that differ are an error."""
    given = parse(input_crs) if input_crs else None
    if not dataset.crs and not given:
        raise BadInput(f"{name} has no CRS; pass input_crs")
    if given and dataset.crs and dataset.crs != given:
        raise BadInput(
            f"{name} says its CRS is {dataset.crs.to_string()}, input_crs says {given.to_string()}; "
            "leave input_crs away, or correct the file"
        )
    return dataset.crs or given


def name_of(crs: CRS) -> str:
    """Its code, where rasterio's guess of one means the same CRS; otherwise all of its WKT."""
    name = crs.to_string()
    return name if CRS.from_user_input(name) == crs else crs.to_wkt()


def grid_of(dataset: DatasetReader | WarpedVRT, crs: CRS) -> Grid:
    return grid(dataset.transform, dataset.width, dataset.height, crs)


def grid(transform: Affine, width: int, height: int, crs: CRS) -> Grid:
    bounds = _box(transform, width, height)
    return Grid(
        width=width,
        height=height,
        crs=name_of(crs),
        transform=six(transform),
        bounds=bounds,
        bounds_lonlat=lonlat(crs, bounds),
    )


def six(transform: Affine) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a, b, c, d, e, f


def lonlat(crs: CRS, bounds: Box) -> Box:
    """Bounds in degrees, longitudes from -180 to 180; west > east where they cross the 180th meridian."""
    box = transform_bounds(crs, LONLAT, *bounds)
    west, south, east, north = box if all(map(isfinite, box)) else _seen_from_inside(crs, bounds)
    if east - west >= 360:
        return -180.0, max(south, -90.0), 180.0, min(north, 90.0)
    return _wrap(west), max(south, -90.0), -_wrap(-east), min(north, 90.0)


def outline(box: Box) -> dict[str, Any]:
    """A box in degrees as GeoJSON, cut in two at the 180th meridian where it crosses it."""
    west, south, east, north = box
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(box)]}
    parts = (west, south, 180.0, north), (-180.0, south, east, north)
    return {"type": "MultiPolygon", "coordinates": [[_ring(part)] for part in parts]}


def _box(grid: Affine, width: int, height: int) -> Box:
    """Smallest coordinate first, also where the first row is the southernmost."""
    x, y = sorted((grid.c, grid.c + grid.a * width)), sorted((grid.f, grid.f + grid.e * height))
    return x[0], y[0], x[1], y[1]


def _seen_from_inside(crs: CRS, bounds: Box) -> Box:
    """Bounds from a net of points, for pictures whose corners look past the earth."""
    x, y = np.meshgrid(np.linspace(bounds[0], bounds[2], 65), np.linspace(bounds[1], bounds[3], 65))
    lon, lat = (np.asarray(axis) for axis in transform(crs, LONLAT, x.ravel(), y.ravel()))
    seen = np.isfinite(lon) & np.isfinite(lat)
    if not seen.any():
        raise BadInput(f"no part of {bounds} in {crs.to_string()} lies on the earth; check the CRS")
    lon, lat = lon[seen], lat[seen]
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _wrap(longitude: float) -> float:
    """A longitude from -180 up to, not including, 180."""
    return longitude if -180 <= longitude < 180 else (longitude + 180) % 360 - 180


def _ring(box: Box) -> list[tuple[float, float]]:
    west, south, east, north = box
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]
