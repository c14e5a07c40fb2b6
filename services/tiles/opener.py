"""Open a raster in blob storage so that only the parts that are looked at travel."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, Protocol

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from core.blobs import BlobRef, Blobs
from core.errors import ServiceUnavailable
from services.raster.source import GEOTIFF
from services.tiles.errors import CannotShow
from services.tiles.kept import Kept

LASTS = timedelta(hours=2)
RENEWED = timedelta(hours=1)
"""A link is used for so long: it keeps its name in GDAL's cache, and no read outlives its signature."""
LINKS = 10_000

# One request for the head of a COG, parallel and merged ones for the rest, and no sidecar files.
ENVIRONMENT: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": 128 << 20,
    "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_CONNECTTIMEOUT": "5",
    "GDAL_HTTP_TIMEOUT": "20",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "0.2",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_CHUNK_SIZE": 65_536,
    "CPL_VSIL_CURL_CACHE_SIZE": 128 << 20,
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": 5 << 20,
}


# rasterio notes the name of each dataset it opens, and ours are signed links.
logging.getLogger("rasterio").setLevel(logging.WARNING)


class Opener(Protocol):
    """Opens the GeoTIFF of that name. BlobNotFound where it is gone."""

    def __call__(self, ref: BlobRef) -> AbstractContextManager[DatasetReader]: ...


class Linked:
    """Reads over HTTP, by signed links that stay inside this process."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._links: Kept[BlobRef, str] = Kept(RENEWED.total_seconds(), LINKS)

    @contextmanager
    def __call__(self, ref: BlobRef) -> Iterator[DatasetReader]:
        link = self._links.get(ref, lambda: self._blobs.link(ref, LASTS))
        try:
            dataset = rasterio.open(f"/vsicurl/{link}", driver="GTiff", sharing=False)
        except RasterioIOError:
            raise self._why(ref) from None
        with dataset:
            yield dataset

    def _why(self, ref: BlobRef) -> Exception:
        """GDAL fails alike over a blob that is gone, one that is no GeoTIFF, and storage that is down."""
        if not self._blobs.read(ref, 0, 4).startswith(GEOTIFF):
            return CannotShow(f"{ref} is no GeoTIFF")
        return ServiceUnavailable(f"{ref} could not be opened")
