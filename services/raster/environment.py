"""How GDAL is set up here, in one place."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning

# In bytes: as a number of megabytes, rasterio would hand GDAL a cache of that many bytes.
CACHE = 512 << 20


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with a bounded cache and all processors, deaf to files lying beside the one it opens."""
    with (
        rasterio.Env(
            GDAL_CACHEMAX=CACHE,
            GDAL_NUM_THREADS="ALL_CPUS",
            GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
            GDAL_PAM_ENABLED="NO",
            GDAL_TIFF_INTERNAL_MASK="YES",
        ),
        warnings.catch_warnings(),
    ):
        # A raster without a position is refused by name, and nodata over alpha is what users meant.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)
        yield
