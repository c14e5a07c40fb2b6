"""A glance into a blob reads little, and shows what is there as what it is."""

import pytest

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from services.storage.preview import HEAD, Kind, Preview, preview


def glance(name: str, data: bytes) -> Preview:
    blobs = MemoryBlobs()
    return preview(blobs, blobs.write(BlobRef(f"bronze/looks/{name}"), data))


class Counting(MemoryBlobs):
    """Notes how much is read."""

    read_bytes = 0

    def read(self, *args, **more) -> bytes:
        found = super().read(*args, **more)
        self.read_bytes += len(found)
        return found


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.txt", "a.bin"])
def test_of_a_large_blob_only_its_head_is_read(name: str) -> None:
    blobs = Counting()
    shown = preview(blobs, blobs.write(BlobRef(f"bronze/looks/{name}"), b"1,2\n" * 1_000_000))
    assert blobs.read_bytes == HEAD
    assert shown.left_out


def test_a_raster_is_a_picture_and_nothing_of_it_is_read_here() -> None:
    blobs = Counting()
    assert preview(blobs, blobs.write(BlobRef("bronze/looks/a.TIF"), b"II*\0")).kind is Kind.PICTURE
    assert blobs.read_bytes == 0


def test_a_table_shows_its_first_rows() -> None:
    shown = glance("a.csv", b'\xef\xbb\xbfname,"a, b"\nKivu,1\n')
    assert (shown.kind, shown.rows) == (Kind.TABLE, [["name", "a, b"], ["Kivu", "1"]])
    assert not shown.left_out
    many = glance("a.tsv", b"n\tm\n" + b"1\t2\n" * 100)
    assert len(many.rows) == 51
    assert many.left_out


def test_a_wide_table_with_long_cells_stays_small() -> None:
    shown = glance("a.csv", ",".join(["x" * 1_000] * 50).encode())
    assert len(shown.rows[0]) == 30
    assert {len(cell) for cell in shown.rows[0]} == {200}


def test_json_is_laid_out_and_what_is_none_shows_as_text() -> None:
    assert glance("a.json", b'{"a":[1]}').text == '{\n  "a": [\n    1\n  ]\n}'
    assert glance("a.geojson", b"{").kind is Kind.TEXT
    assert glance("a.json", b"[" * 60_000).kind is Kind.TEXT


def test_a_character_that_the_end_of_the_head_cuts_is_left_out() -> None:
    shown = glance("a.txt", b"a" + "\u6f22".encode() * HEAD)
    assert shown.kind is Kind.TEXT
    assert shown.text.endswith("\u6f22")


def test_what_is_no_text_shows_as_bytes() -> None:
    shown = glance("a.txt", bytes(range(256)) * 2)
    assert (shown.kind, shown.left_out) == (Kind.BYTES, True)
    assert shown.text.splitlines()[4].endswith("@ABCDEFGHIJKLMNO")
    assert glance("a.csv", b"\xff\xfe\xfd\xfc\xfb\xfa").kind is Kind.BYTES
    assert glance("a.csv", b"").kind is Kind.EMPTY
