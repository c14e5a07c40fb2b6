"""How long items take to get into the catalog, and a page of them to be found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from benchmarks.rig import percentile, private_server, rig
from benchmarks.table import Row
from core.catalog import Catalog, Document
from services.stac import collection

LOAD, PAGE = 10.0, 0.1
AT_ONCE, FOUND = 500, 100
ASKED = 50


def catalog_rows(count: int) -> list[Row]:
    with private_server() as server, rig(server) as made:
        catalog = made.services.machine.catalog
        return [load_row(catalog, count), page_row(catalog, count)]


def load_row(catalog: Catalog, count: int) -> Row:
    """As a fan-in adds them: batches, each a transaction."""
    made, rest = collection.of_rasters("bench", ""), items(count)
    began = time.perf_counter()
    while some := list(islice(rest, AT_ONCE)):
        catalog.add(made, some)
    took = time.perf_counter() - began
    return Row(
        f"{count:,} items added to the catalog", f"{took:.1f} s", "", None,
        f"< {LOAD:.0f} s", took < LOAD,
    )  # fmt: skip


def page_row(catalog: Catalog, count: int) -> Row:
    times: list[float] = []
    for n in range(ASKED):
        west = -180 + 300 * n / ASKED
        query = {"collections": ["bench"], "bbox": [west, -60, west + 60, 60], "limit": FOUND}
        began = time.perf_counter()
        catalog.search(query)
        times.append(time.perf_counter() - began)
    took = percentile(times, 0.5)
    return Row(
        f"a search page of {FOUND} among {count:,} items, p50", f"{1000 * took:.0f} ms",
        f"p99 {1000 * percentile(times, 0.99):.0f} ms", None,
        f"< {1000 * PAGE:.0f} ms", took < PAGE,
    )  # fmt: skip


def items(count: int) -> Iterator[Document]:
    return (_item(n) for n in range(count))


def _item(n: int) -> dict[str, Any]:
    west, south = -180 + n * 37 % 359, -85 + n * 17 % 169
    ring = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"item-{n:06d}",
        "collection": "bench",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "bbox": [west, south, west + 1, south + 1],
        "properties": {"datetime": f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}T00:00:00Z"},
        "links": [],
        "assets": {"analysis": {"href": f"silver/bench/{n}.tif", "roles": ["data"]}},
    }
