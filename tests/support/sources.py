"""The stand-in for weather sources, in the hands of tests: a clock, faults, and a reader that may call loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

from core.blobs import Blobs
from core.guard import UrlRules
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from infrastructure.fetching import Fetcher
from services.weather import sources
from services.weather.options import WeatherOptions
from services.weather.patch import Desk
from services.weather.sample.archive import Archive
from triggers.local.sources import Stand, standing

LOOPBACK = UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"),))
NOW = datetime(2026, 11, 25, 17, 30, tzinfo=UTC)
"""The 12z cycles of GFS and NAM are whole, that of ECMWF is not; HRRR's 15z is the newest that is whole."""


@dataclass
class Sources:
    """A running stand-in, and what a patch needs to read from it."""

    stand: Stand
    reader: Fetcher
    archive: Archive
    blobs: Blobs = field(default_factory=MemoryBlobs)

    @property
    def internet(self) -> Internet:
        return Internet(self.reader, self.stand.url)

    def desk(self, blobs: Blobs | None = None, **options: float) -> Desk:
        return Desk(blobs or self.blobs, self.internet, WeatherOptions.model_validate(options))


@contextmanager
def running(now: datetime = NOW, real: Path | None = None) -> Iterator[Sources]:
    """What this process remembers of other archives is forgotten."""
    sources.ABSENCES.clear()
    archive = Archive(lambda: now, real)
    reader = Fetcher(LOOPBACK, quiet=120, seconds=300)
    with standing(archive.find) as stand:
        try:
            yield Sources(stand, reader, archive)
        finally:
            reader.close()
