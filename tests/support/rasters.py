"""Rasters for tests, good and bad, made on the spot."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from services.raster.environment import gdal

UTM = "EPSG:32736"
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 9_800_000)
SOURCE = BlobRef("bronze/uploads/source.tif")


def tiff(
    cells: np.ndarray, palette: dict | None = None, names: Iterable[str] = (), **profile: Any
) -> bytes:
    """A GeoTIFF with 10 m cells near Kigali, unless `profile` says otherwise."""
    bands = cells if cells.ndim == 3 else cells[None]
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    usual = {"crs": UTM, "transform": NORTH_UP, "dtype": bands.dtype.name}
    with gdal(), MemoryFile() as memory:
        with memory.open(driver="GTiff", **{**shape, **usual, **profile}) as dataset:
            dataset.write(bands)
            for band, name in enumerate(names, 1):
                dataset.set_band_description(band, name)
            if palette:
                dataset.write_colormap(1, palette)
        return memory.read()


def hills(size: int = 64, high: int | None = None, dtype: str = "float32") -> np.ndarray:
    """Smooth heights, as a DEM has."""
    y, x = np.mgrid[0 : high or size, 0:size]
    return (1000 + 80 * np.sin(x / 17) + 60 * np.cos(y / 23)).astype(dtype)


def photo(size: int = 64, bands: int = 3, high: int | None = None) -> np.ndarray:
    """Smooth colours without black."""
    y, x = np.mgrid[0 : high or size, 0:size]
    return np.stack(
        [110 + 60 * np.sin((x + 11 * b) / 19) + 50 * np.cos((y - 7 * b) / 29) for b in range(bands)]
    ).astype("uint8")


def classes(size: int = 64) -> np.ndarray:
    return np.random.default_rng(2).choice([10, 20, 90], (size, size)).astype("uint8")


def cells_of(data: bytes, **options: Any) -> np.ndarray:
    with MemoryFile(data) as memory, memory.open(**options) as dataset:
        return dataset.read()


def mask_of(data: bytes) -> np.ndarray:
    with MemoryFile(data) as memory, memory.open() as dataset:
        return dataset.dataset_mask()


def holding(data: bytes, ref: BlobRef = SOURCE) -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs.write(ref, data)
    return blobs


def refs(blobs: MemoryBlobs, zone: str = "silver") -> list[BlobRef]:
    """Every blob of a zone, staged ones too, beside what the machine keeps for itself."""
    return sorted(
        ref for ref in blobs._blobs if ref.startswith(f"{zone}/") and "/coremachine/runs" not in ref
    )


@dataclass
class Reads:
    """Which bytes were asked for."""

    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.spans)


class CountingBlobs(MemoryBlobs):
    """Memory blobs that remember what is read of the source."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = Reads()

    def read(self, ref, start=0, length=None, *, etag=None):
        data = super().read(ref, start, length, etag=etag)
        if ref == SOURCE:
            self.reads.spans.append((start, len(data)))
        return data


def sparse(path: Any, size: int, blocks: Iterable[tuple[int, int]] = (), **profile: Any) -> None:
    """A large GeoTIFF on disk with cells in a few blocks of 512 only."""
    usual = {
        "driver": "GTiff",
        "width": size,
        "height": size,
        "count": 1,
        "dtype": "float32",
        "crs": UTM,
        "transform": NORTH_UP,
        "nodata": -9999.0,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "sparse_ok": True,
    }
    with rasterio.open(path, "w", **{**usual, **profile}) as dataset:
        for row, column in blocks:
            window = rasterio.windows.Window(column * 512, row * 512, 512, 512)
            dataset.write(hills(512), 1, window=window)
