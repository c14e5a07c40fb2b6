"""How much one picture may be. What titiler's own parameters leave open is checked here, before any of them is read."""

import json
import re
from math import isfinite
from typing import Any

from fastapi import Request

from triggers.http.problems import invalid_parameters

SIDE = 2048
"""Pixels along a side of a picture."""
TILE = 1024
ZOOM = 24
COVER = 10
CRS = re.compile(r"(?i)epsg:\d{4,6}|ogc:crs84")
"""Other forms of naming a CRS let PROJ look into files."""
SHAPES = 20
FAR = 1e9
"""No CRS counts so far, in whatever unit."""
WHOLE = {
    "tilesize": (1, TILE),
    "cover_scale": (1, COVER),
    "minzoom": (0, ZOOM),
    "maxzoom": (0, ZOOM),
}
CELLS = {"z": (0, ZOOM), "x": (0, 2**ZOOM), "y": (0, 2**ZOOM)}
SIDES = {"width": (1, SIDE), "height": (1, SIDE)}
BOX = ("minx", "miny", "maxx", "maxy")
PLACES = ("lon", "lat", *BOX)


async def within_limits(request: Request) -> None:
    query, path = request.query_params, request.path_params
    wrong = [
        *_numbers("query", query, {**WHOLE, **SIDES}),
        *_numbers("path", path, {**CELLS, **SIDES}),
    ]
    wrong += [
        _wrong("query", name, "write EPSG:4326 or another code of EPSG, or OGC:CRS84")
        for name in ("crs", "dst_crs", "coord_crs")
        if name in query and not CRS.fullmatch(query[name])
    ]
    if ("width" in query) != ("height" in query):
        wrong.append(
            _wrong("query", "width", "width and height come together; max_size keeps the shape")
        )
    wrong += _places(path) + await _shapes(request)
    if wrong:
        raise invalid_parameters(wrong)


async def _shapes(request: Request) -> list[dict[str, Any]]:
    """Each shape is read on its own, so a collection of many would take its time."""
    try:
        body: Any = json.loads(await request.body() or b"null")
        count = len(body["features"])
    except (ValueError, TypeError, KeyError):  # no collection, or no JSON, which is told elsewhere
        return []
    return [_wrong("body", "features", f"at most {SHAPES} features")] if count > SHAPES else []


def _numbers(place: str, given: Any, limits: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    return [
        _wrong(place, name, f"a whole number from {low} to {high}")
        for name, (low, high) in limits.items()
        if name in given and not _is_within(given[name], low, high)
    ]


def _is_within(text: str, low: int, high: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12 and low <= int(text) <= high


def _places(path: dict[str, Any]) -> list[dict[str, Any]]:
    found = {name: _number(path[name]) for name in PLACES if name in path}
    wrong = [_wrong("path", name, "a number") for name, value in found.items() if value is None]
    if not wrong and "minx" in found and not _is_box(*(float(path[name]) for name in BOX)):
        wrong.append(_wrong("path", "minx", "a box is minx,miny,maxx,maxy, the smaller first"))
    return wrong


def _is_box(minx: float, miny: float, maxx: float, maxy: float) -> bool:
    return minx < maxx and miny < maxy


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and abs(value) <= FAR else None


def _wrong(place: str, name: str, message: str) -> dict[str, Any]:
    return {"loc": (place, name), "msg": message, "type": "out_of_limits"}
