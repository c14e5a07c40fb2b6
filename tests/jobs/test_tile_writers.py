"""A tile of the weather cache that several write at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from core.blobs import BlobInfo, BlobRef, Blobs
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.azure import AzureBlobs
from services.weather.derive import Variable
from services.weather.tilecache import shelf, tile
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import TileKey
from services.weather.tilecache.tile import Cells
from tests.support.sources import NOW

FRONT = Region(
    name="writers",
    bbox=(-81.0, 39.5, -79.5, 40.5),
    models=("hrrr",),
    variables=("t2m",),
    runs=1,
    hours=3,
)
KEY = TileKey(FRONT.folder, "hrrr", NOW, Variable.T2M)
TILE, META = shelf.tile(KEY), shelf.meta(KEY)


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def write(blobs: Blobs, hour: int) -> None:
    same = np.full(FRONT.spec.shape, hour, np.float32)
    found = {hour: Cells(same, same, same)}
    tile.add(blobs, KEY, FRONT.spec, found, {hour: f"md5-{hour}"}, NOW)


def six_write(blobs: Blobs) -> None:
    """All at once, an hour each."""
    start = threading.Barrier(6)

    def one(hour: int) -> None:
        start.wait()
        write(blobs, hour)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(6)))


def nothing_is_lost(blobs: Blobs, hours: int) -> None:
    arrays = tile.opened(blobs.read(TILE))
    assert arrays.hours.tolist() == list(range(hours))
    assert [float(each.mean()) for each in arrays.means] == list(range(hours))
    meta = tile.meta_of(blobs, KEY)
    assert meta is not None
    assert meta.hours == tuple(range(hours))
    assert meta.source_grib_md5 == {hour: f"md5-{hour}" for hour in range(hours)}


def test_writers_of_a_tile_lose_nothing(blobs: MemoryBlobs) -> None:
    """R152: each write counts only on what it has read, so every writer's hour is there."""
    six_write(blobs)
    nothing_is_lost(blobs, 6)


def test_writers_of_a_tile_lose_nothing_in_real_storage(azurite: str) -> None:
    """R152."""
    with closing(AzureBlobs(azurite)) as blobs:
        blobs.delete(TILE)
        blobs.delete(META)
        six_write(blobs)
        nothing_is_lost(blobs, 6)


def test_without_the_condition_on_writes_hours_are_lost(blobs: MemoryBlobs, monkeypatch) -> None:
    """Shows that the tests above can fail."""
    plain = blobs.write
    monkeypatch.setattr(
        blobs,
        "write",
        lambda ref, data, *, content_type="", only_if_new=False, if_etag=None: plain(ref, data),
    )
    count = 0
    for _ in range(20):
        blobs.delete(TILE)
        six_write(blobs)
        count = len(tile.opened(blobs.read(TILE)).hours)
        if count < 6:
            break
    assert count < 6


class Interrupted(MemoryBlobs):
    """Storage in which, the `nth` time that somebody looks at a blob, another hour is written first."""

    def __init__(self, look_at: BlobRef, nth: int) -> None:
        super().__init__()
        self.look_at, self.left = look_at, nth

    def info(self, ref: BlobRef) -> BlobInfo:
        if ref == self.look_at:
            self.left -= 1
            if self.left == 0:
                write(self, 1)
        return super().info(ref)


@pytest.mark.parametrize(("look_at", "nth"), [(TILE, 1), (TILE, 2), (TILE, 3), (META, 1)])
def test_whenever_another_writes_the_sums_of_both_are_kept(look_at: BlobRef, nth: int) -> None:
    """R152: a sidecar made of an array that is no longer the newest takes nothing from the newer one."""
    blobs = Interrupted(look_at, nth)
    write(blobs, 0)
    assert blobs.left < 0
    nothing_is_lost(blobs, 2)
