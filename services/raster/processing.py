"""The steps from a raster someone sent to an item in the catalog, as every job that takes them."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from core.blobs import BlobRef, is_there
from core.catalog import Catalog
from core.context import Context
from core.errors import BadInput, BadResult, CollectionNotFound
from services.raster import cog, tiers, tileset, tiling
from services.raster.models import (
    Built,
    Cog,
    CogOrder,
    Frozen,
    RasterInfo,
    Skipped,
    Tier,
    TileSet,
)
from services.raster.options import RasterOptions

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Asked(Frozen):
    """What to make of a raster, whichever job asks."""

    collection: str
    item_id: str
    collection_must_exist: bool = False
    tiers: list[Tier]
    prefix: BlobRef
    """How the names of all that is written begin."""
    target_crs: str | None = None
    quality: int | None = None
    taken: datetime | None = None
    band_names: dict[str, str] = {}
    tile_size: int | None = None
    overlap: int = 0
    strict_mode: bool = False

    def name(self, tier: Tier, part: str = "") -> BlobRef:
        return BlobRef(f"{self.prefix}{part and f'/{part}'}_{tier}.tif")


def item_name(source: BlobRef) -> str:
    return id_of(source.name)


def id_of(path: str) -> str:
    """An id that is safe in addresses, made of a file's path without its extension."""
    folder, slash, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return UNSAFE.sub("-", f"{folder}{slash}{stem}").strip("-._")[:128] or "raster"


def refuse_missing_collection(catalog: Catalog, name: str) -> None:
    if catalog.collection(name) is None:
        raise CollectionNotFound(
            f"there is no collection {name!r}; create it, or leave collection_must_exist away"
        )


def accepted(info: RasterInfo, asked: Asked) -> RasterInfo:
    """The raster with its bands named, or an error before any work is done in vain."""
    if asked.strict_mode and info.warnings:
        raise BadInput(f"{info.source}: {' '.join(info.warnings)} (strict_mode)")
    cog.refuse_torn(info, asked.target_crs)
    if all(tiers.why_not(tier, info) for tier in asked.tiers):
        told = "; ".join(f"{tier}: {tiers.why_not(tier, info)}" for tier in asked.tiers)
        raise BadInput(f"no tier that was asked for applies to {info.source}: {told}")
    return _named(info, asked.band_names)


def plan(info: RasterInfo, asked: Asked, options: RasterOptions) -> list[CogOrder]:
    """One order for a usual raster, one per tile for a giant one."""
    if asked.tile_size is None and not tiling.is_giant(info, options):
        return [CogOrder()]
    size = asked.tile_size or options.tile_size
    tiles = tiling.plan(info, asked.target_crs, size=size, overlap=asked.overlap)
    return [CogOrder(tile=tile) for tile in tiles]


def convert(ctx: Context, info: RasterInfo, asked: Asked, order: CogOrder) -> Built:
    part = order.tile.id if order.tile else ""

    def report(fraction: float, note: str) -> None:
        ctx.check()
        ctx.report(fraction, f"{part} {note}".strip())

    def once(name: str, make: Callable[[], Cog]) -> Cog:
        kept = f"cog-{part}-{name}" if part else f"cog-{name}"
        return ctx.once(kept, make, lambda made: is_there(ctx.blobs, made.ref))

    work = cog.Work(
        info=info,
        tiers=asked.tiers,
        name=lambda tier: asked.name(tier, part),
        token=ctx.token,
        target_crs=asked.target_crs,
        tile=order.tile,
        quality=asked.quality,
        once=once,
    )
    built = cog.build(ctx.blobs, work, report, ctx.option(RasterOptions))
    if asked.strict_mode and built.failed:
        raise BadResult(f"{built.failed[0].tier} failed: {built.failed[0].reason} (strict_mode)")
    return built


def tiles_of(ctx: Context, built: Iterable[Built], info: RasterInfo, asked: Asked) -> TileSet:
    def report(fraction: float, note: str) -> None:
        ctx.check()
        ctx.report(fraction, note)

    return tileset.assemble(
        ctx.blobs,
        built,
        info,
        tiling.output_grid(info, asked.target_crs),
        asked.prefix,
        ctx.token,
        report,
        ctx.option(RasterOptions),
    )


def together(parts: Iterable[list[Skipped]]) -> list[Skipped]:
    """Each once: tiles mostly skip the same tier for the same reason."""
    return list(dict.fromkeys(each for part in parts for each in part))


def _named(info: RasterInfo, names: dict[str, str]) -> RasterInfo:
    unknown = [n for n in names if not n.isdecimal() or not 1 <= int(n) <= len(info.bands)]
    if unknown:
        raise BadInput(
            f"band_names names band {unknown[0]!r}; {info.source} has bands 1 to {len(info.bands)}"
        )
    bands: list[Any] = [
        band.model_copy(update={"name": names.get(str(n), band.name)})
        for n, band in enumerate(info.bands, 1)
    ]
    return info.model_copy(update={"bands": bands})
