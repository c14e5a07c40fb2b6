"""Many NetCDF files become one cube without a copy, or the one that does not fit is named."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from core import BlobRef
from core.errors import BadInput, BlobChanged
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import JobRun, run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.virtualize_netcdf import VirtualizeNetcdf
from services.grids import opened, references
from services.grids.store import ReferenceStore
from tests.support.grids import Weather
from tests.support.netcdf import Var

FOLDER = "bronze/daily/2000"
CHUNKS = (1, 10, 20)


def days(count: int = 4, **options: Any) -> list[Weather]:
    """A file per day, six-hourly, each counting from its own midnight."""
    return [
        Weather(times=4, seed=day, units=f"hours since 2000-01-{day + 1:02d}", chunks=CHUNKS,
                packed=True, **options)
        for day in range(count)
    ]  # fmt: skip


def stored(files: list[Weather], blobs: Any = None, folder: str = FOLDER) -> Any:
    blobs = MemoryBlobs() if blobs is None else blobs
    for number, weather in enumerate(files):
        blobs.write(BlobRef(f"{folder}/day{number:02d}.nc"), weather.file())
    return blobs


def job(folder: str = FOLDER) -> VirtualizeNetcdf:
    return VirtualizeNetcdf(collection="daily", item_id="2000", prefix=BlobRef(folder))


def failed(files: list[Weather]) -> str:
    run: JobRun = run_job(job(), blobs=stored(files), expect=JobStatus.FAILED)
    assert run.error is not None
    return run.error["message"]


def test_many_files_are_read_as_one_cube() -> None:
    files = days()
    blobs, catalog = stored(files), MemoryCatalog()
    result = run_job(job(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED).result
    expected = np.concatenate([weather.stored for weather in files])
    group = opened.cube(blobs, result.data)
    assert (np.asarray(group["t2m"][:]) == expected).all()
    assert (result.info.time.size, result.info.time.last) == (16, "2000-01-04T18:00:00")
    item = catalog.item("daily", "2000")
    assert item is not None
    assert item["assets"]["data"]["href"] == result.data
    assert item["properties"]["end_datetime"] == "2000-01-04T18:00:00Z"


def test_nothing_of_the_files_is_copied() -> None:
    blobs = stored(days())
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    found = references.load(blobs, result.data)
    parts = [
        place for key, place in found.refs.items() if key.startswith("t2m/") and "/." not in key
    ]
    assert len(parts) == 16 * 3 * 3
    assert {part[0] for part in parts} == {f"{FOLDER}/day{n:02d}.nc" for n in range(4)}


def test_xarray_reads_the_cube_with_its_times() -> None:
    files = days()
    blobs = stored(files)
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    store = ReferenceStore(blobs, references.load(blobs, result.data), "cube")
    with xr.open_zarr(store, consolidated=False, zarr_format=2, chunks=None) as cube:
        np.testing.assert_allclose(
            cube["t2m"].values, np.concatenate([w.values for w in files]), atol=1e-4
        )
        assert str(cube["time"].values[-1]).startswith("2000-01-04T18:00:00")


def test_the_order_of_the_files_does_not_matter() -> None:
    blobs = stored(days())
    names = [BlobRef(f"{FOLDER}/day{n:02d}.nc") for n in (2, 0, 3, 1, 2)]
    listed = VirtualizeNetcdf(collection="daily", item_id="listed", files=names)
    result = run_job(listed, blobs=blobs, expect=JobStatus.COMPLETED).result
    assert (result.info.time.first, result.info.time.size) == ("2000-01-01T00:00:00", 16)


def test_one_file_is_a_cube_too() -> None:
    blobs = stored([Weather(times=None)])
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    assert result.info.time is None


def test_only_the_last_file_may_be_shorter() -> None:
    files = [Weather(times=4, chunks=(2, 9, 9)), Weather(times=3, first=24, chunks=(2, 9, 9))]
    blobs = stored(files)
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    expected = np.concatenate([weather.stored for weather in files])
    np.testing.assert_array_equal(opened.cube(blobs, result.data)["t2m"][:], expected)
    message = failed(
        [Weather(times=3, chunks=(2, 9, 9)), Weather(times=4, first=24, chunks=(2, 9, 9))]
    )
    assert "day00.nc holds 3 times of t2m in chunks of 2" in message


ODD: list[tuple[dict[str, Any], str]] = [
    ({"lats": np.linspace(80, -80, 23).astype("f4")}, "its coordinates"),
    ({"lons": np.arange(0, 345, 7.5).astype("f4")}, "its coordinates"),
    ({"chunks": (2, 10, 20)}, "the chunks of t2m"),
    ({"packed": False}, "the type of t2m"),
    ({"attrs": {"units": "degC"}}, "units of t2m"),
    ({"calendar": "noleap"}, "its calendar"),
    ({"more": {"rain": Var(("lat", "lon"), np.zeros((23, 48)))}}, "its variables"),
]


@pytest.mark.parametrize(("change", "reason"), ODD, ids=[reason for _, reason in ODD])
@pytest.mark.parametrize("place", [0, 2])
def test_the_file_that_does_not_fit_is_named(
    change: dict[str, Any], reason: str, place: int
) -> None:
    files = days()
    files[place] = Weather(**{**vars(files[place]), **change})
    assert f"day{place:02d}.nc differs from the other files in {reason}" in failed(files)


def test_files_that_overlap_in_time_are_named() -> None:
    message = failed([*days(2), Weather(times=4, first=12, packed=True, chunks=CHUNKS)])
    assert "begins at 2000-01-01T12:00:00, before" in message


def test_a_file_without_time_cannot_be_joined() -> None:
    assert "day04.nc has no time axis" in failed([*days(), Weather(times=None)])


def test_a_folder_without_files_is_named() -> None:
    blobs = MemoryBlobs()
    blobs.write(BlobRef(f"{FOLDER}/notes.txt"), b"x")
    run = run_job(job(), blobs=blobs, expect=JobStatus.FAILED)
    assert run.error is not None
    assert "no NetCDF file" in run.error["message"]


def test_files_and_prefix_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="either files or prefix"):
        VirtualizeNetcdf(collection="daily", item_id="x")


def test_a_file_that_is_replaced_later_is_noticed_when_read() -> None:
    """Better no answer than cells of another file at the old places."""
    blobs = stored(days())
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    group = opened.cube(blobs, result.data)
    blobs.write(BlobRef(f"{FOLDER}/day02.nc"), days(1)[0].file())
    assert group["t2m"][0].shape == (23, 48)
    with pytest.raises(BlobChanged):
        group["t2m"][8]


def test_references_that_leave_our_storage_are_refused() -> None:
    """Only zone/container/path: no URL, no local file."""
    blobs = MemoryBlobs()
    ref = BlobRef("silver/grids/evil.json")
    blobs.write(ref, b'{"version": 1, "refs": {"a/0": ["file:///etc/passwd", 0, 10]}}')
    with pytest.raises(BadInput, match="holds no references"):
        references.load(blobs, ref)


def test_files_in_azure_storage_are_read_where_they_lie(azurite: str) -> None:
    blobs, files = AzureBlobs(azurite), days(3)
    folder = "bronze/grids-virtual/2000"
    stored(files, blobs, folder)
    result = run_job(job(folder), blobs=blobs, expect=JobStatus.COMPLETED).result
    expected = np.concatenate([weather.stored for weather in files])
    assert (np.asarray(opened.cube(blobs, result.data)["t2m"][:]) == expected).all()
    blobs.close()
