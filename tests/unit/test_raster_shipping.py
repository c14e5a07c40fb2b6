"""A file leaves while it is written, and what arrives is the file as it was at its end."""

import hashlib
from pathlib import Path

import pytest

from core.blobs import BlobRef
from core.errors import BadInput, BlobNotFound, ServiceUnavailable
from core.memory_blobs import MemoryBlobs
from services.raster.shipping import BEHIND, PIECE, Shipment
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
