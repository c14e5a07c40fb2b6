"""Build Cloud Optimized GeoTIFFs that every reader understands: every tier of a raster from one reading of it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from core.blobs import BlobRef, Blobs
from core.errors import BadInput, BadResult
from services.raster import place, tiers
from services.raster.bench import Bench, Empty, Report
from services.raster.models import Built, Cog, RasterInfo, Skipped, Tier, Tile
from services.raster.options import RasterOptions
from services.raster.tiers import Profile

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
    profiles: Mapping[Tier, Profile] = field(default_factory=dict[Tier, Profile])
    """How a tier is written, where that shall not follow from the settings."""
    once: Once = _always
    """Keeps a tier that is done, so that a later attempt goes on after it."""


def build(blobs: Blobs, work: Work, report: Report, options: RasterOptions | None = None) -> Built:
    """Write a COG per tier, and give each its name once it has proved whole.

    A tier that does not apply is left out, and one that fails is reported beside the others; that none could be
    made is an error. `report` may raise: GDAL is then stopped.
    """
    refuse_torn(work.info, work.target_crs)
    options = options or RasterOptions()
    reasons = {tier: tiers.why_not(tier, work.info) for tier in work.tiers}
    skipped = [Skipped(tier=tier, reason=why) for tier, why in reasons.items() if why]
    wanted = tiers.in_order([tier for tier, why in reasons.items() if not why])
    if not wanted:
        raise BadInput(f"no tier applies to {work.info.source}: {_told(skipped)}")
    with Bench(blobs, work.info, work.tile, work.target_crs, options) as bench:
        try:
            cogs, failed = _Line(bench, work, options, report, len(wanted)).run(wanted)
        except Empty:
            cogs, failed = [], []
    report(1.0, "stored")
    return Built(tile=work.tile, cogs=cogs, skipped=skipped, failed=failed)


class _Line:
    """One tier is converted after the other; each is checked and stored while the next is converted."""

    def __init__(
        self, bench: Bench, work: Work, options: RasterOptions, report: Report, count: int
    ) -> None:
        self.bench, self.work, self.options = bench, work, options
        self._report, self._count = report, count
        self._done: dict[Tier, float] = {}
        self._lock = threading.Lock()

    def run(self, wanted: list[Tier]) -> tuple[list[Cog], list[Skipped]]:
        cogs: list[Cog] = []
        failed: list[Skipped] = []
        with ThreadPoolExecutor(len(wanted), "tier") as pool:
            running: list[tuple[Tier, Future[Cog]]] = []
            for tier in wanted:
                if not any(_is_over(each) for _, each in running):
                    running.append((tier, self._begin(pool, tier)))
        for tier, each in running:
            try:
                cogs.append(each.result())
            except BadResult as error:
                failed.append(Skipped(tier=tier, reason=str(error)))
        if not cogs:
            raise BadResult(_told(failed))
        return cogs, failed

    def _begin(self, pool: ThreadPoolExecutor, tier: Tier) -> Future[Cog]:
        """Returns when the next tier may begin."""
        converted = threading.Event()

        def one() -> Cog:
            try:
                return self._one(tier, converted.set)
            finally:
                converted.set()

        begun = pool.submit(one)
        converted.wait()
        return begun

    def _one(self, tier: Tier, converted: Callable[[], None]) -> Cog:
        work = self.work
        usual = tiers.profile_of(tier, self.options, work.quality)
        profile = work.profiles.get(tier, usual)

        def report(done: float, note: str) -> None:
            self._tell(tier, done, f"{tier}: {note}")

        def make() -> Cog:
            return self.bench.make(profile, work.name(tier), report, work.token, converted)

        return work.once(tier, make)

    def _tell(self, tier: Tier, done: float, note: str) -> None:
        with self._lock:
            self._done[tier] = done
            self._report(round(sum(self._done.values()) / self._count, 3), note)


def _is_over(tier: Future[Cog]) -> bool:
    """Whether it ended in a way that the next would share."""
    return tier.done() and not isinstance(tier.exception(), (BadResult, type(None)))


def refuse_torn(info: RasterInfo, target_crs: str | None) -> None:
    west, _, east, _ = info.grid.bounds_lonlat
    if target_crs and west > east and place.parse(target_crs).is_geographic:
        raise BadInput(
            f"{info.source} crosses the 180th meridian, so {target_crs} would tear it into a strip "
            "around the earth; leave target_crs away to keep its own CRS"
        )


def _told(skipped: list[Skipped]) -> str:
    return "; ".join(f"{each.tier}: {each.reason}" for each in skipped)
