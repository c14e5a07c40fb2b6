"""A small landscape to try things on: hills, ridges and a lake without data, near Kigali."""

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from services.raster.environment import gdal

NAME = "kigali-hills.tif"
SEED = 1994
NODATA = -9999.0
CRS = "EPSG:32736"
WEST, NORTH, STEP = 161_000.0, 9_796_000.0, 30.0


def dem(size: int = 768) -> bytes:
    """Heights in metres as a plain GeoTIFF (not a COG), the same bytes every time."""
    profile = {
        "driver": "GTiff",
        "width": size,
        "height": size,
        "count": 1,
        "dtype": "float32",
        "crs": CRS,
        "transform": Affine(STEP, 0, WEST, 0, -STEP, NORTH),
        "nodata": NODATA,
        "compress": "deflate",
        "predictor": 3,
    }
    with gdal(), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(heights(size), 1)
            dataset.set_band_description(1, "elevation")
            dataset.set_band_unit(1, "m")
        return memory.read()


def heights(size: int) -> np.ndarray:
    """Ridges over hills, with a hollow whose floor, the lake, is nodata."""
    rng = np.random.default_rng(SEED)
    ridges = 1 - np.abs(_hills(rng, size, 2.0))
    land = _unit(_hills(rng, size, 2.4) + 0.8 * ridges - 3 * _hollow(size))
    lake = land < np.quantile(land, 0.05)
    return np.where(lake, NODATA, np.round(1320 + 760 * land, 1)).astype("float32")


def _hills(rng: np.random.Generator, size: int, smoothness: float) -> np.ndarray:
    """White noise whose waves are the weaker the shorter they are, as on the earth; it tiles."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    waves = np.hypot(rows, columns)
    waves[0, 0] = np.inf
    hills = np.fft.irfft2(
        np.fft.rfft2(rng.normal(size=(size, size))) * waves**-smoothness, s=(size, size)
    )
    return hills / hills.std()


def _hollow(size: int) -> np.ndarray:
    along = np.linspace(0, 1, size)
    return np.exp(-(((along[None, :] - 0.62) / 0.16) ** 2) - ((along[:, None] - 0.55) / 0.11) ** 2)


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / np.ptp(values)
