"""NetCDF files are read cell for cell as they were written, or refused with a reason."""

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.reference import ReferenceFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from core.blobs import BlobRef
from core.errors import BadInput, BlobChanged
from core.memory.blobs import MemoryBlobs
from services.grids import apart, opened
from services.grids import netcdf as reading
from services.grids.inspect import inspect_file
from services.grids.models import GridInfo
from services.grids.store import ReferenceStore
from tests.support.grids import LAT, LON, Weather
from tests.support.netcdf import CLASSIC, NEWEST, NUMBERS, OLDEST, USUAL, Var, netcdf

REF = BlobRef("bronze/grids/weather.nc")


def stored(data: bytes) -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs.write(REF, data)
    return blobs


def look(data: bytes) -> GridInfo:
    return inspect_file(stored(data), REF)


def read(data: bytes, name: str) -> np.ndarray:
    return np.asarray(opened.netcdf(stored(data), REF)[0][name][...])


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("big", [False, True])
def test_every_number_type_is_read_in_both_byte_orders(kind: str, big: bool) -> None:
    values = (np.arange(60).reshape(3, 4, 5) - 20).astype(kind)
    data = netcdf({"a": 3, "b": 4, "c": 5}, {"v": Var(("a", "b", "c"), values, big=big)})
    assert (read(data, "v") == values).all()


@pytest.mark.parametrize("chunks", [(1, 1, 1), (7, 11, 13), (2, 3, 5), (7, 1, 13), (1, 11, 4)])
@pytest.mark.parametrize(
    "filters", [{}, {"deflate": 5}, {"deflate": 1, "shuffle": True}, {"fletcher": True}]
)
def test_any_chunks_and_filters_are_read(
    chunks: tuple[int, ...], filters: dict[str, object]
) -> None:
    values = np.random.default_rng(3).integers(0, 1000, (7, 11, 13)).astype("i4")
    data = netcdf(
        {"a": None, "b": 11, "c": 13}, {"v": Var(("a", "b", "c"), values, chunks=chunks, **filters)}
    )
    assert (read(data, "v") == values).all()


def test_what_lies_in_one_piece_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 1000)
    values = np.random.default_rng(3).random((7, 30, 13))
    data = netcdf({"a": 7, "b": 30, "c": 13}, {"v": Var(("a", "b", "c"), values)})
    array = opened.netcdf(stored(data), REF)[0]["v"]
    assert array.chunks == (1, 6, 13)
    assert (array[...] == values).all()


def test_hundreds_of_variables_and_attributes_are_found() -> None:
    """Past a few, HDF5 keeps names in trees and heaps, and past many in deep ones."""
    attrs = {f"note{n}": f"text {n} " * 9 for n in range(700)}
    variables = {f"v{n:03d}": Var(("a",), np.arange(3) + n, {"units": f"u{n}"}) for n in range(900)}
    group, _ = opened.netcdf(stored(netcdf({"a": 3}, variables, attrs)), REF)
    assert dict(group.attrs) == attrs
    assert {name: a.attrs["units"] for name, a in group.arrays()} == {
        f"v{n:03d}": f"u{n}" for n in range(900)
    }
    assert group["v899"][...].tolist() == [899, 900, 901]


@pytest.mark.parametrize("form", [OLDEST, USUAL, NEWEST], ids=["oldest", "usual", "newest"])
@pytest.mark.parametrize(
    ("endless", "chunks"),
    [("", None), ("", (4, 9, 13)), ("", (1, 2, 5)), ("a", (1, 2, 5)), ("ab", (1, 2, 5))],
    ids=["one-piece", "one-chunk", "fixed", "growing", "growing-twice"],
)
def test_every_form_of_hdf5_and_each_of_its_chunk_indexes_is_read(
    form: tuple[str, str], endless: str, chunks: tuple[int, ...] | None
) -> None:
    values = np.random.default_rng(3).random((4, 9, 13))
    sizes = {dim: None if dim in endless else n for dim, n in zip("abc", values.shape, strict=True)}
    data = netcdf(sizes, {"v": Var(("a", "b", "c"), values, chunks=chunks)}, form=form)
    array = opened.netcdf(stored(data), REF)[0]["v"]
    assert data[8] == {OLDEST: 0, USUAL: 2, NEWEST: 3}[form]
    assert array.attrs["_ARRAY_DIMENSIONS"] == ["a", "b", "c"]
    assert (array[...] == values).all()


def test_what_xarray_writes_is_read(tmp_path: Path) -> None:
    """By way of h5netcdf, with its own idea of types and attributes."""
    weather, path = Weather(packed=True), tmp_path / "made.nc"
    made = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), weather.stored, {"units": "K"})},
        {
            "time": ("time", np.arange(6.0), {"units": "days since 2000-01-01"}),
            "lat": ("lat", weather.lats, LAT),
            "lon": ("lon", weather.lons, LON),
        },
        {"title": "Weather", "notes": ["a", "b"], "numbers": [1.5, 2.5]},
    )
    made.to_netcdf(path, engine="h5netcdf", unlimited_dims=["time"])
    group, _ = opened.netcdf(stored(path.read_bytes()), REF)
    assert dict(group.attrs) == made.attrs
    assert (group["t2m"][...] == weather.stored).all()
    assert look(path.read_bytes()).time.last == "2000-01-06T00:00:00"


def test_nothing_leads_out_of_the_file(tmp_path: Path) -> None:
    """Links, virtual datasets and external cells could show a sender the files of a worker."""
    blobs, path = MemoryBlobs(), tmp_path / "made.nc"
    (tmp_path / "secret").write_bytes(bytes(80))
    path.write_bytes(Weather().file())
    with h5py.File(path, "a") as file:
        file["away"] = h5py.ExternalLink("/etc/passwd", "/x")
        file["about"] = h5py.SoftLink("/t2m")
        file.create_dataset("outer", (10,), "f8", external=[(str(tmp_path / "secret"), 0, 80)])
        layout = h5py.VirtualLayout((10,), "f8")
        layout[:] = h5py.VirtualSource(str(path), "lat", (10,))
        file.create_virtual_dataset("mosaic", layout)
    blobs.write(REF, path.read_bytes())
    assert inspect_file(blobs, REF).warnings == [
        "left out: link about: it leads elsewhere",
        "left out: link away: it leads elsewhere",
        "left out: mosaic: its cells lie in other files",
        "left out: outer: its cells lie in other files",
    ]


def test_what_is_too_small_for_chunks_may_stand_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "made.h5"
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((5,))
        made = h5py.h5d.create(file.id, b"v", h5py.h5t.STD_I16BE, space, plan)
        h5py.Dataset(made)[...] = range(5)
    assert read(path.read_bytes(), "v").tolist() == [0, 1, 2, 3, 4]


def test_a_fill_value_that_only_an_attribute_names_counts(tmp_path: Path) -> None:
    """h5py leaves the fill value of HDF5 at nought, and no nought is missing."""
    path = tmp_path / "made.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.array([0, 1, -9], "i2")
        file["v"].attrs["_FillValue"] = np.int16(-9)
    assert opened.netcdf(stored(path.read_bytes()), REF)[0]["v"].fill_value == -9


def test_a_dimension_without_a_variable_keeps_its_name() -> None:
    """A netCDF dimension may be a mere length."""
    data = netcdf({"station": 3}, {"v": Var(("station",), np.arange(3))})
    group, _ = opened.netcdf(stored(data), REF)
    assert sorted(group.array_keys()) == ["v"]
    assert group["v"].attrs["_ARRAY_DIMENSIONS"] == ["station"]


def test_a_variable_that_ends_before_time_does_goes_on_as_missing() -> None:
    short = Var(("time", "lat", "lon"), np.ones((2, 23, 48), "f4"), fill=-1.0, chunks=(1, 23, 48))
    values = read(Weather(more={"short": short}).file(), "short")
    assert values.shape == (6, 23, 48)
    assert (values[:2] == 1).all()
    assert (values[2:] == -1).all()


def test_text_of_varying_length_and_groups_are_left_out_and_named() -> None:
    """Characters are kept; what Zarr cannot refer to is told, not dropped in silence."""
    more = {
        "place": Var(("lat",), np.array(["x"] * 23, object)),
        "code": Var(("lat",), np.array(list(b"abc" * 7 + b"de"), "u1").view("S1")),
    }
    info = look(Weather(more=more).file())
    assert info.warnings == ["left out: place: it holds text or structures of varying length"]
    assert "code" in {variable.name for variable in info.variables}


def test_xarray_reads_the_references_as_we_mean_them() -> None:
    """Packed numbers, missing ones and times, by somebody else's code."""
    weather = Weather(packed=True, chunks=(2, 5, 7))
    blobs = stored(weather.file())
    found = reading.of_netcdf(blobs, REF)
    store = ReferenceStore(blobs, found, "refs")
    with xr.open_zarr(store, consolidated=False, zarr_format=2, chunks=None) as dataset:
        np.testing.assert_allclose(dataset["t2m"].values, weather.values, atol=1e-4)
        assert str(dataset["time"].values[1]) == "2000-01-01T06:00:00.000000000"


def test_the_references_are_what_kerchunk_readers_expect() -> None:
    """fsspec resolves them to the same bytes."""
    blobs = stored(Weather(chunks=(2, 5, 7)).file())
    found = reading.of_netcdf(blobs, REF)
    listed = json.loads(found.model_dump_json())["refs"]
    there = ReferenceFileSystem(fo={"version": 1, "refs": listed}, skip_instance_cache=True)
    assert json.loads(there.cat_file("t2m/.zarray"))["chunks"] == [2, 5, 7]
    assert listed["t2m/1.2.3"][0] == REF


def test_only_the_metadata_of_a_large_file_is_read() -> None:
    """Ranged reads: looking costs little of the 12 MB."""
    values = np.random.default_rng(1).random((30, 200, 250))
    weather = Weather(lats=np.linspace(-80, 80, 200), lons=np.linspace(0, 249, 250), times=None)
    more = {"big": Var(("n", "lat", "lon"), values, chunks=(1, 50, 50))}
    blobs = Counting()
    blobs.write(REF, Weather(**{**vars(weather), "more": more, "dims": {"n": 30}}).file())
    info = inspect_file(blobs, REF)
    assert info.size > 11_000_000
    assert blobs.bytes_read < info.size / 3


class Counting(MemoryBlobs):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0
        self.counting = threading.Lock()

    def read(self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag=None) -> bytes:
        data = super().read(ref, start, length, etag=etag)
        with self.counting:
            self.bytes_read += len(data)
        return data


def test_another_file_under_the_same_name_is_noticed() -> None:
    """Offsets of the old file would give wrong cells of the new one."""
    blobs = stored(Weather().file())
    group, _ = opened.netcdf(blobs, REF)
    blobs.write(REF, Weather(seed=2).file())
    with pytest.raises(BlobChanged):
        group["t2m"][0]


# refused


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no NetCDF 4"),
        (b"GRIB....", "is no NetCDF 4"),
        (b"II*\0" * 100, "is no NetCDF 4"),
        (b"\x89HDF\r\n\x1a\n", "is damaged or cut short"),
        (b"\x89HDF\r\n\x1a\n" + b"\xff" * 500, "is damaged or cut short.*superblock"),
        (CLASSIC, "nccopy -k nc4"),
    ],
)
def test_what_is_no_netcdf_4_is_refused_with_what_to_do(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        look(data)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95, 0.999])
def test_a_file_cut_short_is_refused(share: float) -> None:
    data = Weather().file()
    with pytest.raises(BadInput, match="damaged or cut short"):
        look(data[: int(len(data) * share)])


@pytest.mark.parametrize("whole", ["new", "old"])
@given(st.integers(0, 19_000), st.binary(min_size=1, max_size=8))
@settings(max_examples=150)
def test_a_damaged_file_is_read_or_refused_but_never_breaks_the_reader(
    whole: str, at: int, junk: bytes
) -> None:
    """Whatever bytes come: an answer, or BadInput."""
    data = bytearray(WHOLE[whole])
    at = min(at, len(data) - len(junk))
    data[at : at + len(junk)] = junk
    try:
        look(bytes(data))
    except BadInput:
        return


WHOLE = {
    "new": Weather(
        times=2, more={f"v{n}": Var(("lat",), np.arange(23.0)) for n in range(10)}
    ).file(),
    "old": netcdf(
        {"lat": 9, "lon": 13},
        {
            "lat": Var(("lat",), np.arange(9.0), LAT),
            "lon": Var(("lon",), np.arange(13.0), LON),
            **{f"v{n}": Var(("lat", "lon"), np.ones((9, 13)), deflate=4) for n in range(10)},
        },
        form=OLDEST,
    ),
}


# understood


def test_longitudes_from_0_to_360_and_falling_latitudes_are_understood() -> None:
    info = look(Weather().file())
    assert info.from_zero
    assert info.box == (-180.0, -90.0, 180.0, 90.0)
    assert (info.y.first, info.y.last, info.y.step) == (88.0, -88.0, -8.0)
    assert info.crs == "EPSG:4326"


def test_a_box_over_the_180th_meridian_is_told_west_before_east() -> None:
    info = look(Weather(lons=np.arange(170, 191.0), lats=np.arange(-5, 6.0)).file())
    assert info.box == (169.5, -5.5, -169.5, 5.5)


def test_a_grid_without_time_is_understood() -> None:
    info = look(Weather(times=None).file())
    assert info.time is None
    assert [cube.name for cube in info.cubes] == ["t2m"]


def test_a_time_axis_is_told_with_its_calendar() -> None:
    time = look(Weather(units="days since 2000-02-25", calendar="360_day", step=1).file()).time
    assert time is not None
    assert (time.first, time.last) == ("2000-02-25T00:00:00", "2000-02-30T00:00:00")


@pytest.mark.parametrize(
    ("units", "calendar", "reason"),
    [
        ("fortnights since 2000-01-01", "standard", "'fortnights' instead"),
        ("months since 2000-01-01", "standard", "only allowed for '360_day'"),
        ("days since the beginning", "standard", "parse date string 'the beginning'"),
        ("days since 2001-02-30", "standard", "invalid day"),
        ("days since 2001-13-01", "noleap", "invalid month"),
        ("days since 2000-01-01", "martian", "calendar must be one of"),
        ("days since 9999-12-31", "standard", "the year 10000"),
    ],
)
def test_a_time_axis_that_cannot_be_read_is_a_warning(
    units: str, calendar: str, reason: str
) -> None:
    info = look(Weather(units=units, calendar=calendar).file())
    assert info.time is None
    assert reason in info.warnings[0]


def test_cells_of_a_curved_grid_are_refused() -> None:
    flat = np.zeros((4, 5))
    data = netcdf(
        {"y": 4, "x": 5},
        {
            "lat": Var(("y", "x"), flat, LAT),
            "lon": Var(("y", "x"), flat, LON),
            "v": Var(("y", "x"), flat),
        },
    )
    with pytest.raises(BadInput, match=r"has a longitude per cell \(lon\).*regrid"):
        look(data)


def test_a_projected_grid_is_refused() -> None:
    attrs = {"standard_name": "projection_x_coordinate", "units": "m"}
    data = netcdf({"x": 5}, {"x": Var(("x",), np.arange(5.0), attrs)})
    with pytest.raises(BadInput, match="projected grid"):
        look(data)


def test_a_table_without_a_grid_is_refused_with_what_it_has() -> None:
    data = netcdf({"n": 5}, {"rain": Var(("n",), np.arange(5.0))})
    with pytest.raises(BadInput, match=r"no longitude axis.*degrees_east; it has rain"):
        look(data)


def test_coordinates_without_order_are_refused() -> None:
    with pytest.raises(BadInput, match="do not rise or fall"):
        look(Weather(lats=np.array([1.0, 3.0, 2.0])).file())


def test_too_many_variables_are_refused() -> None:
    variables = {f"v{n}": Var(("a",), np.arange(2)) for n in range(1_001)}
    with pytest.raises(BadInput, match="more than 1000"):
        look(netcdf({"a": 2}, variables))


@pytest.mark.parametrize("name", ["t 2m", "t.2m", "température", "T%2m", "_x", "a" * 200])
def test_odd_names_are_names(name: str) -> None:
    values = np.arange(23 * 48.0).reshape(23, 48)
    data = Weather(more={name: Var(("lat", "lon"), values)}).file()
    assert name in {cube.name for cube in look(data).cubes}
    assert (read(data, name) == values).all()


@pytest.mark.parametrize(
    ("ends", "told", "patience"),
    [
        (lambda: os._exit(1), "it crashes HDF5", 60.0),
        (lambda: time.sleep(600), "come to its end", 0.5),
    ],
)
def test_a_file_that_takes_its_reader_down_is_refused(
    ends: Callable[[], None], told: str, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 frees memory twice over some files: the process is lost, the worker goes on."""
    monkeypatch.setattr(apart, "PROCESSES", multiprocessing.get_context("fork"))
    monkeypatch.setattr(apart, "PATIENCE", patience)
    monkeypatch.setattr(apart, "_look", lambda line, info, only: ends())
    with pytest.raises(BadInput, match=told):
        look(WHOLE["new"])
