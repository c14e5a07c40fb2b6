"""The stand-in for terrain and land cover, in the hands of tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from core.blobs import Blobs
from core.guard import UrlRules
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from infrastructure.fetching import Fetcher
from services.landcover import sample as landcover
from services.terrain import sample as terrain
from triggers.local.sources import Bytes, Stand, standing

LOOPBACK = UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"),))


@dataclass
class Earth:
    """A running stand-in, and what is kept of it."""

    stand: Stand
    reader: Fetcher
    blobs: Blobs = field(default_factory=MemoryBlobs)

    @property
    def internet(self) -> Internet:
        return Internet(self.reader, self.stand.url)


def find(path: str) -> Bytes | bytes | None:
    return terrain.find(path) or landcover.find(path)


@contextmanager
def running() -> Iterator[Earth]:
    reader = Fetcher(LOOPBACK, quiet=120, seconds=300)
    with standing(find) as stand:
        try:
            yield Earth(stand, reader)
        finally:
            reader.close()
