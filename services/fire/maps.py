"""The maps of a forecast as files: Cloud Optimized GeoTIFFs in metres, and outlines of the fire in degrees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.blobs import BlobRef, Blobs
from services.fire import isochrones
from services.fire.members import Added
from services.fire.rothermel import Array
from services.geo.gridspec import GridSpec
from services.raster import made
from services.raster.models import COG_TYPE

GEOJSON = "application/geo+json"
HOURLY = 24
"""Hours up to which there is an outline for each."""
ISOCHRONES = "isochrones"


class Map(NamedTuple):
    """One COG, and how it is shown."""

    name: str
    title: str
    unit: str
    bands: dict[str, Array]
    """By what a band is called; NaN where the fire does not come."""
    rescale: tuple[float, float]
    colors: str


def of(added: Added, horizons: Sequence[int]) -> list[Map]:
    """Horizons are in hours."""
    forecast, last = added.forecast, max(horizons)
    arrival = {f"P{each}": forecast.arrival[each] for each in (50, 10, 90)}
    flames = forecast.flame_length
    longest = float(np.nanmax(flames, initial=1.0, where=np.isfinite(flames)))
    return [
        Map("arrival", "When half of the members have come", "minutes", arrival, (0, last * 60), "inferno_r"),
        *(_probability(hours, forecast.probability[hours * 60.0]) for hours in sorted(horizons)),
        Map("flame_length", "Mean length of flames", "m", {"flame_length": flames}, (0, round(longest, 1)), "ylorrd"),
        Map("intensity", "Intensity of the front, undisturbed member", "kW/m", {"intensity": added.plain.intensity}, (0, 10_000), "inferno"),
    ]  # fmt: skip


def _probability(hours: int, values: Array) -> Map:
    burns = np.where(values > 0, values, np.nan).astype(np.float32)
    title = f"Share of members that burn a cell within {hours} h"
    return Map(f"probability_{hours}h", title, "1", {"probability": burns}, (0, 1), "ylorrd")


def store(blobs: Blobs, each: Map, spec: GridSpec, ref: BlobRef) -> None:
    bands = {name: values.astype(np.float32) for name, values in each.bands.items()}
    data = made.cog(spec, bands, title=each.title, unit=each.unit, nodata=float("nan"))
    blobs.write(ref, data, content_type=COG_TYPE)


def outlines(
    blobs: Blobs, added: Added, horizons: Sequence[int], spec: GridSpec, ref: BlobRef
) -> dict[str, float]:
    """The fire of half the members, hour by hour of the first day and at every horizon; hectares by hours."""
    hours = sorted({*horizons, *range(1, min(HOURLY, max(horizons)) + 1)})
    minutes = [each * 60.0 for each in hours]
    cell = float(spec.cell)
    found = isochrones.isochrones(
        added.forecast.arrival[50], minutes, spec.transform, spec.crs, cell
    )
    blobs.write(ref, json.dumps(found).encode(), content_type=GEOJSON)
    return {f"{each:g}": area for each, area in _areas(found["features"]) if each in horizons}


def _areas(features: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    told = [each["properties"] for each in features]
    return sorted((each["hours"], each["area_ha"]) for each in told)
