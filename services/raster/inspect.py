"""Look at a raster without changing it."""

from datetime import UTC, datetime

import numpy as np
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BadInput
from services.raster import cutting, kind, look, place
from services.raster.environment import gdal
from services.raster.models import Band, Color, Grid, RasterInfo, RasterType
from services.raster.options import RasterOptions
from services.raster.source import found, opened
from services.storage.spool import spooled

SMALL = 8 << 20
"""A blob of so many bytes is fetched whole, a larger one only where it is looked at."""
BANDS = 512
COLORS = 256
DTYPES = frozenset(
    {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"}
)


def inspect(
    blobs: Blobs,
    source: BlobRef,
    input_crs: str | None = None,
    raster_type: RasterType | None = None,
    options: RasterOptions | None = None,
) -> RasterInfo:
    """What the raster is. Anything that no retry can cure raises BadInput, which says what to do.

    The caller's type counts more than the one that the cells suggest.
    """
    options = options or RasterOptions()
    blob = found(blobs, source)
    small = blob.size <= SMALL
    with (
        gdal(options.cache_bytes),
        spooled(blobs, blob, whole=small, scratch=options.scratch) as spool,
        opened(spool, source) as dataset,
    ):
        _refuse(dataset, source)
        if small:
            spool.check()
        return _typed(_describe(dataset, blob, input_crs), raster_type)


def _typed(info: RasterInfo, wanted: RasterType | None) -> RasterInfo:
    if wanted is None or wanted is info.raster_type:
        return info
    warning = f"It was called {wanted} but looks like {info.raster_type}: {info.reason}."
    changed = {"raster_type": wanted, "reason": "the submission says so"}
    return info.model_copy(update={**changed, "warnings": [*info.warnings, warning]})


def _refuse(dataset: DatasetReader, name: str) -> None:
    if (dtype := dataset.dtypes[0]) not in DTYPES:
        raise BadInput(
            f"{name} has {dtype} cells, which few readers understand; convert it to float or int32"
        )
    if dataset.count > BANDS:
        raise BadInput(
            f"{name} has {dataset.count} bands, more than the {BANDS} that maps and tiles can serve; "
            "it is a data cube: split it, or convert it to NetCDF or Zarr and ingest that"
        )
    grid = dataset.transform
    if dataset.gcps[0]:
        raise BadInput(
            f"{name} is placed by {len(dataset.gcps[0])} ground control points; warp it to a grid first"
        )
    if grid.b or grid.d:
        raise BadInput(f"{name} is rotated or sheared; warp it to a north-up grid first")
    if grid.is_identity:
        raise BadInput(
            f"{name} has no position on the earth (no geotransform); georeference it first"
        )
    if grid.a <= 0:
        raise BadInput(f"{name} runs from east to west; flip it first")


def _describe(dataset: DatasetReader, blob: BlobInfo, input_crs: str | None) -> RasterInfo:
    crs = place.crs_of(dataset, input_crs, blob.ref)
    colors = tuple(color.name for color in dataset.colorinterp)
    bands, seen = _look(dataset, colors)
    impression = kind.Look(
        dtype=dataset.dtypes[0],
        colors=colors,
        name=dataset.descriptions[0] or "",
        file=blob.ref.name,
        cells=seen[0],
        alpha=seen[colors.index("alpha")].data if "alpha" in colors else None,
    )
    raster_type, reason = kind.guess(impression)
    grid = place.grid_of(dataset, crs)
    return RasterInfo(
        source=blob.ref,
        size=blob.size,
        etag=blob.etag,
        md5=blob.md5,
        driver=dataset.driver,
        grid=grid,
        dtype=dataset.dtypes[0],
        nodata=dataset.nodata,
        block=dataset.block_shapes[0],
        bands=bands,
        raster_type=raster_type,
        reason=reason,
        has_mask=cutting.has_mask(dataset),
        has_palette="palette" in colors,
        palette=_palette(dataset, colors),
        classes=kind.classes(impression),
        taken=_taken(dataset.tags().get("TIFFTAG_DATETIME", "")),
        warnings=_warnings(grid, crs),
    )


def _look(
    dataset: DatasetReader, colors: tuple[str, ...]
) -> tuple[list[Band], dict[int, np.ma.MaskedArray]]:
    """Every band in turn, and the cells of those that tell what the raster is."""
    bands: list[Band] = []
    seen: dict[int, np.ma.MaskedArray] = {}
    for at, cells in enumerate(look.looks(dataset)):
        bands.append(_band(dataset, at, cells))
        if at == 0 or colors[at] == "alpha":
            seen[at] = cells
    return bands, seen


def _band(dataset: DatasetReader, at: int, found: np.ma.MaskedArray) -> Band:
    return Band(
        name=dataset.descriptions[at] or f"b{at + 1}",
        color=dataset.colorinterp[at].name,
        unit=dataset.units[at] or None,
        scale=dataset.scales[at],
        offset=dataset.offsets[at],
        statistics=look.statistics(found),
    )


def _palette(dataset: DatasetReader, colors: tuple[str, ...]) -> dict[int, Color]:
    """Of pictures with at most 256 colours; a larger table is in the COG itself."""
    found = dataset.colormap(1) if "palette" in colors else {}
    return {} if len(found) > COLORS else {int(value): color for value, color in found.items()}


def _warnings(grid: Grid, crs: CRS) -> list[str]:
    west, _, east, _ = grid.bounds
    if crs.is_geographic and east > 180 + grid.pixel_size[0] / 2 and west >= 0:
        return [
            "Its longitudes run from 0 to 360; maps show what lies beyond 180 only where asked."
        ]
    return []


def _taken(tag: str) -> datetime | None:
    """When the picture was taken, as TIFF writes it; it names no time zone, so it counts as UTC."""
    try:
        return datetime.strptime(tag, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
