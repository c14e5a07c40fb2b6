"""Between degrees and metres: which plane fits a box, and how coordinates get there and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from core.errors import BadInput

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""West, south, east, north."""

LONLAT = "EPSG:4326"
SEMI_MAJOR, FLATTENING = 6_378_137.0, 1 / 298.257223563
ECCENTRICITY = FLATTENING * (2 - FLATTENING)
"""The square of it, as the formulas want it."""
WIDEST = 9.0
"""Degrees of longitude from its middle up to which a UTM zone serves; its scale is off by a hundredth there."""
POLAR = (-80.0, 84.0)
"""The latitudes between which UTM is defined."""
SAMPLES = 257


def checked(bbox: Sequence[float]) -> Box:
    """A box that makes sense, west from -180 up to 180 and east east of it, beyond 180 where need be."""
    if len(bbox) != 4 or not all(math.isfinite(value) for value in bbox):
        raise BadInput("a bbox is four numbers: west, south, east, north")
    west, south, east, north = bbox
    if not -90 <= south <= north <= 90:
        raise BadInput("a bbox has its south below its north, both between -90 and 90")
    if not (-360 <= west <= 360 and -360 <= east <= 360):
        raise BadInput("longitudes lie between -180 and 180, or between 0 and 360")
    if east - west >= 360:
        return -180.0, south, 180.0, north
    turns = 360 * math.floor((west + 180) / 360)
    return west - turns, south, east - turns + (360 if east < west else 0), north


def box_around(lon: float, lat: float, radius: float) -> Box:
    """The box that holds every place within so many metres; all the way around where that takes in a pole."""
    if not (math.isfinite(radius) and radius > 0):
        raise BadInput("a radius is a number of metres above 0")
    lon, lat, _, _ = checked((lon, lat, lon, lat))
    narrowest = SEMI_MAJOR * (1 - ECCENTRICITY)
    reach = math.degrees(radius / narrowest)
    south, north = max(lat - reach, -90.0), min(lat + reach, 90.0)
    if abs(lat) + reach >= 90:
        return -180.0, south, 180.0, north
    aside = math.degrees(
        math.asin(min(1.0, math.sin(math.radians(reach)) / math.cos(math.radians(lat))))
    )
    return (
        checked((lon - aside, south, lon + aside, north))
        if aside < 180
        else (-180.0, south, 180.0, north)
    )


def plane_of(box: Box) -> str:
    """The UTM zone of the box's middle, or a plane around that middle where the zone would bend it too much."""
    west, south, east, north = box
    middle = float(wrapped(np.float64((west + east) / 2)))
    zone = min(int((middle + 180) // 6), 59) + 1  # a hair below 180 degrees rounds to 360
    central = -183 + 6 * zone
    reach = abs(middle - central) + (east - west) / 2
    if POLAR[0] <= south and north <= POLAR[1] and reach <= WIDEST:
        return f"EPSG:{(32600 if south + north >= 0 else 32700) + zone}"
    lat = round((south + north) / 2, 1)
    return f"+proj=aeqd +lat_0={lat:g} +lon_0={round(middle, 1):g} +datum=WGS84 +units=m +no_defs"


def bounds_in(crs: str, box: Box) -> Box:
    """The box in the CRS: its edges are followed, because they bend."""
    west, south, east, north = box
    lon, lat = np.linspace(west, east, SAMPLES), np.linspace(south, north, SAMPLES)
    x, y = there(crs).transform(
        np.concatenate([lon, lon, np.full(SAMPLES, west), np.full(SAMPLES, east)]),
        np.concatenate([np.full(SAMPLES, south), np.full(SAMPLES, north), lat, lat]),
    )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadInput(f"the box does not fit into {crs}; ask for degrees, or for a smaller box")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def bbox_of(crs: str, bounds: Box) -> Box:
    """Bounds of the CRS in degrees; west lies east of east where they cross the 180th meridian."""
    if crs == LONLAT:
        west, south, east, north = bounds
        return (west, south, east - 360 if east > 180 else east, north)
    left, bottom, right, top = bounds
    x, y = np.linspace(left, right, SAMPLES), np.linspace(bottom, top, SAMPLES)
    lon, lat = backward(
        crs,
        np.concatenate([x, x, np.full(SAMPLES, left), np.full(SAMPLES, right)]),
        np.concatenate([np.full(SAMPLES, bottom), np.full(SAMPLES, top), y, y]),
    )
    for pole in (90.0, -90.0):
        px, py = there(crs).transform(0.0, pole)
        if left <= px <= right and bottom <= py <= top:
            return (
                (-180.0, float(lat.min()), 180.0, 90.0)
                if pole > 0
                else (-180.0, -90.0, 180.0, float(lat.max()))
            )
    middle, _ = backward(crs, np.float64((left + right) / 2), np.float64((bottom + top) / 2))
    apart = wrapped(lon - middle)
    west, east = (float(wrapped(middle + side)) for side in (apart.min(), apart.max()))
    return west, float(lat.min()), east, float(lat.max())


def forward(crs: str, lon: float, lat: float) -> tuple[float, float]:
    if crs == LONLAT:
        return lon, lat
    x, y = there(crs).transform(lon, lat)
    return float(x), float(y)


def backward(crs: str, x: Any, y: Any) -> tuple[Floats, Floats]:
    """Longitudes from -180 up to 180, and latitudes."""
    lon, lat = there(crs).transform(x, y, direction="INVERSE")
    return wrapped(np.asarray(lon)), np.asarray(lat)


@lru_cache(maxsize=64)
def there(crs: str) -> Transformer:
    """From degrees to the CRS. Kept, because making one takes longer than most grids."""
    return Transformer.from_crs(LONLAT, CRS.from_user_input(crs), always_xy=True)


def wkt(crs: str) -> str:
    return CRS.from_user_input(crs).to_wkt()


def wrapped(lon: Any) -> Any:
    """Longitudes from -180 up to, not including, 180."""
    return np.where((lon >= -180) & (lon < 180), lon, (lon + 180) % 360 - 180)


def metres_per_degree(lat: Floats) -> tuple[Floats, Floats]:
    """Of longitude and of latitude, on the ellipsoid."""
    sine, cosine = np.sin(np.radians(lat)), np.cos(np.radians(lat))
    bend = 1 - ECCENTRICITY * sine**2
    east = np.radians(SEMI_MAJOR / np.sqrt(bend)) * cosine
    north = np.radians(SEMI_MAJOR * (1 - ECCENTRICITY) / bend**1.5)
    return east, north


def short(crs: str) -> str:
    """How names of grids call a CRS."""
    if crs.startswith(("EPSG:326", "EPSG:327")):
        return f"utm{crs[-2:]}{'n' if crs[7] == '6' else 's'}"
    parts = dict(part.lstrip("+").split("=") for part in crs.split() if "=" in part)
    return f"around{parts['lat_0']}_{parts['lon_0']}"
