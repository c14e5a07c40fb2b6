"""Fires of the made-up earth: what NASA FIRMS would say of any box, one fire and one chimney to a degree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, timedelta

from services.fire.firms import HOST

ASKED = re.compile(
    HOST.replace(".", r"\.") + r"/api/area/csv/[^/]+/[A-Z0-9_]+/([-\d.,]+)/(\d+)/(\d{4}-\d\d-\d\d)"
)
HEAD = "latitude,longitude,bright_ti4,scan,track,acq_date,acq_time,satellite,instrument,confidence,version,bright_ti5,frp,daynight"
PIXEL = 0.004
MOST = 100
"""Degrees across that are answered."""
FRONT = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1))
"""Pixels of a fire, next to each other."""


def find(path: str) -> bytes | None:
    """The table at an address `host/path`."""
    found = ASKED.fullmatch(path)
    if found is None:
        return None
    west, south, east, north = (float(value) for value in found[1].split(","))
    first = date.fromisoformat(found[3])
    if not (0 < east - west <= MOST and 0 < north - south <= MOST):
        return b"Invalid area."
    days = [first + timedelta(days=n) for n in range(int(found[2]))]
    rows = [row for day in days for row in _rows(west, south, east, north, day)]
    return "\n".join([HEAD, *rows, ""]).encode()


def fire(west: int, south: int) -> tuple[float, float]:
    """Where it burns in a degree."""
    return west + 0.5, south + 0.5


def _rows(west: float, south: float, east: float, north: float, day: date) -> Iterator[str]:
    for x in range(math.floor(west), math.ceil(east)):
        for y in range(math.floor(south), math.ceil(north)):
            lon, lat = fire(x, y)
            burning = [(lon + PIXEL * i, lat + PIXEL * j, "n", 12.5) for i, j in FRONT]
            for a, b, sure, power in (*burning, (x + 0.1, y + 0.1, "l", 2.0)):
                if west <= a <= east and south <= b <= north:
                    yield row(a, b, day, sure, power)


def row(lon: float, lat: float, day: date, sure: str, power: float) -> str:
    return f"{lat:.5f},{lon:.5f},331.2,0.39,0.36,{day},0100,N,VIIRS,{sure},2.0NRT,290.1,{power},N"
