"""A file leaves while it is written, and what arrives is the file as it was at its end."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.blobs import BlobRef
from core.errors import BadInput, BlobNotFound, ServiceUnavailable
from core.memory.blobs import MemoryBlobs
from services.raster.shipping import BEHIND, IN_MEMORY, PIECE, Shipment
from tests.support.fleet import pause
from tests.support.waiting import eventually

TARGET = BlobRef("silver/cogs/a.tif")
LONG = 2 * PIECE + BEHIND + 7


def staged(blobs: MemoryBlobs) -> BlobRef:
    return blobs.staged(TARGET, "task-1")


def test_a_head_that_is_written_last_arrives_as_it_was_written_last(tmp_path: Path):
    """R75: writers of COGs come back to the head when they know where everything lies."""
    blobs, file = MemoryBlobs(), tmp_path / "cog.tif"
    with Shipment(blobs, file, staged(blobs)) as shipment, file.open("wb") as cog:
        cog.write(bytes(LONG))
        cog.flush()
        eventually(lambda: set(blobs.pieces(staged(blobs))) == {0, 1})
        cog.seek(100)
        cog.write(b"the head")
        cog.flush()
        shipment.complete()
        with pytest.raises(BlobNotFound):
            blobs.info(TARGET)
        shipment.finish(TARGET)
    assert blobs.read(TARGET) == file.read_bytes()
    assert blobs.info(TARGET).md5 == hashlib.md5(file.read_bytes()).hexdigest()  # noqa: S324


def test_what_goes_wrong_leaves_no_piece_and_is_told_first(tmp_path: Path):
    class Down(MemoryBlobs):
        def drop_pieces(self, ref: BlobRef) -> None:
            super().drop_pieces(ref)
            raise ServiceUnavailable("storage is down")

    blobs, file = Down(), tmp_path / "cog.tif"
    file.write_bytes(bytes(LONG))

    def damaged() -> None:
        with Shipment(blobs, file, staged(blobs)):
            eventually(lambda: blobs.pieces(staged(blobs)))
            raise BadInput("the raster is damaged")

    with pytest.raises(BadInput, match="damaged"):
        damaged()
    assert blobs.pieces(staged(blobs)) == {}


class Slow(MemoryBlobs):
    """Storage that takes its time, and looks how much is held for it meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [0]
        self.look: Callable[[], int] = lambda: 0

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        self.held.append(self.look())
        pause(0.2)
        self.held.append(self.look())
        super().put_piece(ref, number, data)


def test_a_file_waits_on_the_disk_and_not_in_memory_when_storage_is_slow(tmp_path: Path):
    """Eight hundred megabytes behind a slow network would be eight hundred megabytes of memory."""
    blobs, file = Slow(), tmp_path / "cog.tif"
    file.write_bytes(bytes(12 * PIECE))
    with Shipment(blobs, file, staged(blobs)) as shipment:
        waiting = shipment._waiting  # pyright: ignore[reportPrivateUsage]
        blobs.look = lambda: sum(not each.done() for each in list(waiting))
        shipment.complete()
        shipment.finish(TARGET)
    assert max(blobs.held) in (IN_MEMORY - 1, IN_MEMORY)
    assert blobs.info(TARGET).size == 12 * PIECE


def test_the_rest_stays_where_it_is_when_a_piece_cannot_be_sent(tmp_path: Path):
    class Full(MemoryBlobs):
        asked = 0

        def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
            self.asked += 1
            raise ServiceUnavailable("storage is full")

    blobs, file = Full(), tmp_path / "cog.tif"
    file.write_bytes(bytes(12 * PIECE))

    for early in (False, True):
        blobs.asked = 0
        with pytest.raises(ServiceUnavailable, match="full"):
            ship(blobs, file, early=early)
        assert 1 <= blobs.asked <= 2 * IN_MEMORY


def ship(blobs: MemoryBlobs, file: Path, *, early: bool) -> None:
    """`early`: while it is written, and who follows it has to give up by himself."""
    with Shipment(blobs, file, staged(blobs)) as shipment:
        watch = shipment._watch  # pyright: ignore[reportPrivateUsage]
        if early:
            eventually(lambda: not watch.is_alive(), 30)
        shipment.complete()
