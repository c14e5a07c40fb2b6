"""Build Cloud Optimized GeoTIFFs that every reader understands: every tier of a raster from one reading of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.blobs import BlobRef, Blobs
from core.errors import BadInput, BadResult
from services.raster import place, tiers
from services.raster.bench import Bench, Empty, Report
from services.raster.models import Built, Cog, RasterInfo, Skipped, Tier, Tile
from services.raster.options import RasterOptions

Once = Callable[[str, Callable[[], Cog]], Cog]


def _always(name: str, make: Callable[[], Cog]) -> Cog:
    return make()


@dataclass(frozen=True, slots=True)
class Work:
    """What to build: some tiers of a raster, or of one tile of it."""

    info: RasterInfo
    tiers: Sequence[Tier]
    name: Callable[[Tier], BlobRef]
    """What the COG of a tier is called."""
    token: str
    target_crs: str | None = None
    tile: Tile | None = None
    quality: int | None = None
    once: Once = _always
    """Keeps a tier that is done, so that a later attempt goes on after it."""


def build(blobs: Blobs, work: Work, report: Report, options: RasterOptions | None = None) -> Built:
    """Write a COG per tier, and give each its name once it has proved whole.

    A tier that does not apply is left out, and one that fails is reported beside the others; that none could be
    made is an error. `report` may raise: GDAL is then stopped.
    """
    refuse_torn(work.info, work.target_crs)
    options = options or RasterOptions()
    skipped = [Skipped(tier=t, reason=why) for t in work.tiers if (why := _why_not(t, work.info))]
    wanted = tiers.in_order([t for t in work.tiers if not _why_not(t, work.info)])
    if not wanted:
        raise BadInput(f"no tier applies to {work.info.source}: {_told(skipped)}")
    with Bench(blobs, work.info, work.tile, work.target_crs, options) as bench:
        try:
            cogs, failed = _each(bench, work, wanted, report, options)
        except Empty:
            cogs, failed = [], []
    report(1.0, "stored")
    return Built(tile=work.tile, cogs=cogs, skipped=skipped, failed=failed)


def _each(
    bench: Bench, work: Work, wanted: list[Tier], report: Report, options: RasterOptions
) -> tuple[list[Cog], list[Skipped]]:
    cogs: list[Cog] = []
    failed: list[Skipped] = []
    for at, tier in enumerate(wanted):
        profile = tiers.profile_of(tier, options, work.quality)

        def part(done: float, note: str, at: int = at, tier: Tier = tier) -> None:
            report(round((at + done) / len(wanted), 3), f"{tier}: {note}")

        def make(tier: Tier = tier, part: Report = part) -> Cog:
            return bench.make(profile, work.name(tier), part, work.token)  # noqa: B023 - called at once

        try:
            cogs.append(work.once(tier, make))
        except BadResult as error:
            if not cogs and at == len(wanted) - 1:
                raise
            failed.append(Skipped(tier=tier, reason=str(error)))
    return cogs, failed


def refuse_torn(info: RasterInfo, target_crs: str | None) -> None:
    west, _, east, _ = info.grid.bounds_lonlat
    if target_crs and west > east and place.parse(target_crs).is_geographic:
        raise BadInput(
            f"{info.source} crosses the 180th meridian, so {target_crs} would tear it into a strip "
            "around the earth; leave target_crs away to keep its own CRS"
        )


_why_not = tiers.why_not


def _told(skipped: list[Skipped]) -> str:
    return "; ".join(f"{each.tier}: {each.reason}" for each in skipped)
