"""How GDAL is set up here, in one place."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning

CACHE = 256 << 20

# A raster without a position is refused by name, and nodata over alpha is what users meant. For good, not for a while:
# `warnings.catch_warnings` undoes what other threads have asked for.
for _category in (NotGeoreferencedWarning, NodataShadowWarning):
    warnings.simplefilter("ignore", _category)


@contextmanager
def gdal(cache: int = CACHE) -> Iterator[None]:
    """GDAL with a bounded cache and all processors, deaf to files lying beside the one it opens.

    `cache` is in bytes: of a number of megabytes rasterio would make that many bytes.
    """
    with rasterio.Env(
        GDAL_CACHEMAX=cache,
        GDAL_NUM_THREADS="ALL_CPUS",
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
        GDAL_PAM_ENABLED="NO",
        GDAL_TIFF_INTERNAL_MASK="YES",
    ):
        yield
