"""What first bytes tell: formats, and the heads of TIFFs in every byte order, without reading further."""

import struct

import numpy as np
import pytest
from affine import Affine
from rasterio.io import MemoryFile

from services.storage.headers import FIRST, SECOND, TiffHead, contradiction, format_of, tiff_head

WIDE = 3000


def tiff(**options: object) -> bytes:
    """A raster of four bands that GDAL wrote."""
    placed = {"crs": "EPSG:32635", "transform": Affine(1, 0, 500_000, 0, -1, 0)}
    profile = {"driver": "GTiff", "width": 64, "height": 32, "count": 4, "dtype": "uint16"}
    with MemoryFile() as memory:
        with memory.open(**{**profile, **placed, **options}) as dataset:
            for band in range(1, 5):
                dataset.write(np.zeros((32, 64), "uint16"), band)
        return memory.read()


class Remote:
    """A blob that counts how much of it is read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.taken = data, 0

    def read(self, start: int, length: int) -> bytes:
        part = self.data[start : start + length]
        self.taken += len(part)
        return part

    def head(self) -> TiffHead | None:
        return tiff_head(self.read(0, FIRST), self.read)


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_the_head_of_a_tiff_is_read_in_every_form(order: str, big: str) -> None:
    data = tiff(ENDIANNESS=order, BIGTIFF=big, TILED="YES", blockxsize=16, blockysize=16)
    assert format_of(data) == "geotiff"
    expected = TiffHead(width=64, height=32, bands=4, bits=16, tiled=True, placed=True, crs=True)
    assert Remote(data).head() == expected


def test_a_tiff_without_a_place_says_so() -> None:
    head = Remote(tiff(crs=None, transform=None)).head()
    assert head is not None
    assert (head.placed, head.crs, head.tiled) == (False, False, False)


def test_a_directory_at_the_end_takes_one_more_read_of_64_kb_in_all() -> None:
    """Other programs write it last, behind gigabytes."""
    far = 5_000_000
    entries = [(256, 4, 1, WIDE), (257, 4, 1, 40), (258, 3, 1, 8), (277, 3, 1, 1)]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    remote = Remote(b"II*\0" + struct.pack("<I", far) + bytes(far - 8) + directory + bytes(100_000))
    assert remote.head() == TiffHead(width=WIDE, height=40, bands=1, bits=8)
    assert remote.taken <= FIRST + SECOND == 64 * 1024


@pytest.mark.parametrize("length", [4, 7, 8, 9, 60, 100])
def test_a_tiff_cut_short_has_no_head(length: int) -> None:
    assert Remote(tiff()[:length]).head() is None


def test_random_bytes_never_break_the_reader() -> None:
    rng = np.random.default_rng(7)
    for start in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+"):
        for _ in range(300):
            Remote(start + rng.bytes(200)).head()


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n....", "jpeg2000"),
        (b"CDF\x02....", "netcdf"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"GRIB....\x02", "grib"),
        (b"SQLite format 3\0", "geopackage"),
        (b"PK\x03\x04", "zip"),
        (b"hello", None),
        (b"", None),
    ],
)
def test_formats_are_known_by_their_first_bytes(head: bytes, format: str | None) -> None:
    assert format_of(head) == format


@pytest.mark.parametrize(
    ("named", "found", "wrong"),
    [
        ("geotiff", "geotiff", False),
        ("netcdf", "hdf5", False),
        ("kmz", "zip", False),
        ("csv", None, False),
        (None, "geotiff", False),
        ("geotiff", "jpeg", True),
        ("geotiff", None, True),
    ],
)
def test_a_name_that_lies_is_found_out(named: str | None, found: str | None, wrong: bool) -> None:
    assert (contradiction(named, found) is not None) is wrong
