"""Look at a raster without changing it."""

from datetime import UTC, datetime
from math import ceil

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.raster import kind, place
from services.raster.environment import gdal
from services.raster.models import Band, RasterInfo, Statistics
from services.raster.source import opened

LOOK = 1024
"""Statistics look at no more than this many cells across and down, spread over the whole image."""
DTYPES = frozenset(
    {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"}
)


def inspect(blobs: Blobs, source: BlobRef, input_crs: str | None = None) -> RasterInfo:
    """What the raster is. Anything that no retry can cure raises BadInput, which says what to do."""
    with blobs.local(source) as path, gdal(), opened(path, source) as dataset:
        _refuse(dataset, source)
        return _describe(dataset, source, path.stat().st_size, input_crs)


def _refuse(dataset: DatasetReader, name: str) -> None:
    if (dtype := dataset.dtypes[0]) not in DTYPES:
        raise BadInput(
            f"{name} has {dtype} cells, which few readers understand; convert it to float or int32"
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


def _describe(
    dataset: DatasetReader, source: BlobRef, size: int, input_crs: str | None
) -> RasterInfo:
    crs = place.crs_of(dataset, input_crs, source)
    colors = tuple(color.name for color in dataset.colorinterp)
    raster_type, reason = kind.guess(_impression(dataset, colors))
    return RasterInfo(
        source=source,
        size=size,
        driver=dataset.driver,
        grid=place.grid_of(dataset, crs),
        dtype=dataset.dtypes[0],
        nodata=dataset.nodata,
        bands=[_band(dataset, index) for index in range(1, dataset.count + 1)],
        raster_type=raster_type,
        reason=reason,
        has_mask=_has_mask(dataset),
        has_palette="palette" in colors,
        taken=_taken(dataset.tags().get("TIFFTAG_DATETIME", "")),
    )


def _impression(dataset: DatasetReader, colors: tuple[str, ...]) -> kind.Look:
    return kind.Look(
        dtype=dataset.dtypes[0],
        colors=colors,
        name=dataset.descriptions[0] or "",
        cells=_look(dataset, 1),
        alpha=_look(dataset, colors.index("alpha") + 1).data if "alpha" in colors else None,
    )


def _band(dataset: DatasetReader, index: int) -> Band:
    at = index - 1
    return Band(
        name=dataset.descriptions[at] or f"b{index}",
        color=dataset.colorinterp[at].name,
        unit=dataset.units[at] or None,
        scale=dataset.scales[at],
        offset=dataset.offsets[at],
        statistics=_statistics(_look(dataset, index)),
    )


def _look(dataset: DatasetReader, band: int) -> np.ma.MaskedArray:
    """The band at no more than LOOK x LOOK cells; nodata, masked and NaN cells are masked."""
    shrink = max(1, ceil(max(dataset.width, dataset.height) / LOOK))
    shape = ceil(dataset.height / shrink), ceil(dataset.width / shrink)
    cells = dataset.read(band, out_shape=shape, masked=True)
    return np.ma.masked_invalid(cells, copy=False) if cells.dtype.kind == "f" else cells


def _statistics(cells: np.ma.MaskedArray) -> Statistics:
    valid = np.ma.compressed(cells)
    if valid.size == 0:
        return Statistics(minimum=None, maximum=None, mean=None, valid_share=0.0)
    return Statistics(
        minimum=float(valid.min()),
        maximum=float(valid.max()),
        mean=float(valid.mean(dtype="float64")),
        valid_share=valid.size / cells.size,
    )


def _has_mask(dataset: DatasetReader) -> bool:
    """Whether the file carries a mask of its own, beside nodata and alpha."""
    flags = set(dataset.mask_flag_enums[0])
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _taken(tag: str) -> datetime | None:
    """When the picture was taken, as TIFF writes it; it names no time zone, so it counts as UTC."""
    try:
        return datetime.strptime(tag, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
