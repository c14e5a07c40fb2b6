"""Publish a forecast: its maps, its catalog item with everything it was made of, and what the job tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from pydantic import AwareDatetime

from core.blobs import BlobRef
from core.catalog import Catalog, Document
from core.context import Context
from core.extents import utc
from services.fire import ground, maps, members
from services.fire.air import Air
from services.fire.checks import Finding, Outcome
from services.fire.layers import Layer
from services.fire.maps import Map
from services.fire.members import Added, Ran
from services.fire.scene import Fuel, Scene
from services.fire.site import Frozen
from services.geo.gridspec import GridSpec
from services.raster.models import COG_TYPE
from services.stac import gridded
from services.stac.collection import collection as new_collection
from services.stac.gridded import FORECAST, RENDER

CONTAINER = "fire-forecasts"
GROUND = "ground"


class Wanted(NamedTuple):
    """What was asked for."""

    collection: str
    begins: datetime
    horizons: Sequence[int]
    """Hours."""
    seed: int
    job: str


class Files(NamedTuple):
    """What was written, and the hectares that the outlines hold."""

    maps: dict[str, BlobRef]
    outlines: BlobRef
    ground: BlobRef
    areas: dict[str, float]


class Made(Frozen):
    """A forecast as it lies in storage, and where everything in it came from."""

    item: str
    collection: str
    reference_time: AwareDatetime
    horizons_hours: list[int]
    members: int
    seed: int
    bbox: tuple[float, float, float, float]
    crs: str
    cell_m: float
    ignition: str
    """`point`, `detections`, or `assumed`."""
    fires: int
    """Cells that burn at the beginning."""
    areas_ha: dict[str, float]
    """By horizon in hours: what half the members have burnt."""
    maps: dict[str, BlobRef]
    isochrones: BlobRef
    ground: BlobRef | None = None
    """A picture of what grows there and of the hills; forecasts of earlier versions have none."""
    terrain: Layer
    weather: Air
    weather_source: str
    """The model and its cycle. There is no other: weather that is missing fails the forecast."""
    fuel: Fuel
    checks: list[Finding]
    checks_passed: bool
    """Whether no check failed."""
    warnings: list[str]


def finish(ctx: Context, wanted: Wanted, ran: Iterable[Ran], scene: Scene) -> Made:
    ctx.report(0.1, "adding up the members")
    added = members.add_up(ctx.blobs, scene, ran, [h * 60.0 for h in wanted.horizons])
    drawn, spec = maps.of(added, wanted.horizons), scene.site.ground
    name = name_of(wanted, scene)
    folder = f"silver/{CONTAINER}/{wanted.collection}/{name}"
    refs = {each.name: BlobRef(f"{folder}/{each.name}.tif") for each in drawn}
    ctx.report(0.5, "drawing maps")
    for each in drawn:
        maps.store(ctx.blobs, each, spec, refs[each.name])
    outlines = BlobRef(f"{folder}/{maps.ISOCHRONES}.geojson")
    areas = maps.outlines(ctx.blobs, added, wanted.horizons, spec, outlines)
    files = Files(refs, outlines, ground.keep(ctx.blobs, scene), areas)
    made = _made(wanted, scene, added, name, files)
    publish(ctx.catalog, made, drawn, spec)
    return made


def _made(wanted: Wanted, scene: Scene, added: Added, name: str, files: Files) -> Made:
    spec, air = scene.site.ground, scene.air
    return Made(
        item=name,
        collection=wanted.collection,
        reference_time=wanted.begins,
        horizons_hours=sorted(wanted.horizons),
        members=added.forecast.members,
        seed=wanted.seed,
        bbox=spec.bbox,
        crs=spec.crs,
        cell_m=float(spec.cell),
        ignition=scene.site.ignition,
        fires=scene.fires,
        areas_ha=files.areas,
        maps=files.maps,
        isochrones=files.outlines,
        ground=files.ground,
        terrain=scene.terrain,
        weather=air,
        weather_source=air.id,
        fuel=scene.fuel,
        checks=added.findings,
        checks_passed=all(each.outcome is not Outcome.FAILED for each in added.findings),
        warnings=scene.warnings,
    )


def name_of(wanted: Wanted, scene: Scene) -> str:
    """Another job, or another cycle of the weather, gives another name: nothing changes what an old item names."""
    version = sha256(f"{wanted.job} {scene.air.id}".encode()).hexdigest()[:8]
    return f"fire-{wanted.begins:%Y%m%d%H}-{scene.site.ground.name}-{version}"


def publish(catalog: Catalog, made: Made, drawn: Sequence[Map], spec: GridSpec) -> None:
    document = item(made, drawn, spec)
    about = "Forecasts of where fires spread to."
    catalog.add(new_collection(made.collection, about, items=[document]), [document])


def item(made: Made, drawn: Sequence[Map], spec: GridSpec) -> Document:
    """STAC 1.1, with the projection, forecast and render extensions."""
    first, last = made.reference_time, max(made.horizons_hours)
    properties = {
        "datetime": utc(first),
        "start_datetime": utc(first),
        "end_datetime": utc(first + timedelta(hours=last)),
        "forecast:reference_datetime": utc(first),
        "renders": {**{each.name: _render(each) for each in drawn}, **_render_ground(made)},
        "coremachine:horizons_hours": made.horizons_hours,
        "coremachine:members": made.members,
        "coremachine:ignition": made.ignition,
        "coremachine:areas_ha": made.areas_ha,
        "coremachine:terrain": made.terrain.id,
        "coremachine:weather": made.weather.id,
        "coremachine:weather_source": made.weather_source,
        "coremachine:fuel": made.fuel.model_dump(mode="json"),
        "coremachine:checks": [each.model_dump(mode="json") for each in made.checks],
        "coremachine:checks_passed": made.checks_passed,
        "coremachine:warnings": made.warnings,
    }
    cogs = {each.name: gridded.cog(made.maps[each.name], each.title, each.unit) for each in drawn}
    assets = {**cogs, **_outlines(made), **_ground(made)}
    return gridded.item(made.item, made.collection, spec, properties, assets, [FORECAST, RENDER])


def _render(each: Map) -> Document:
    return {
        "title": each.title,
        "assets": [each.name],
        "bidx": [1],
        "rescale": [list(each.rescale)],
        "colormap_name": each.colors,
        "resampling": "nearest",
    }


def _outlines(made: Made) -> Document:
    title = "Where half the members stand, hour by hour"
    told = {"href": str(made.isochrones), "type": maps.GEOJSON, "title": title, "roles": ["data"]}
    return {maps.ISOCHRONES: told}


def _ground(made: Made) -> Document:
    if made.ground is None:
        return {}
    told = {"href": str(made.ground), "type": COG_TYPE, "title": ground.TITLE, "roles": ["visual"]}
    return {GROUND: told}


def _render_ground(made: Made) -> Document:
    if made.ground is None:
        return {}
    return {GROUND: {"title": ground.TITLE, "assets": [GROUND], "bidx": [1, 2, 3]}}
