"""Of a Parquet file its footer is read and nothing else; a footer that lies is refused in a sentence."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from core.blobs import BlobRef
from core.errors import BadInput
from core.memory.blobs import MemoryBlobs
from services.storage.parquet import LARGEST, TAIL, Parquet, describe
from services.storage.preview import Kind, preview
from tests.support.parquet import file, footer, struct

REF = BlobRef("bronze/looks/a.parquet")
COLUMNS = [
    {1: 2, 3: 0, 4: "id"},
    {1: 6, 3: 1, 4: "name", 10: {1: {}}},
    {1: 2, 3: 1, 4: "seen", 10: {8: {1: True, 2: {2: {}}}}},
    {1: 1, 3: 1, 4: "small", 10: {10: {1: 8, 2: False}}},
    {3: 1, 4: "tags", 5: 1, 6: 3},
    {3: 2, 4: "list", 5: 1},
    {1: 6, 3: 1, 4: "element", 6: 0},
    {1: 5, 3: 0, 4: "depth"},
]


class Counting(MemoryBlobs):
    """Notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    def read(self, *args, **more) -> bytes:
        found = super().read(*args, **more)
        self.reads.append(len(found))
        return found


def described(data: bytes) -> Parquet:
    blobs = MemoryBlobs()
    return describe(blobs, blobs.write(REF, data))


def test_columns_show_with_their_types_and_whether_they_may_be_empty() -> None:
    told = described(file(footer(COLUMNS, rows=7)))
    assert [(each.name, each.type, each.nullable, each.repeated) for each in told.columns] == [
        ("id", "int64", False, False),
        ("name", "string", True, False),
        ("seen", "timestamp (UTC)", True, False),
        ("small", "uint8", True, False),
        ("tags.list.element", "string", True, True),
        ("depth", "double", False, False),
    ]
    assert (told.rows, told.row_groups, told.written_by) == (7, 1, "a test")


def test_geoparquet_tells_its_geometries(shared: Path) -> None:
    told = described((shared / "data" / "vector" / "example.parquet").read_bytes())
    (geometry,) = told.geometries
    assert (geometry.column, geometry.is_primary, geometry.encoding) == ("geometry", True, "WKB")
    assert (geometry.types, geometry.crs) == ("Polygon, MultiPolygon", "OGC:CRS84")
    assert geometry.bbox.startswith("-180.0, -18.28799, 180.0")
    assert (told.rows, told.row_groups, len(told.columns)) == (5, 1, 6)


@pytest.mark.parametrize(
    ("crs", "told"),
    [
        ({}, "OGC:CRS84"),
        ({"crs": None}, "not known"),
        ({"crs": {"id": {"authority": "EPSG", "code": 2056}}}, "EPSG:2056"),
        ({"crs": {"name": "a plane of ours"}}, "a plane of ours"),
    ],
)
def test_the_crs_of_geometries_is_told(crs: dict, told: str) -> None:
    geo = {"primary_column": "g", "columns": {"g": {"encoding": "WKB", **crs}}}
    (geometry,) = described(file(footer(COLUMNS, geo=geo))).geometries
    assert (geometry.crs, geometry.types) == (told, "any")


@pytest.mark.parametrize(
    "geo", ["{", "[" * 100_000, "[1]", {"columns": [1]}, {"columns": {"g": 3}}, {"columns": "x"}]
)
def test_what_is_no_geoparquet_after_all_still_shows_its_columns(geo: object) -> None:
    assert len(described(file(footer(COLUMNS, geo=geo))).columns) == 6


def test_only_the_end_of_a_large_file_is_read() -> None:
    blobs = Counting()
    end = file(footer(COLUMNS))
    told = describe(blobs, blobs.write(REF, bytes(5_000_000) + end))
    assert (blobs.reads, len(told.columns)) == ([TAIL], 6)


def test_a_footer_that_is_long_takes_one_more_read() -> None:
    blobs = Counting()
    many = [{1: 1, 4: f"column {n:06}"} for n in range(6_000)]
    told = preview(blobs, blobs.write(REF, file(footer(many)))).parquet
    assert told is not None
    assert (len(blobs.reads), len(told.columns), told.more_columns) == (2, 500, 5_500)


GOOD = file(footer(COLUMNS, rows=7))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (GOOD[:-1], "cut short"),
        (GOOD[: len(GOOD) // 2], "cut short"),
        (b"PAR1", "cut short"),
        (file(b"", length=2**32 - 1), "longer than the file: 4,294,967,295 bytes"),
        (file(bytes(LARGEST + 1)), "too many for a glance"),
        (GOOD[:-4] + b"PARE", "encrypted"),
        (file(footer(COLUMNS)[:-20]), "ends too early"),
        (file(b"\x29\xfc\xff\xff\xff\xff\x07"), "longer than the file"),
        (file(b"\x29" + b"\x19" * 100_000), "nested too deep"),
        (file(b"\x1c" * 100_000), "nested too deep"),
        (file(b"\x16" + b"\xff" * 20), "too long"),
        (file(b"\x1f"), "of no known type"),
        (file(bytes(100)), "damaged, or no Parquet"),
        (file(struct({2: 3, 3: "x"})), "damaged, or no Parquet"),
    ],
)
def test_a_footer_that_lies_is_refused_in_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        described(data)
    blobs = MemoryBlobs()
    shown = preview(blobs, blobs.write(REF, data))
    assert shown.kind in (Kind.BYTES, Kind.TEXT)
    assert why in shown.note


def test_no_damage_does_worse_than_a_refusal() -> None:
    """R124: whatever stands in a file, it is described or refused, and quickly."""
    for seed in range(2_000):
        chance = np.random.default_rng(seed)
        data = bytearray(footer(COLUMNS, 7, {"columns": {"g": {}}}))
        for at in chance.integers(0, len(data), chance.integers(1, 7)):
            data[at : at + chance.integers(3)] = chance.bytes(chance.integers(6))
        with suppress(BadInput):
            described(file(bytes(data)))
