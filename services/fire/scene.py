"""Everything that a fire meets, in one blob: made once, read by every task that lets members run."""

from __future__ import annotations

import math
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from core.blobs import BlobRef, Blobs, Zone
from core.errors import BadInput
from services.fire import fuels, ignitions, layers, moisture
from services.fire.air import Air, Here
from services.fire.fuel_models import Barrier
from services.fire.fuels import FuelMap, LandCover
from services.fire.landscape import Ignition, Landscape, Weather, locked
from services.fire.layers import Layer, Rises
from services.fire.rothermel import Array, Wind
from services.fire.site import Frozen, Site
from services.fire.work import CONTAINER
from services.geo import projecting
from services.geo.gridspec import GridSpec
from services.storage import arrays

SEA = 0.5
STEP = 0.01
"""Degrees northwards that tell where north is."""


class Fuel(Frozen):
    """Where the fuel comes from, and how much of it is assumed."""

    id: str
    source: str
    assumed: float
    """The share of cells whose fuel is assumed, not known."""
    default: int
    fallback: bool
    """Nothing is known of the land: the default is everywhere."""


class Scene(Frozen):
    """What members need, and what the result tells of it."""

    site: Site
    terrain: Layer
    air: Air
    data: BlobRef
    digest: str
    fires: int
    """Cells that burn at the beginning."""
    fuel: Fuel
    warnings: list[str]


class Loaded(NamedTuple):
    landscape: Landscape
    weather: Weather
    ignition: Ignition


def make(blobs: Blobs, terrain: Layer, here: Here, cover: Layer, begins: datetime) -> Scene:
    site, air = here.site, here.air
    spec = site.ground
    rises = layers.rises(blobs, terrain)
    fuel = _fuel(layers.classes(blobs, cover), rises, spec)
    turn = north_of(spec)
    land = _landscape(spec, fuel.codes, rises, turn)
    ignition, moved = _ignition(site, land)
    weather = _weather(blobs, air, spec, begins, turn)
    data = _packed(land, weather, ignition)
    digest = sha256(data).hexdigest()[:16]
    ref = BlobRef.of(Zone.SILVER, CONTAINER, f"{digest}/scene.npz")
    blobs.write(ref, data)
    return Scene(
        site=site,
        terrain=terrain,
        air=air,
        data=ref,
        digest=digest,
        fires=len(ignition.rows),
        fuel=Fuel(
            id=cover.id,
            source=cover.source,
            assumed=round(fuel.assumed, 4),
            default=fuel.default,
            fallback=fuel.is_fallback,
        ),
        warnings=[*site.warnings, *air.warnings, *cover.warnings, *fuel.warnings, *moved[:10]],
    )


def load(blobs: Blobs, data: BlobRef) -> Loaded:
    kept = {name: locked(each) for name, each in arrays.Opened(blobs.read(data)).items()}
    land = Landscape(float(kept["cell"]), kept["codes"], kept["east"], kept["north"])
    weather = Weather(kept["wind"], kept["moisture"])
    return Loaded(land, weather, Ignition(kept["rows"], kept["columns"], kept["minutes"]))


def north_of(spec: GridSpec) -> float:
    """How far north is turned from the grid's own, clockwise, in radians, in its middle."""
    west, south, east, north = spec.bounds
    lon, lat = (
        float(v) for v in projecting.backward(spec.crs, (west + east) / 2, (south + north) / 2)
    )
    step = -STEP if lat > 89 else STEP
    (x, y), (far_x, far_y) = (projecting.forward(spec.crs, lon, lat + d) for d in (0.0, step))
    return math.atan2((far_x - x) * np.sign(step), (far_y - y) * np.sign(step))


def turned(east: Array, north: Array, turn: float) -> tuple[Array, Array]:
    """Along the columns and rows of a grid whose north is turned so far."""
    sine, cosine = math.sin(turn), math.cos(turn)
    return east * cosine + north * sine, north * cosine - east * sine


def _fuel(classes: Array | None, rises: Rises, spec: GridSpec) -> FuelMap:
    """Where neither the DEM nor the map of the land has a tile, there is sea."""
    if classes is None:
        made = fuels.assumed(spec.shape)
        return FuelMap(
            np.where(rises.sea > SEA, np.uint8(Barrier.WATER), made.codes),
            made.source, made.assumed, made.default, made.warnings,
        )  # fmt: skip
    known = np.where((classes == 0) & (rises.sea > SEA), np.uint8(80), classes)
    return fuels.from_cover(known, LandCover.WORLDCOVER, nodata=0)


def _landscape(spec: GridSpec, codes: Array, rises: Rises, turn: float) -> Landscape:
    east, north = turned(rises.east, rises.north, turn)
    falls = np.degrees(np.arctan2(-east, -north)) % 360
    return Landscape.of(float(spec.cell), codes, np.hypot(east, north), falls)


def _ignition(site: Site, land: Landscape) -> tuple[Ignition, list[str]]:
    cells = [site.ground.cell_of(*place) for place in site.fires]
    within = sorted({cell for cell in cells if cell is not None})
    if not within:
        raise BadInput("the fire begins outside of the box")
    return ignitions.settled(land, Ignition.at(within))


def _weather(blobs: Blobs, air: Air, spec: GridSpec, begins: datetime, turn: float) -> Weather:
    found = arrays.Opened(blobs.read(air.data))
    west, south, east, north = spec.bounds
    _, lat = projecting.backward(spec.crs, (west + east) / 2, (south + north) / 2)
    living = moisture.live(float(lat), begins.timetuple().tm_yday)
    wet = moisture.of_air(found["celsius"], found["humidity"], found["rain"], living)
    return Weather.of(Wind(*turned(found["east"], found["north"], turn)), wet)


def _packed(land: Landscape, weather: Weather, ignition: Ignition) -> bytes:
    return arrays.together(
        {
            "cell": land.cell,
            "codes": land.codes,
            "east": land.rise_east,
            "north": land.rise_north,
            "wind": weather.wind,
            "moisture": weather.moisture,
            "rows": ignition.rows,
            "columns": ignition.columns,
            "minutes": ignition.minutes,
        }
    )
