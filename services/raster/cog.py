"""Turn a raster into a Cloud Optimized GeoTIFF that every reader understands."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rasterio.shutil import copy as gdal_copy
from rasterio.vrt import WarpedVRT

from core.blobs import BlobRef, Blobs
from core.errors import BadInput, ServiceUnavailable
from services.raster import place
from services.raster.environment import gdal
from services.raster.models import Cog, RasterInfo
from services.raster.proof import Facts, facts_of, read_back
from services.raster.source import Watch, opened
from services.raster.view import View, view

Report = Callable[[float, str], None]

CONTENT_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
SCRATCH = {
    "TILED": "YES",
    "BLOCKXSIZE": 512,
    "BLOCKYSIZE": 512,
    "COMPRESS": "ZSTD",
    "ZSTD_LEVEL": 1,
    "SPARSE_OK": "TRUE",
    "BIGTIFF": "IF_SAFER",
}
BEAT = 1.0
"""Seconds between two reports while GDAL works."""
ROOM = 64 << 20
"""Less free disk than this after a failure means that the disk is to blame, not the raster."""


def build(
    blobs: Blobs,
    source: BlobRef,
    target: BlobRef,
    info: RasterInfo,
    report: Report,
    token: str,
    target_crs: str | None = None,
) -> Cog:
    """Write the raster as a COG and give it its name once it has proved whole.

    The result holds what was read back from the file. `report` may raise: GDAL is then stopped.
    """
    _refuse_torn(info, target_crs)
    report(0.0, f"fetching {source.name}")
    with blobs.local(source) as path, TemporaryDirectory() as folder:
        file = Path(folder) / "cog.tif"
        facts = _convert(path, file, info, report, target_crs)
        report(0.85, "checking the COG")
        cog = read_back(file, target, facts)
        report(0.9, f"storing {cog.size / 1e6:.1f} MB")
        _store(blobs, file, cog, token)
    report(1.0, f"stored {target.name}")
    return cog


def options(info: RasterInfo) -> dict[str, str | int]:
    """Level 1 costs a third less time than the default and, on imagery, no space."""
    return {
        "COMPRESS": "DEFLATE",
        "LEVEL": 1,
        "PREDICTOR": _predictor(info),
        "BLOCKSIZE": 512,
        # The overviews that came along were made by who knows what rule.
        "OVERVIEWS": "IGNORE_EXISTING",
        "OVERVIEW_RESAMPLING": "MODE" if info.is_categorical else "AVERAGE",
        "BIGTIFF": "IF_SAFER",
    }


def _predictor(info: RasterInfo) -> str:
    """Differences help pictures, not classes; floats need their own kind."""
    if info.dtype.startswith("float"):
        return "FLOATING_POINT"
    return "NO" if info.is_categorical else "STANDARD"


def _refuse_torn(info: RasterInfo, target_crs: str | None) -> None:
    west, _, east, _ = info.grid.bounds_lonlat
    if target_crs and west > east and place.parse(target_crs).is_geographic:
        raise BadInput(
            f"{info.source} crosses the 180th meridian, so {target_crs} would tear it into a strip "
            "around the earth; leave target_crs away to keep its own CRS"
        )


def _convert(
    path: Path, file: Path, info: RasterInfo, report: Report, target_crs: str | None
) -> Facts:
    """GDAL works in a thread of its own, so that this one reports, and can stop it."""
    watch = Watch(passes=3 if target_crs else 2)
    with ThreadPoolExecutor(1, "gdal") as threads:
        work = threads.submit(_copy, path, file, info, watch, target_crs)
        try:
            _follow(work, watch, file, report)
        except BaseException:
            watch.stop()
            raise
    return work.result()


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


def _copy(path: Path, file: Path, info: RasterInfo, watch: Watch, target_crs: str | None) -> Facts:
    with (
        gdal(),
        _disk_or_sender(file),
        opened(path, info.source, watch) as dataset,
        view(dataset, info, target_crs) as shown,
        _warped_once(shown, file.with_name("warped.tif"), watch) as ready,
    ):
        gdal_copy(ready, str(file), driver="COG", **options(info))
        return facts_of(shown)


@contextmanager
def _warped_once(shown: View, file: Path, watch: Watch) -> Iterator[View]:
    """A warped view on disk: GDAL goes over what it converts twice, and would warp it twice."""
    if not isinstance(shown, WarpedVRT):
        yield shown
        return
    gdal_copy(shown, str(file), driver="GTiff", **SCRATCH)
    with opened(file, "the warped raster", watch) as warped:
        yield warped


@contextmanager
def _disk_or_sender(file: Path) -> Iterator[None]:
    """GDAL fails alike over a full disk and a damaged source, but only the latter is final."""
    try:
        yield
    except BadInput as error:
        if shutil.disk_usage(file.parent).free < ROOM:
            raise ServiceUnavailable("the disk of this worker is full") from error
        raise


def _store(blobs: Blobs, file: Path, cog: Cog, token: str) -> None:
    staged = blobs.staged(cog.ref, token)
    with file.open("rb") as data:
        stored = blobs.write(staged, data, content_type=CONTENT_TYPE)
    if stored.size != cog.size:
        blobs.delete(staged)
        raise ServiceUnavailable(f"{stored.size} of {cog.size} bytes of {cog.ref.name} were stored")
    blobs.promote(staged, cog.ref)
