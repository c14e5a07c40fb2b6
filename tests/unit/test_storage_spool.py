"""A blob as a file that fills as it is read: the right bytes, no more than are needed, and honest errors."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.blobs import BlobInfo
from core.errors import BadInput, BlobChanged, BlobNotFound, ServiceUnavailable
from core.memory.blobs import MemoryBlobs
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.source import opened
from services.storage import spool as spools
from services.storage.spool import LARGE, SMALL, spooled
from tests.support.rasters import SOURCE, CountingBlobs, holding, tiff

DATA = np.random.default_rng(7).integers(0, 256, 3 * LARGE + 12_345, "uint8").tobytes()


def counting(data: bytes = DATA) -> CountingBlobs:
    blobs = CountingBlobs()
    blobs.write(SOURCE, data)
    return blobs


def info(blobs: MemoryBlobs, **changes: object) -> BlobInfo:
    return blobs.info(SOURCE).model_copy(update=changes)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_read_is_what_is_stored(whole: bool):
    blobs = counting()
    with spooled(blobs, info(blobs), whole=whole) as spool, spool.open() as file:
        assert file.read() == DATA
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
        assert (file.read(100), file.tell()) == (DATA[-10:], len(DATA))
        assert file.read(1) == b""
        file.seek(5)
        file.seek(5, os.SEEK_CUR)
        assert file.read(3) == DATA[10:13]


@pytest.fixture(scope="module")
def lazy():
    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        yield spool


@given(st.integers(0, len(DATA) + 10), st.integers(0, 3 * SMALL))
def test_any_part_across_any_pieces_is_right(lazy, start: int, length: int):
    assert lazy.read(start, length) == DATA[start : start + length]


def test_each_piece_is_fetched_once_and_neighbours_together():
    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        spool.read(SMALL - 1, 2)
        spool.read(0, 2 * SMALL)
        assert blobs.reads.spans == [(0, 2 * SMALL)]
        spool.read(SMALL, 2 * SMALL)
        assert blobs.reads.spans[1:] == [(2 * SMALL, SMALL)]


def test_what_nobody_reads_is_never_fetched():
    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        spool.read(2 * LARGE, 10)
        spool.check()
    assert blobs.reads.bytes == SMALL


def test_a_window_of_a_raster_costs_about_its_own_blocks():
    cells = np.random.default_rng(1).integers(0, 60_000, (4096, 4096)).astype("uint16")
    blobs = counting(tiff(cells, tiled=True, blockxsize=256, blockysize=256))
    with (
        gdal(),
        spooled(blobs, info(blobs), whole=False) as spool,
        opened(spool, SOURCE) as dataset,
    ):
        found = dataset.read(1, window=((1024, 1280), (1024, 1280)))
    assert np.array_equal(found, cells[1024:1280, 1024:1280])
    assert blobs.reads.bytes <= 4 * SMALL


def test_work_begins_before_all_has_come():
    go_on = threading.Event()

    class Slow(MemoryBlobs):
        def read(self, ref, start=0, length=None, *, etag=None):
            assert start == 0 or go_on.wait(30)
            return super().read(ref, start, length, etag=etag)

    blobs = Slow()
    blobs.write(SOURCE, DATA)
    with spooled(blobs, info(blobs), whole=True) as spool:
        assert spool.read(0, 100) == DATA[:100]
        go_on.set()
        spool.check()


@pytest.mark.parametrize("whole", [True, False])
def test_many_readers_at_once_get_the_same_and_no_piece_twice(whole: bool):
    blobs = counting()
    starts = [(n * 777_777) % (len(DATA) - 50_000) for n in range(64)]
    with spooled(blobs, info(blobs), whole=whole) as spool, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda start: spool.read(start, 50_000), starts))
        spool.check()
    assert found == [DATA[start : start + 50_000] for start in starts]
    assert blobs.reads.bytes <= len(DATA)
    assert len({start for start, _ in blobs.reads.spans}) == len(blobs.reads.spans)


def test_a_blob_that_was_changed_is_told_as_such():
    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        spool.read(0, 1)
        blobs.write(SOURCE, DATA[::-1])
        with pytest.raises(BadInput, match="was changed while it was read; submit it again"):
            spool.read(LARGE, 1)


def test_a_blob_that_was_deleted_is_told_as_such():
    """R79."""
    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        spool.read(0, 1)
        blobs.delete(SOURCE)
        with pytest.raises(BadInput, match="was deleted while it was read"):
            spool.read(LARGE, 1)


def test_bytes_that_arrive_damaged_are_asked_for_again():
    class Noisy(MemoryBlobs):
        flipped = False

        def read(self, ref, start=0, length=None, *, etag=None):
            data = super().read(ref, start, length, etag=etag)
            if start == 0 and not self.flipped:
                self.flipped = True
                return bytes([data[0] ^ 1]) + data[1:]
            return data

    blobs = Noisy()
    blobs.write(SOURCE, DATA)
    with (
        spooled(blobs, info(blobs), whole=True) as spool,
        pytest.raises(ServiceUnavailable, match="arrived damaged"),
    ):
        spool.check()


def test_a_checksum_that_never_was_right_is_the_senders_fault():
    """Trying again would find the same bytes, for ever."""
    blobs = counting()
    with (
        spooled(blobs, info(blobs, md5="0" * 32), whole=True) as spool,
        pytest.raises(BadInput, match="is not what its checksum says it is; upload it again"),
    ):
        spool.check()


def test_half_an_answer_is_no_answer():
    class Short(MemoryBlobs):
        def read(self, ref, start=0, length=None, *, etag=None):
            return super().read(ref, start, length, etag=etag)[:-1]

    blobs = Short()
    blobs.write(SOURCE, DATA)
    with (
        spooled(blobs, info(blobs), whole=False) as spool,
        pytest.raises(ServiceUnavailable, match="only part of"),
    ):
        spool.read(0, 10)


def test_a_full_disk_is_no_fault_of_the_sender(monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    blobs = counting()
    with spooled(blobs, info(blobs), whole=False) as spool:
        monkeypatch.setattr(spools.os, "pwrite", full)
        with pytest.raises(ServiceUnavailable, match="no room"):
            spool.read(0, 10)


@pytest.mark.parametrize(
    ("error", "told", "kind"),
    [
        (ServiceUnavailable("storage is away"), "storage is away", ServiceUnavailable),
        (BlobNotFound("gone"), "was deleted while it was read", BadInput),
        (BlobChanged("other"), "was changed while it was read", BadInput),
    ],
)
@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_a_failed_fetch_is_never_called_a_damaged_file(error, told: str, kind, compress: str):
    """GDAL sees a file that ends; what is told is why."""

    class Failing(MemoryBlobs):
        ready = True

        def read(self, ref, start=0, length=None, *, etag=None):
            if not self.ready and start > 0:
                raise error
            return super().read(ref, start, length, etag=etag)

    noise = np.random.default_rng(1).integers(0, 255, (2048, 2048), "uint8")
    blobs = Failing()
    blobs.write(SOURCE, tiff(noise, compress=compress))
    with gdal(), spooled(blobs, info(blobs), whole=False) as spool:

        def read_all() -> None:
            with opened(spool, SOURCE) as dataset:
                blobs.ready = False
                dataset.read()

        with pytest.raises(kind, match=told):
            read_all()


def test_a_look_at_a_large_raster_fetches_little():
    noise = np.random.default_rng(1).integers(0, 60_000, (8192, 8192)).astype("uint16")
    blobs = counting(tiff(noise, tiled=True, blockxsize=256, blockysize=256))
    inspect(blobs, SOURCE)
    assert blobs.reads.bytes < 0.2 * blobs.info(SOURCE).size


def test_nothing_stays_on_disk(tmp_path: Path):
    blobs = holding(DATA)
    with spooled(blobs, info(blobs), whole=True, scratch=tmp_path) as spool:
        spool.read(0, 10)
        assert list(tmp_path.rglob("blob"))
    assert list(tmp_path.iterdir()) == []
