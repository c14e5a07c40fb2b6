"""A NetCDF file becomes a Zarr store that holds the same numbers, whatever the file is like."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from core import BlobRef, Context
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.results import Results
from core.states import JobStatus
from core.testing import JobRun, run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.netcdf_to_zarr import NetcdfToZarr
from services.grids import convert, opened
from services.grids.inspect import inspect_file
from services.grids.listing import blobs_below
from services.grids.models import Slab, Written
from services.grids.store import BlobStore
from tests.support.grids import Weather
from tests.support.netcdf import Var, netcdf

SOURCE = BlobRef("bronze/grids/weather.nc")
DAY = 24


def stored(data: bytes) -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs.write(SOURCE, data)
    return blobs


def job(**parameters: Any) -> NetcdfToZarr:
    return NetcdfToZarr(source=SOURCE, collection="weather", **parameters)


def done(blobs: Any, catalog: MemoryCatalog | None = None, **parameters: Any) -> JobRun:
    return run_job(job(**parameters), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)


def dataset(blobs: Any, root: BlobRef, **options: Any) -> xr.Dataset:
    with opened.understood(root):
        return xr.open_zarr(BlobStore(blobs, root, read_only=True), chunks=None, **options)


def held(blobs: MemoryBlobs, root: BlobRef) -> dict[str, bytes]:
    return {info.ref: blobs.read(info.ref) for info in blobs_below(blobs, root)}


@pytest.mark.parametrize(
    "weather",
    [
        Weather(),
        Weather(packed=True, chunks=(1, 23, 48)),
        Weather(packed=True, chunks=(5, 7, 11)),
        Weather(times=None),
        Weather(times=1, lats=np.array([10.0]), lons=np.array([20.0])),
        Weather(lats=np.linspace(-60, 60, 23), lons=np.linspace(-179, 179, 31)),
    ],
    ids=["plain", "packed", "odd-chunks", "no-time", "one-cell", "rising"],
)
def test_every_number_is_the_same_as_in_the_source(weather: Weather) -> None:
    blobs = stored(weather.file())
    root = done(blobs).result.data
    with dataset(blobs, root, mask_and_scale=False, decode_times=False) as raw:
        np.testing.assert_array_equal(raw["t2m"].values, weather.stored)
        np.testing.assert_array_equal(raw["lat"].values, weather.lats)
        np.testing.assert_array_equal(raw["lon"].values, weather.lons)
    with dataset(blobs, root, decode_times=False) as meant:
        np.testing.assert_allclose(meant["t2m"].values, weather.values, rtol=1e-6)
        assert meant["t2m"].attrs["units"] == "K"


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_a_calendar_is_kept_as_it_is(calendar: str) -> None:
    weather = Weather(units="days since 2000-02-25", calendar=calendar, step=1)
    blobs, catalog = stored(weather.file()), MemoryCatalog()
    done(blobs, catalog)
    item = catalog.item("weather", "weather")
    assert item is not None
    last = {"noleap": "2000-03-02", "360_day": "2000-02-29", "standard": "2000-03-01"}[calendar]
    assert item["properties"]["end_datetime"] == f"{last}T00:00:00Z"


def test_chosen_variables_come_with_their_coordinates_alone() -> None:
    more = {"rain": Var(("time", "lat", "lon"), np.ones((6, 23, 48)))}
    blobs = stored(Weather(more=more).file())
    info = done(blobs, variables=["rain"]).result.info
    assert [variable.name for variable in info.variables] == ["lat", "lon", "rain", "time"]


def test_the_chunks_that_were_asked_for_are_made() -> None:
    blobs = stored(Weather().file())
    info = done(blobs, chunks={"time": 4, "lat": 10, "lon": 7}).result.info
    assert next(v.chunks for v in info.variables if v.name == "t2m") == (4, 10, 7)


@pytest.mark.parametrize(
    ("shape", "least", "most"), [((8760, 721, 1440), 10, 30), ((8760, 181, 360), 200, 300)]
)
def test_usual_chunks_are_long_in_time_and_of_about_two_megabytes(
    shape: tuple[int, ...], least: int, most: int
) -> None:
    blobs = stored(
        Weather(
            lats=np.linspace(-90, 90, shape[1]), lons=np.linspace(0, 359, shape[2]), times=1
        ).file()
    )
    info = inspect_file(blobs, SOURCE)
    variable = info.cubes[0].model_copy(update={"shape": shape, "chunks": (1, 100, 100)})
    chunks = convert.chunk_shape(variable, info, {})
    assert least < chunks[0] < most
    assert 0.5 < np.prod(chunks) * 4 / convert.CHUNK <= 1


def test_the_item_says_where_the_store_is_and_what_it_holds() -> None:
    """R166: what STAC readers rely on, to the letter."""
    blobs, catalog = stored(Weather().file()), MemoryCatalog()
    root = done(blobs, catalog).result.data
    item = catalog.item("weather", "weather")
    assert item is not None
    assert item["assets"]["data"] == {
        "href": root,
        "type": "application/vnd.zarr; version=3",
        "title": "Zarr store",
        "roles": ["data"],
        "zarr:zarr_format": 3,
        "zarr:node_type": "group",
        "zarr:consolidated": True,
    }
    assert item["properties"]["datetime"] == "2000-01-01T00:00:00Z"
    assert item["properties"]["cube:dimensions"]["lon"]["extent"] == [0.0, 352.5]
    assert item["properties"]["cube:variables"]["t2m"] == {
        "type": "data",
        "dimensions": ["time", "lat", "lon"],
        "description": "Temperature",
        "unit": "K",
    }
    assert json.loads(json.dumps(item, allow_nan=False)) == json.loads(json.dumps(item))


def test_the_item_and_its_collection_are_valid_by_the_schema_of_stac() -> None:
    catalog = MemoryCatalog()
    done(stored(Weather(lons=np.arange(170, 200.0)).file()), catalog)
    for kind, found in {
        "item": catalog.item("weather", "weather"),
        "collection": catalog.collection("weather"),
    }.items():
        assert list(schema(kind).iter_errors(json.loads(json.dumps(found)))) == []


def schema(kind: str) -> Draft7Validator:
    schemas = get_local_schema_cache()
    known = [(name, Resource.from_contents(one)) for name, one in schemas.items()]
    wanted = next(one for name, one in schemas.items() if f"v1.1.0/{kind}-spec" in name)
    return Draft7Validator(wanted, registry=Registry().with_resources(known))


def test_a_file_is_known_by_its_bytes_not_by_its_name() -> None:
    blobs, odd = MemoryBlobs(), BlobRef("bronze/grids/delivery")
    blobs.write(odd, Weather().file())
    result = run_job(NetcdfToZarr(source=odd, collection="weather"), blobs=blobs).result
    assert result.item == "delivery"


def test_no_item_appears_when_a_slab_fails() -> None:
    """Only what is whole is found."""
    data = bytearray(Weather(chunks=(1, 23, 48)).file())
    middle = data.index(b"x\x01", len(data) // 2)  # a deflated chunk
    data[middle : middle + 40] = b"\0" * 40
    catalog = MemoryCatalog()
    run = run_job(job(), blobs=stored(bytes(data)), catalog=catalog, expect=JobStatus.FAILED)
    assert run.error is not None
    assert run.error["stage"] == "copy_cells"
    assert "cannot be read" in run.error["message"]
    assert catalog.item("weather", "weather") is None


def test_a_slab_written_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is killed after half of a slab; another writes it whole."""
    monkeypatch.setattr(convert, "SLAB", 9_000)
    blobs = stored(Weather().file())
    run = done(blobs)
    before = held(blobs, run.result.data)
    slabs, layout = run.results(NetcdfToZarr.prepare)[0], run.results(NetcdfToZarr.arrange)[0]
    assert len(slabs) == len(run.tasks("copy_cells")) > 2
    torn = sorted(key for key in before if "/t2m/c/" in key)[::2]
    for key in torn:
        blobs.delete(BlobRef(key))
    for slab in (*slabs, *reversed(slabs)):
        job().copy_cells(Context(blobs=blobs), slab, layout)
    assert held(blobs, run.result.data) == before


def test_preparing_again_keeps_what_was_written() -> None:
    blobs = stored(Weather().file())
    run = done(blobs)
    before = held(blobs, run.result.data)
    info, layout = run.results(NetcdfToZarr.look)[0], run.results(NetcdfToZarr.arrange)[0]
    job().prepare(Context(blobs=blobs), info, layout)
    assert held(blobs, run.result.data) == before


def test_a_changed_source_gets_a_store_of_its_own() -> None:
    """A rerun never breaks an old item."""
    blobs = stored(Weather().file())
    old = done(blobs).result.data
    kept = held(blobs, old)
    blobs.write(SOURCE, Weather(seed=2).file())
    assert done(blobs).result.data != old
    assert held(blobs, old) == kept


def test_a_source_that_changes_meanwhile_fails_the_job() -> None:
    blobs = stored(Weather().file())
    run = done(blobs)
    slab: Slab = run.results(NetcdfToZarr.prepare)[0][0]
    blobs.write(SOURCE, Weather(seed=2).file())
    with pytest.raises(Exception, match="was changed while it was converted"):
        job().copy_cells(Context(blobs=blobs), slab, run.results(NetcdfToZarr.arrange)[0])


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_what_differs_from_the_source_is_not_published(damage: str) -> None:
    """R136: the store is opened again before anyone is told of it."""
    blobs = stored(Weather().file())
    run = done(blobs)
    root = run.result.data
    key = next(key for key in held(blobs, root) if "/t2m/c/" in key)
    if damage == "lost":
        blobs.delete(BlobRef(key))
    else:
        array = zarr.open_group(BlobStore(blobs, root), mode="r+")["t2m"]
        array[:] = 5.0
    info, layout = run.results(NetcdfToZarr.look)[0], run.results(NetcdfToZarr.arrange)[0]
    written: list[Written] = run.results(NetcdfToZarr.copy_cells)
    with pytest.raises(Exception, match="differs from its source"):
        job().publish(
            Context(blobs=blobs, catalog=MemoryCatalog()), Results.of(*written), layout, info
        )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"variables": ["t2n"]}, "did you mean t2m?"),
        ({"variables": ["lat"]}, "it has t2m"),
        ({"chunks": {"height": 3}}, "dimensions are lat, lon, time"),
        ({"chunks": {"time": 0}}, "chunks names time: 0"),
    ],
)
def test_a_wrong_parameter_fails_at_once_and_says_why(parameters: Any, reason: str) -> None:
    run = run_job(job(**parameters), blobs=stored(Weather().file()), expect=JobStatus.FAILED)
    assert run.error is not None
    assert reason in run.error["message"]


def test_a_file_that_is_gone_fails_for_good() -> None:
    """R79: deleted between the submission and the run."""
    run = run_job(job(), blobs=MemoryBlobs(), expect=JobStatus.FAILED)
    assert run.tasks("look")[0].attempts == 1


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 MB of cells, in slabs of 4 MB."""
    monkeypatch.setattr(convert, "SLAB", 4 << 20)
    plane = np.ones((360, 720), "f4")
    times = 200
    grid = Weather(times=None, lats=np.linspace(-89, 89, 360), lons=np.arange(0, 360, 0.5))
    data = netcdf(
        {"time": None, "lat": 360, "lon": 720},
        {
            "lat": Var(("lat",), grid.lats, {"units": "degrees_north"}),
            "lon": Var(("lon",), grid.lons, {"units": "degrees_east"}),
            "v": Var(("time", "lat", "lon"), lambda n: plane * n, {"count": times},
                     chunks=(1, 360, 720), deflate=1),
        },
    )  # fmt: skip
    blobs = stored(data)
    run = done(blobs)
    slabs, layout = run.results(NetcdfToZarr.prepare)[0], run.results(NetcdfToZarr.arrange)[0]
    assert times * plane.nbytes > 200_000_000
    tracemalloc.start()
    try:
        for slab in slabs[:3]:
            job().copy_cells(Context(blobs=blobs), slab, layout)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
    with dataset(blobs, run.result.data) as made:
        assert made["v"][:, 0, 0].values.tolist() == list(range(times))


def test_a_file_in_azure_storage_becomes_a_store_there(azurite: str) -> None:
    blobs, catalog = AzureBlobs(azurite), MemoryCatalog()
    weather = Weather(packed=True, chunks=(2, 5, 7))
    source = BlobRef("bronze/grids-convert/weather.nc")
    blobs.write(source, weather.file())
    run = run_job(
        NetcdfToZarr(source=source, collection="azure", chunks={"lat": 8}),
        blobs=blobs,
        catalog=catalog,
        expect=JobStatus.COMPLETED,
    )
    with dataset(blobs, run.result.data, mask_and_scale=False) as made:
        np.testing.assert_array_equal(made["t2m"].values, weather.stored)
    assert catalog.item("azure", "weather") is not None
    blobs.close()


def test_text_stays_behind_and_the_result_says_so() -> None:
    more = {
        "code": Var(("lat",), np.array(list(b"abc" * 7 + b"de"), "u1").view("S1")),
        "place": Var(("lat",), np.array(["x"] * 23, object)),
    }
    info = done(stored(Weather(more=more).file())).result.info
    assert info.warnings == [
        "left out: place: it holds text or structures of varying length",
        "not converted: code: it holds text",
    ]
