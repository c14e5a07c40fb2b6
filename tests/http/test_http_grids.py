"""Cubes over HTTP: the numbers are those of the file, and no question is too costly."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from core import BlobRef
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from jobs.netcdf_to_zarr import NetcdfToZarr
from jobs.virtualize_netcdf import VirtualizeNetcdf
from services.grids import select
from services.grids.ask import point
from services.grids.cubes import cube_of
from services.grids.models import GridLimits
from services.grids.select import When
from tests.http.house import serving
from tests.support.grids import Weather
from tests.support.idle import idle_machine
from tests.support.netcdf import Var
from triggers.http.app import create_app
from triggers.http.services import Services

GLOBAL = Weather(times=30, packed=True, chunks=(4, 7, 11))
LEVELS = np.random.default_rng(9).normal(size=(30, 3, 23, 48))
LOCAL = Weather(
    times=30,
    lats=np.linspace(-3, -1, 9),
    lons=np.linspace(28, 31, 13),
    units="days since 2001-02-01",
    calendar="360_day",
    step=1,
    chunks=(30, 4, 5),
)
PRESSURE = Var(("plev",), np.array([1000.0, 850.0, 500.0]), {"units": "hPa", "positive": "down"})
LAYERED = Weather(
    times=30,
    dims={"plev": 3},
    more={"plev": PRESSURE, "wind": Var(("time", "plev", "lat", "lon"), LEVELS)},
)


def filled(blobs: MemoryBlobs, catalog: MemoryCatalog) -> None:
    for name, weather in {"world": GLOBAL, "rwanda": LOCAL, "layers": LAYERED}.items():
        source = BlobRef(f"bronze/grids/{name}.nc")
        blobs.write(source, weather.file())
        job = NetcdfToZarr(source=source, collection="cubes", chunks={"time": 7, "lat": 5})
        run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    virtual = VirtualizeNetcdf(
        collection="cubes", item_id="virtual", files=[BlobRef("bronze/grids/world.nc")]
    )
    run_job(virtual, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)


@pytest.fixture(scope="module")
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture(scope="module")
def catalog(blobs: MemoryBlobs) -> MemoryCatalog:
    catalog = MemoryCatalog()
    filled(blobs, catalog)
    return catalog


@pytest.fixture(scope="module")
def client(blobs: MemoryBlobs, catalog: MemoryCatalog) -> Iterator[httpx.Client]:
    limits = GridLimits(cells=400_000, answer=2_000)
    app = create_app(Services(idle_machine(blobs), None, blobs, catalog, grid_limits=limits))  # type: ignore[arg-type]
    with (
        serving(app) as url,
        httpx.Client(base_url=f"{url}/api/xarray/cubes", timeout=120) as client,
    ):
        yield client


def ask(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code in {404, 422}, answer.text
    return answer.json()


def told(values: np.ndarray) -> list[Any]:
    return [None if np.isnan(v) else pytest.approx(v, abs=1e-9) for v in values.tolist()]


@pytest.mark.parametrize("cube", ["world", "virtual"])
@pytest.mark.parametrize(
    ("lon", "column"), [(30.0, 4), (-90.1, 36), (269.9, 36), (-1.0, 0), (359.9, 0)]
)
def test_a_place_over_time_is_the_column_of_the_file(
    client: httpx.Client, cube: str, lon: float, column: int
) -> None:
    """Longitudes from 0 to 360 in the file, either way in the question; the last cell's neighbour is the first."""
    found = ask(client, f"{cube}/point", lon=lon, lat=-10)
    row = int(np.abs(GLOBAL.lats + 10).argmin())
    assert found["values"] == told(GLOBAL.values[:, row, column])
    assert None in found["values"]
    assert (found["times"][0], found["times"][-1]) == ("2000-01-01T00:00:00", "2000-01-08T06:00:00")
    assert found["unit"] == "K"


def test_the_distance_to_the_cell_is_told(client: httpx.Client) -> None:
    found = ask(client, "world/point", lon=31, lat=0)
    assert (found["lon"], found["lat"]) == (30.0, 0.0)
    assert found["distance_km"] == pytest.approx(111.19, abs=0.05)


def test_a_place_outside_is_refused_with_the_extent(client: httpx.Client) -> None:
    problem = refused(client, "rwanda/point", lon=27.5, lat=-2)
    assert problem["code"] == "bad_input"
    assert (
        "lies outside the grid, which spans west,south,east,north=27.875,-3.125,31.125,-0.875"
        in problem["detail"]
    )


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        ("2000-01-02", "2000-01-02", slice(4, 8)),
        ("2000-01-02T06", None, slice(5, 30)),
        (None, "2000-01-01T12:00", slice(0, 3)),
        ("2000", "2000-01", slice(0, 30)),
    ],
)
def test_a_part_of_the_time_is_chosen(
    client: httpx.Client, start: str | None, end: str | None, part: slice
) -> None:
    query = {k: v for k, v in {"start": start, "end": end}.items() if v}
    found = ask(client, "world/point", lon=0, lat=88, **query)
    assert found["values"] == told(GLOBAL.values[part, 0, 0])


def test_what_does_not_fit_is_asked_for_next(client: httpx.Client) -> None:
    values, start = [], None
    while True:
        more = {"start": start} if start else {}
        found = ask(client, "world/point", lon=0, lat=88, limit=13, **more)
        values += found["values"]
        if (start := found["next"]) is None:
            break
    assert values == told(GLOBAL.values[:, 0, 0])


def test_days_of_other_calendars_are_asked_for_by_their_names(client: httpx.Client) -> None:
    found = ask(client, "rwanda/point", lon=29, lat=-2, start="2001-02-30", end="2001-02-30")
    assert found["times"] == ["2001-02-30T00:00:00"]


def test_a_time_that_is_not_there_is_refused_with_what_is(client: httpx.Client) -> None:
    problem = refused(client, "world/point", lon=0, lat=0, start="2001-01")
    assert "2000-01-01T00:00:00 to 2000-01-08T06:00:00" in problem["detail"]


def expected(values: np.ndarray, lats: np.ndarray) -> dict[str, float]:
    weights = np.broadcast_to(np.cos(np.radians(lats))[None, :, None], values.shape)
    there = ~np.isnan(values)
    mean = np.average(values[there], weights=weights[there])
    std = np.sqrt(np.average((values[there] - mean) ** 2, weights=weights[there]))
    return {
        "count": int(there.sum()), "minimum": values[there].min(), "maximum": values[there].max(),
        "mean": mean, "std": std,
    }  # fmt: skip


@pytest.mark.parametrize("held", [400, 4_000_000])
@pytest.mark.parametrize(
    ("bbox", "rows", "columns"),
    [
        ("-180,-90,180,90", slice(None), slice(None)),
        ("10,-30,60,30", slice(8, 15), slice(2, 9)),
        ("-20,20,20,70", slice(3, 9), [46, 47, 0, 1, 2]),
        ("170,-10,-170,10", slice(10, 13), slice(23, 26)),
    ],
)
def test_a_region_is_weighed_by_the_size_of_its_cells(
    client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    bbox: str,
    rows: Any,
    columns: Any,
    held: int,
) -> None:
    """Whole, across Greenwich, across the 180th meridian; in one block and in many."""
    monkeypatch.setattr(select, "HELD", held)
    found = ask(client, "world/statistics", bbox=bbox)
    values, lats = GLOBAL.values[:, rows][:, :, columns], GLOBAL.lats[rows].astype("f8")
    assert {
        key: found[key] for key in ("count", "minimum", "maximum", "mean", "std")
    } == pytest.approx(expected(values, lats), rel=1e-9)


def test_a_region_without_a_value_has_no_numbers(client: httpx.Client) -> None:
    alone = {"bbox": "22,87,23,89", "start": "2000-01-01T00", "end": "2000-01-01T00"}
    found = ask(client, "world/statistics", **alone)
    assert np.isnan(GLOBAL.values[0, 0, 3])
    assert (found["count"], found["mean"], found["std"], found["minimum"]) == (0, None, None, None)


@pytest.mark.parametrize("function", ["mean", "min", "max", "sum", "count"])
def test_many_times_become_one_map(client: httpx.Client, function: str) -> None:
    found = ask(client, "world/aggregate", function=function, bbox="-20,20,20,70")
    values = GLOBAL.values[:, 3:9][:, :, [46, 47, 0, 1, 2]]
    reduced = {
        "mean": np.nanmean, "min": np.nanmin, "max": np.nanmax, "sum": np.nansum,
        "count": lambda v, axis: (~np.isnan(v)).sum(axis=axis).astype(float),
    }[function](values, axis=0)  # fmt: skip
    np.testing.assert_allclose(np.array(found["values"], float), reduced, rtol=1e-9)
    assert found["lons"] == [-15.0, -7.5, 0.0, 7.5, 15.0]
    assert found["lats"] == [64.0, 56.0, 48.0, 40.0, 32.0, 24.0]
    assert found["times"] == 30


def test_a_level_is_chosen(client: httpx.Client) -> None:
    found = ask(client, "layers/point", lon=0, lat=88, variable="wind", level=900)
    assert found["values"] == told(LEVELS[:, 1, 0, 0])
    problem = refused(client, "layers/point", lon=0, lat=88, variable="wind")
    assert "pass level, from 500 to 1000 hPa" in problem["detail"]


def test_the_cube_tells_what_it_holds(client: httpx.Client) -> None:
    info = ask(client, "rwanda/info")
    assert info["time"]["calendar"] == "360_day"
    assert info["box"] == [27.875, -3.125, 31.125, -0.875]


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("world/statistics", {"bbox": "1,2,3"}, "is no box"),
        ("world/statistics", {"bbox": "0,50,10,-50"}, "no box on the earth"),
        ("world/statistics", {"bbox": "nan,0,1,1"}, "no box on the earth"),
        (
            "rwanda/statistics",
            {"bbox": "0,50,10,60"},
            "no cell has its centre in bbox=0.0,50.0,10.0,60.0",
        ),
        ("world/point", {"lon": 0, "lat": 0, "variable": "t2"}, "did you mean t2m?"),
        ("layers/point", {"lon": 0, "lat": 0}, "name one variable of t2m, wind"),
        ("world/point", {"lon": 0, "lat": 95}, "lat"),
        ("world/point", {"lon": 0, "lat": 0, "start": "yesterday"}, "start"),
        ("nowhere/info", {}, "There is no item 'nowhere'"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    client: httpx.Client, path: str, query: dict[str, Any], reason: str
) -> None:
    assert reason in refused(client, path, **query)["detail"]


def test_a_costly_question_is_refused_and_told_what_to_narrow(
    client: httpx.Client, blobs: MemoryBlobs, catalog: MemoryCatalog
) -> None:
    strict = Services(
        idle_machine(blobs), None, blobs, catalog, grid_limits=GridLimits(cells=5_000)
    )  # type: ignore[arg-type]
    with (
        serving(create_app(strict)) as url,
        httpx.Client(base_url=f"{url}/api/xarray/cubes", timeout=120) as other,
    ):
        problem = refused(other, "world/statistics")
        assert problem["code"] == "too_large"
        assert (
            "more than 5,000; narrow the time (start, end) or the region (bbox)"
            in problem["detail"]
        )
        assert ask(other, "world/statistics", bbox="0,60,10,70", end="2000-01-01")["count"] > 0


def test_a_map_of_too_many_cells_is_refused(
    client: httpx.Client, blobs: MemoryBlobs, catalog: MemoryCatalog
) -> None:
    strict = Services(idle_machine(blobs), None, blobs, catalog, grid_limits=GridLimits(answer=100))  # type: ignore[arg-type]
    with (
        serving(create_app(strict)) as url,
        httpx.Client(base_url=f"{url}/api/xarray/cubes", timeout=120) as other,
    ):
        assert "more than 100; narrow bbox" in refused(other, "world/aggregate")["detail"]


@pytest.mark.parametrize(
    ("href", "kind", "reason"),
    [
        (
            "https://example.org/a.zarr",
            "application/vnd.zarr; version=3",
            "does not lie in this storage",
        ),
        ("/etc/passwd", "application/vnd.zarr", "does not lie in this storage"),
        ("silver/../../x", "application/vnd.zarr", "does not lie in this storage"),
        ("silver/grids/gone.zarr", "application/vnd.zarr", "there is no Zarr store"),
        ("silver/rasters/a.tif", "image/tiff", "is no cube: its data is image/tiff"),
    ],
)
def test_an_item_that_names_no_cube_of_ours_is_refused(
    client: httpx.Client, catalog: MemoryCatalog, href: str, kind: str, reason: str
) -> None:
    """Whoever wrote the item, nothing outside of our storage is opened."""
    item = {
        "id": "odd",
        "collection": "cubes",
        "bbox": [],
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "assets": {"data": {"href": href, "type": kind}},
    }
    catalog.add("cubes", [item])
    assert reason in refused(client, "odd/info")["detail"]


class Noting(MemoryBlobs):
    """Remembers what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def read(self, ref: BlobRef, *args: Any, **more: Any) -> bytes:
        self.seen.append(ref)
        return super().read(ref, *args, **more)


def test_a_coordinate_that_no_question_needs_is_never_read() -> None:
    """Whoever sends a cube may give it a dimension of any length; xarray would read it to make an index."""
    stations = Var(("station",), np.arange(50.0), {})
    blobs, catalog = Noting(), MemoryCatalog()
    source = BlobRef("bronze/grids/stations.nc")
    blobs.write(source, Weather(times=4, dims={"station": 50}, more={"station": stations}).file())
    job = NetcdfToZarr(source=source, collection="cubes")
    run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    blobs.seen.clear()
    cube = cube_of(catalog, blobs, "cubes", "stations")
    assert point(cube, 7.5, 88, GridLimits(), When(variable="t2m")).values
    assert any("/t2m/c/" in ref for ref in blobs.seen)
    assert [ref for ref in blobs.seen if "/station/c/" in ref] == []


def test_a_store_that_is_written_anew_is_opened_anew(
    client: httpx.Client, catalog: MemoryCatalog, blobs: MemoryBlobs
) -> None:
    """An opened cube is kept only for as long as its metadata stays as it is."""
    source = BlobRef("bronze/grids/fresh.nc")
    seen = []
    for seed in (1, 2):
        weather = Weather(times=2, seed=seed)
        blobs.write(source, weather.file())
        job = NetcdfToZarr(source=source, collection="cubes")
        run_job(job, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
        seen.append(ask(client, "fresh/point", lon=7.5, lat=88)["values"])
        assert seen[-1] == told(weather.values[:, 0, 1])
    assert seen[0] != seen[1]
