"""Where one raster becomes COGs: its source, a folder, and GDAL at work in a thread."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from rasterio.io import DatasetReader
from rasterio.shutil import copy as gdal_copy

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BadInput, ServiceUnavailable
from services.raster import cutting, empty, place, tiling
from services.raster.environment import gdal
from services.raster.models import Cog, RasterInfo, Tile
from services.raster.options import RasterOptions
from services.raster.proof import Facts, facts_of, read_back
from services.raster.shipping import Shipment
from services.raster.source import Source, Watch, found, opened
from services.raster.tiers import Profile
from services.raster.view import masked, reprojected
from services.storage.spool import Spool, spooled

Report = Callable[[float, str], None]

BEAT = 1.0
"""Seconds between two reports while GDAL works."""
ROOM = 64 << 20
"""Less free disk than this after a failure means that the disk is to blame, not the raster."""


class Empty(Exception):
    """The tile holds no valid cell, so there is nothing to build."""


class Bench:
    """Makes the COGs of one raster, or of one tile. The source is opened when first needed, and read once:
    what is made after a lossless COG is made from that."""

    def __init__(
        self,
        blobs: Blobs,
        info: RasterInfo,
        tile: Tile | None,
        target_crs: str | None,
        options: RasterOptions,
    ) -> None:
        self.blobs, self.info, self.tile = blobs, info, tile
        self.target_crs, self.options = target_crs, options
        self._stack = ExitStack()
        self._spool: Spool | None = None
        self._base: Path | None = None

    def __enter__(self) -> Self:
        folder = TemporaryDirectory(prefix="cog-", dir=self.options.scratch)
        self.folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def make(
        self,
        profile: Profile,
        target: BlobRef,
        report: Report,
        token: str,
        converted: Callable[[], None] = lambda: None,
    ) -> Cog:
        """The COG under its name. The result holds what was read back from the file.

        `converted` is called when the next tier may be begun, while this one is checked and stored.
        """
        report(0.0, f"fetching {self.info.source.name}")
        file = self.folder / f"{profile.tier}.tif"
        with Shipment(self.blobs, file, self.blobs.staged(target, token)) as shipment:
            facts = self._convert(file, profile, report)
            if profile.lossless and self._base is None:
                self._base = file
            converted()
            report(0.85, "checking the COG")
            with ThreadPoolExecutor(1, "checking") as checking:
                checked = checking.submit(read_back, file, target, facts, profile, self.options)
                shipment.complete()
            cog = checked.result()
            report(0.95, f"storing {cog.size / 1e6:.1f} MB")
            shipment.finish(target)
        report(1.0, f"stored {target.name}")
        return cog

    def _source(self) -> Spool:
        if self._spool is None:
            whole = self.tile is None
            scratch = self.options.scratch
            self._spool = self._stack.enter_context(
                spooled(self.blobs, self._blob(), whole=whole, scratch=scratch)
            )
        return self._spool

    def _blob(self) -> BlobInfo:
        """The very blob that was looked at; reading another would be an error."""
        blob = found(self.blobs, self.info.source)
        if self.info.etag not in {"", blob.etag}:
            raise BadInput(
                f"{blob.ref} was changed after it was looked at; submit it again to use what is there now"
            )
        return blob

    def _convert(self, file: Path, profile: Profile, report: Report) -> Facts:
        """GDAL works in a thread of its own, so that this one reports, and can stop it."""
        source = self._base or self._source()
        watch = Watch(passes=3 if self._base is None and self._changes else 2)
        with ThreadPoolExecutor(1, "gdal") as threads:
            work = threads.submit(self._copy, source, file, profile, watch)
            try:
                _follow(work, watch, file, report)
            except BaseException:
                watch.stop()
                raise
        facts = work.result()
        if isinstance(source, Spool):
            source.check()
        return facts

    @property
    def _reprojects(self) -> bool:
        wanted, given = self.target_crs, self.info.grid.crs
        return wanted is not None and place.parse(wanted) != place.parse(given)

    def _copy(self, source: Source, file: Path, profile: Profile, watch: Watch) -> Facts:
        with (
            gdal(self.options.cache_bytes),
            _disk_or_sender(file),
            opened(source, self.info.source, watch) as dataset,
            self._shown(dataset, watch) as shown,
            masked(shown, lossless=profile.lossless) as ready,
        ):
            options = profile.options(self.info, ready.width, ready.height)
            if source is self._base and options["OVERVIEWS"] != "NONE":
                options["OVERVIEWS"] = "AUTO"  # those that it has
            gdal_copy(ready, str(file), driver="COG", **options)
            return facts_of(ready, picture=not profile.lossless)

    @contextmanager
    def _shown(self, dataset: DatasetReader, watch: Watch) -> Iterator[DatasetReader]:
        """What becomes the COG: the source where nothing has to change, else a copy that is like it.

        A warped view would not do: GDAL goes over what it converts twice, and would warp it twice.
        """
        if self._base is not None or self._is_ready(dataset):
            yield dataset
            return
        if self.tile and not self._reprojects and empty.is_hollow(dataset, self.info, self.tile):
            raise Empty
        file = self.folder / "part.tif"
        self._put(dataset, file)
        with opened(file, f"a copy of {self.info.source}", watch) as part:
            if self.tile and empty.is_empty(part):
                raise Empty
            yield part

    @property
    def _changes(self) -> bool:
        return self.tile is not None or self._reprojects or self.info.grid.south_up

    def _is_ready(self, dataset: DatasetReader) -> bool:
        return not self._changes and dataset.crs == place.parse(self.info.grid.crs)

    def _put(self, dataset: DatasetReader, file: Path) -> None:
        if self._reprojects and self.target_crs:
            with reprojected(dataset, self.info, self.target_crs, self.tile) as warped:
                gdal_copy(warped, str(file), driver="GTiff", **cutting.SCRATCH)
        else:
            part = self.tile or tiling.whole(self.info)
            cutting.cut(dataset, self.info, part, file)


def _follow(work: Future[Facts], watch: Watch, file: Path, report: Report) -> None:
    report(0.05, "converting")
    share = 0.0
    while not wait([work], timeout=BEAT).done:
        share = max(share, _share(watch, file))
        report(round(0.05 + 0.8 * share, 3), f"converting, {share:.0%} done")


def _share(watch: Watch, file: Path) -> float:
    """GDAL reads an image for its overviews, then again to write it, unless its cache still holds it."""
    before = watch.passes - 1
    last = max(watch.done - before, _written(file))
    return min((min(watch.done, before) + max(last, 0.0)) / watch.passes, 1.0)


def _written(file: Path) -> float:
    """Overviews are made first and have a third of the cells, so they foretell the size of it all."""
    overviews = file.with_name(f"{file.name}.ovr.tmp")
    try:
        return min(file.stat().st_size / max(4 * overviews.stat().st_size, 1), 1.0)
    except FileNotFoundError:
        return 0.0


@contextmanager
def _disk_or_sender(file: Path) -> Iterator[None]:
    """GDAL fails alike over a full disk and a damaged source, but only the latter is final."""
    try:
        yield
    except BadInput as error:
        if shutil.disk_usage(file.parent).free < ROOM:
            raise ServiceUnavailable("the disk of this worker is full") from error
        raise
