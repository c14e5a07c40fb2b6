"""A made-up earth on which fires burn, and its maps opened straight from memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rasterio.io import DatasetReader, MemoryFile

from core.blobs import BlobRef, Blobs
from core.internet import Internet
from infrastructure.fetching import Fetcher
from jobs.fire_forecast import FireForecast
from services.fire.options import FireOptions
from services.weather import sources
from tests.http.house import House
from tests.support.sources import LOOPBACK
from triggers.local.sources import earth, standing

__all__ = ["FireForecast", "burning", "from_memory"]


def from_memory(blobs: Blobs) -> Callable[[BlobRef], AbstractContextManager[DatasetReader]]:
    """Opens rasters without a web server for blobs."""

    @contextmanager
    def opened(ref: BlobRef) -> Iterator[DatasetReader]:
        with MemoryFile(blobs.read(ref)) as file, file.open(driver="GTiff") as dataset:
            yield dataset

    return opened


@contextmanager
def burning(house: House) -> Iterator[dict[str, Any]]:
    """Gives the jobs of a house that earth; what its web app needs to show the maps."""
    sources.ABSENCES.clear()
    reader = Fetcher(LOOPBACK, quiet=300, seconds=600)
    with standing(earth()) as stand:
        house.machine.options[Internet] = Internet(reader, stand.url)
        house.machine.options[FireOptions] = FireOptions()
        try:
            yield {"tiles": True, "rasters": from_memory(house.blobs)}
        finally:
            reader.close()
