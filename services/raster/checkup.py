"""Tell what processing a raster would do, and whether every block of it can be read, without making anything."""

from collections.abc import Iterator
from typing import Any

from rasterio.io import DatasetReader
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from core.blobs import BlobInfo, BlobRef
from core.context import Context
from core.errors import BadInput
from services.raster import inspect, processing, tiers
from services.raster.environment import gdal
from services.raster.models import Frozen, RasterInfo, RasterType, Tier
from services.raster.options import RasterOptions
from services.raster.processing import Asked
from services.raster.source import found as there
from services.raster.source import opened
from services.storage.spool import spooled

AT_ONCE = 32 << 20
"""Bytes of cells that are read in one go."""


class TierPlan(Frozen):
    """What would become of one tier."""

    tier: Tier
    applies: bool
    reason: str | None = None
    compression: str


class Checkup(Frozen):
    """What was found. `valid` says whether `process_raster` would take the raster."""

    source: BlobRef
    valid: bool
    problems: list[str] = []
    """What would refuse it, and what to do."""
    warnings: list[str] = []
    info: RasterInfo | None = None
    tiers: list[TierPlan] = []
    tiles: int = 0
    """How many tasks would build it: one, or one per tile of a giant."""
    is_cog: bool = False
    cog_faults: list[str] = []
    """Why it is no Cloud Optimized GeoTIFF."""
    suggested: dict[str, Any] = {}
    """Parameters for `process_raster`."""


def look(
    ctx: Context, source: BlobRef, input_crs: str | None, raster_type: RasterType | None
) -> Checkup:
    """Only a blob that is not there is an error; what else is wrong with it is the answer."""
    there(ctx.blobs, source)
    try:
        options = ctx.option(RasterOptions)
        info = inspect.inspect(ctx.blobs, source, input_crs, raster_type, options)
        tiles = len(processing.plan(info, _usual(source), options))
    except BadInput as error:
        return Checkup(source=source, valid=False, problems=[str(error)])
    return Checkup(
        source=source,
        valid=True,
        warnings=info.warnings,
        info=info,
        tiers=[_plan(tier, info, options) for tier in Tier],
        tiles=tiles,
        suggested=_suggested(info, input_crs, raster_type),
    )


def read(ctx: Context, found: Checkup) -> Checkup:
    """The same after every block was read, and the file was measured by the rules of COGs."""
    if found.info is None:
        return found
    try:
        valid, faults = _read(ctx, there(ctx.blobs, found.source))
    except BadInput as error:
        return found.model_copy(update={"valid": False, "problems": [str(error)]})
    return found.model_copy(update={"is_cog": valid, "cog_faults": faults})


def refuse(found: Checkup) -> None:
    """For callers who want a job that fails."""
    if told := [*found.problems, *found.warnings]:
        raise BadInput(f"{' '.join(told)} (strict_mode)")


def _usual(source: BlobRef) -> Asked:
    return Asked(collection="any", item_id="any", tiers=[Tier.ANALYSIS], prefix=source)


def _plan(tier: Tier, info: RasterInfo, options: RasterOptions) -> TierPlan:
    reason = tiers.why_not(tier, info)
    compression = tiers.profile_of(tier, options).compression
    return TierPlan(tier=tier, applies=reason is None, reason=reason, compression=compression)


def _suggested(
    info: RasterInfo, input_crs: str | None, raster_type: RasterType | None
) -> dict[str, Any]:
    made = [tier.value for tier in (Tier.VISUALIZATION, Tier.ANALYSIS)]
    wanted = {
        "source": str(info.source),
        "tiers": [tier for tier in made if tiers.why_not(Tier(tier), info) is None],
        "raster_type": raster_type and raster_type.value,
        "input_crs": input_crs,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _read(ctx: Context, blob: BlobInfo) -> tuple[bool, list[str]]:
    options = ctx.option(RasterOptions)
    with (
        gdal(options.cache_bytes),
        spooled(ctx.blobs, blob, whole=True, scratch=options.scratch) as spool,
    ):
        with opened(spool, blob.ref) as dataset:
            for done, window in _parts(dataset):
                dataset.read(window=window)
                ctx.check()
                ctx.report(0.9 * done, f"reading {blob.ref.name}, {done:.0%} done")
            driver = dataset.driver
        spool.check()
        if driver != "GTiff":
            return False, ["it is no GeoTIFF"]
        valid, faults, _ = cog_validate(spool.path, quiet=True)
        return valid, faults


def _parts(dataset: DatasetReader) -> Iterator[tuple[float, Window]]:
    """Windows of whole blocks that cover the raster, each with the share that is done after it."""
    high, wide = dataset.block_shapes[0]
    cell = sum(int("".join(filter(str.isdigit, dtype))) // 8 for dtype in dataset.dtypes)
    across = max(wide, AT_ONCE // (cell * high) // wide * wide)
    for y in range(0, dataset.height, high):
        for x in range(0, dataset.width, across):
            size = min(across, dataset.width - x), min(high, dataset.height - y)
            rows = (y + size[1] * (x + size[0]) / dataset.width) / dataset.height
            yield rows, Window(x, y, *size)  # type: ignore[call-arg]
