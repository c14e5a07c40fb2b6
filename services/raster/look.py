"""Look at the cells of a raster, all over it, without reading all of it."""

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from services.raster.models import Statistics

LOOK = 1024
"""Across and down, a look takes no more cells than this, and fewer where there are many bands."""
MANY = 16
WHOLE = 4096 * 4096
"""A raster of so many cells is read whole; a larger one without overviews at places spread over it."""
PLACES = 5


def looks(dataset: DatasetReader) -> Iterator[np.ma.MaskedArray]:
    """Each band as a small picture, one after the other; nodata, masked and NaN cells are masked."""
    wanted = list(range(1, dataset.count + 1))
    if dataset.overviews(1) or dataset.width * dataset.height <= WHOLE:
        shape = _shape(dataset, edge(dataset.count))
        for band in wanted:
            yield _finite(dataset.read(band, out_shape=shape, masked=True))
    else:
        yield from _spread(dataset, wanted)


def edge(bands: int) -> int:
    return LOOK if bands <= MANY else max(64, int(LOOK * sqrt(MANY / bands)))


def statistics(found: np.ma.MaskedArray) -> Statistics:
    valid = np.ma.compressed(found)
    if valid.size == 0:
        return Statistics(minimum=None, maximum=None, mean=None, valid_share=0.0)
    low, high = np.percentile(valid, (2, 98))
    return Statistics(
        minimum=float(valid.min()),
        maximum=float(valid.max()),
        mean=float(valid.mean(dtype="float64")),
        stddev=float(valid.std(dtype="float64")),
        p2=float(low),
        p98=float(high),
        valid_share=valid.size / found.size,
    )


def _shape(dataset: DatasetReader, limit: int) -> tuple[int, int]:
    shrink = max(1, ceil(max(dataset.width, dataset.height) / limit))
    return ceil(dataset.height / shrink), ceil(dataset.width / shrink)


def _spread(dataset: DatasetReader, bands: list[int]) -> Iterator[np.ma.MaskedArray]:
    """Windows on a lattice, one below the other: neighbours in a row are neighbours in the raster."""
    windows = list(_lattice(dataset))
    limit = max(16, edge(dataset.count) // PLACES)
    shapes = [_within(window, limit) for window in windows]
    found = [
        dataset.read(bands, window=window, out_shape=(len(bands), *shape), masked=True)
        for window, shape in zip(windows, shapes, strict=True)
    ]
    for at in range(len(bands)):
        wide = max(part.shape[2] for part in found)
        yield _finite(np.ma.concatenate([_padded(part[at], wide) for part in found]))


def _lattice(dataset: DatasetReader) -> Iterator[Window]:
    """Whole blocks, or whole rows where the file keeps rows together."""
    high, wide = dataset.block_shapes[0]
    across = 1 if wide >= dataset.width else PLACES
    down = PLACES * PLACES // across
    for y in _starts(dataset.height, high, down):
        for x in _starts(dataset.width, wide, across):
            size = min(wide, dataset.width - x), min(high, dataset.height - y)
            yield Window(x, y, *size)  # type: ignore[call-arg]


def _starts(length: int, block: int, count: int) -> list[int]:
    blocks = ceil(length / block)
    return sorted({round(n) * block for n in np.linspace(0, blocks - 1, min(count, blocks))})


def _within(window: Window, limit: int) -> tuple[int, int]:
    return min(int(window.height), limit), min(int(window.width), limit * PLACES)


def _padded(part: np.ma.MaskedArray, wide: int) -> np.ma.MaskedArray:
    if part.shape[1] == wide:
        return part
    shape = part.shape[0], wide - part.shape[1]
    missing = np.ma.MaskedArray(np.zeros(shape, part.dtype), mask=True)
    return np.ma.concatenate([part, missing], axis=1)


def _finite(found: np.ma.MaskedArray) -> np.ma.MaskedArray:
    return np.ma.masked_invalid(found, copy=False) if found.dtype.kind == "f" else found
