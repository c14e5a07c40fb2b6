"""What a blob is, by its first bytes: formats, and what the head of a TIFF tells."""

from __future__ import annotations

import struct
from collections.abc import Callable

from services.storage.models import Frozen

FIRST = 16 * 1024
SECOND = 48 * 1024
"""Never more than 64 KB of a blob are read to know what it is."""

MAGIC = (
    (b"II*\0", "geotiff"),
    (b"MM\0*", "geotiff"),
    (b"II+\0", "geotiff"),
    (b"MM\0+", "geotiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"CDF\x01", "netcdf"),
    (b"CDF\x02", "netcdf"),
    (b"CDF\x05", "netcdf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"GRIB", "grib"),
    (b"EHFA_HEADER_TAG", "erdas"),
    (b"NITF", "nitf"),
    (b"<VRTDataset", "vrt"),
    (b"\0\0\x27\x0a", "shapefile"),
    (b"SQLite format 3\0", "geopackage"),
    (b"fgb\x03fgb", "flatgeobuf"),
    (b"PAR1", "parquet"),
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
)
SAME = {("netcdf", "hdf5"), ("kmz", "zip")}
"""A name and what is found inside, where both are right: NetCDF 4 is HDF5, KMZ is a ZIP."""
UNMARKED = frozenset({"asciigrid", "srtm", "geojson", "kml", "gml", "csv", "zarr"})
"""Formats that no first bytes give away."""

WIDTH, HEIGHT, BITS, BANDS, TILE_WIDTH = 256, 257, 258, 277, 322
PIXEL_SCALE, TRANSFORM, GEO_KEYS = 33550, 34264, 34735
NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_TAGS = 1000


class TiffHead(Frozen):
    """What the first directory of a TIFF says."""

    width: int
    height: int
    bands: int = 1
    bits: int | None = None
    tiled: bool = False
    placed: bool = False
    """Whether it says where on Earth it lies."""
    crs: bool = False
    """Whether it names a coordinate reference system."""


def format_of(head: bytes) -> str | None:
    return next((name for magic, name in MAGIC if head.startswith(magic)), None)


def contradiction(named: str | None, found: str | None) -> str | None:
    """What is wrong when a name says one format and the first bytes another."""
    if named in {None, found} or named in UNMARKED or (named, found) in SAME:
        return None
    return f"is named as {named} but holds {found or 'something else'}"


def tiff_head(first: bytes, read: Callable[[int, int], bytes]) -> TiffHead | None:
    """The head of a TIFF from its first bytes, and from one more read where its directory lies elsewhere."""
    try:
        return _Directory(first, read).head()
    except (struct.error, KeyError):
        return None


class _Directory:
    """The first directory of a TIFF or a BigTIFF, in either byte order."""

    def __init__(self, first: bytes, read: Callable[[int, int], bytes]) -> None:
        self._order = "<" if first.startswith(b"II") else ">"
        self._big = self._number("H", first, 2) == 43
        self._first = first
        offset = self._number("Q", first, 8) if self._big else self._number("I", first, 4)
        self._tags = self._read_tags(first[offset:])
        if self._tags is None:
            self._tags = self._read_tags(read(offset, SECOND)) or {}

    def head(self) -> TiffHead:
        tags = self._tags or {}
        return TiffHead(
            width=tags[WIDTH],
            height=tags[HEIGHT],
            bands=tags.get(BANDS, 1),
            bits=tags.get(BITS),
            tiled=TILE_WIDTH in tags,
            placed=PIXEL_SCALE in tags or TRANSFORM in tags,
            crs=GEO_KEYS in tags,
        )

    def _read_tags(self, data: bytes) -> dict[int, int] | None:
        """Every tag with its first number; None when the directory does not end inside the data."""
        size, count_size = (20, 8) if self._big else (12, 2)
        if len(data) < count_size:
            return None
        count = self._number("Q" if self._big else "H", data, 0)
        if len(data) < count_size + min(count, MOST_TAGS) * size:
            return None
        return dict(self._tag(data, count_size + n * size) for n in range(min(count, MOST_TAGS)))

    def _tag(self, data: bytes, at: int) -> tuple[int, int]:
        tag, kind = struct.unpack_from(f"{self._order}HH", data, at)
        count = self._number("Q" if self._big else "I", data, at + 4)
        value, room = at + (12 if self._big else 8), 8 if self._big else 4
        number = NUMBERS.get(kind)
        if number is None:
            return tag, 0
        if struct.calcsize(f"<{number}") * count <= room:
            return tag, self._number(number, data, value)
        return tag, self._elsewhere(number, self._number("Q" if self._big else "I", data, value))

    def _elsewhere(self, number: str, offset: int) -> int:
        """The first of numbers that lie apart from the directory; 0 when they are not at hand."""
        inside = offset + struct.calcsize(f"<{number}") <= len(self._first)
        return self._number(number, self._first, offset) if inside else 0

    def _number(self, kind: str, data: bytes, at: int) -> int:
        value: int = struct.unpack_from(f"{self._order}{kind}", data, at)[0]
        return value
