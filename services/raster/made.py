"""Arrays on a grid as a Cloud Optimized GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster

from services.geo.gridspec import GridSpec

NUMBERS = "AVERAGE"
CLASSES = "MODE"


def cog(
    spec: GridSpec,
    bands: Mapping[str, NDArray[Any]],
    *,
    title: str,
    unit: str = "",
    nodata: float | None = None,
    overviews: str = NUMBERS,
) -> bytes:
    """One band per array, described by its name."""
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": np.result_type(*bands.values()).name,
        "count": len(bands),
        "height": spec.height,
        "width": spec.width,
        "crs": spec.crs,
        "transform": spec.transform,
        "nodata": nodata,
    }
    with MemoryFile() as plain, MemoryFile() as target:
        with plain.open(**profile) as dataset:
            dataset.update_tags(title=title, units=unit)
            for band, (name, values) in enumerate(bands.items(), 1):
                dataset.write(values, band)
                dataset.set_band_description(band, name)
        with rasterio.Env(GDAL_NUM_THREADS="2"):
            copy_raster(
                plain.name,
                target.name,
                driver="COG",
                compress="ZSTD",
                level=1,
                predictor="YES",
                overview_resampling=overviews,
                blocksize=512,
            )
        return bytes(target.read())
