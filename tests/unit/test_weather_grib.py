"""Messages, real ones where they are beside the checkout: decoded as eccodes and cfgrib do, cut and regridded right."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.geo.gridspec import GridSpec
from services.weather.decode import Field, decode
from services.weather.derive import components, deficit, direction, humidity, saturation, speed
from services.weather.eccodes_apart import eccodes
from services.weather.grib import BadGrib, checked, length_of
from services.weather.grib import field as field_of
from services.weather.native import NativeGrid
from services.weather.regrid import weights

GFS, HRRR = "gfs.complex.grib2", "hrrr.t06z.wrfsfcf01-TMP.grib2"
ORACLE = (
    GFS,
    HRRR,
    "cfrzr_and_cprat.grib",
    "gfs.grb",
    "gfs.t18z.pgrb2.0p25.f186-RH.grib2",
    "gfswave.t18z.atlocn.0p16.f001.grib2",
    "hrrr.t06z.wrfsfcf01-CFRZR.grib2",
    "hrrr.wrfsubhf.sample.grib2",
    "regular_ll_msl.grib",
)


def messages(data: bytes) -> Iterator[bytes]:
    at = data.find(b"GRIB")
    while at >= 0:
        length = length_of(data[at : at + 16])
        assert length
        yield data[at : at + length]
        at = data.find(b"GRIB", at + length)


def parts(message: bytes) -> Iterator[Field]:
    """Every field of a message: U and V of the old GFS share one."""
    for part in range(1, 9):
        try:
            field_of(message, part)
        except BadGrib:
            return
        yield decode(message, part)


def first(shared: Path, name: str) -> Field:
    return decode(next(messages((shared / "data" / "grib" / name).read_bytes())))


@pytest.mark.parametrize("name", ORACLE)
def test_real_messages_decode_as_expected(shared: Path, name: str) -> None:
    """R156: complex packing, bitmaps, constant fields, Lambert, fields that share a message, GRIB 1."""
    folder = shared / "data" / "grib"
    expected = json.loads((folder / "expected_messages.json").read_text())[name]
    fields = (each for message in messages((folder / name).read_bytes()) for each in parts(message))
    for said, field in zip(expected, fields, strict=False):
        assert field.values.size == said["n"]
        assert np.isnan(field.values).sum() == said["missing"]
        found = np.nanmin(field.values), np.nanmax(field.values), np.nanmean(field.values)
        assert found == pytest.approx((said["min"], said["max"], said["mean"]), rel=1e-9)
        assert field.grid.grid_winds == bool(said["uvRelativeToGrid"])
        for lat, lon, value in said["points"]:
            assert at(field, lon, lat) == pytest.approx(
                np.nan if value is None else value, nan_ok=True
            )


def at(field: Field, lon: float, lat: float) -> float:
    """The value of the model's point that lies there."""
    rows, columns = field.grid.places(np.array([lon]), np.array([lat]))
    row, column = round(rows[0]), round(columns[0])
    assert abs(rows[0] - row) < 2e-3
    assert abs(columns[0] - column) < 2e-3
    return float(field.values[row, column % field.grid.columns])


def test_a_corrupt_file_is_no_weather(shared: Path) -> None:
    data = (shared / "data" / "grib" / "era5-levels-corrupted.grib").read_bytes()
    with pytest.raises(BadGrib):
        list(map(decode, messages(data)))


@pytest.mark.parametrize("name", [GFS, HRRR])
def test_a_patch_is_what_xarray_interpolates_from_cfgrib(shared: Path, tmp_path, name: str) -> None:
    """A cut with a few points around, and the same numbers as from the whole field."""
    with opened(shared, tmp_path, name) as theirs:
        values = next(iter(theirs.data_vars.values()))
        field = first(shared, name)
        spec = GridSpec.around(-105.3, 40.0, 30_000, 0.02)
        how = weights(field.grid, spec)
        ours = how.apply(field.grid.cut(field.values, how.window))
        lon, lat = spec.lonlat()
        rows, columns = field.grid.places(lon, lat)
        whole = bilinear(values.values, rows, columns)
    np.testing.assert_allclose(ours, whole, rtol=1e-5)
    assert how.window.rows * how.window.columns < field.values.size / 100


def opened(shared: Path, tmp_path: Path, name: str) -> Any:
    """cfgrib writes an index beside the file, so it gets a copy."""
    import cfgrib  # noqa: PLC0415 - after eccodes_apart

    copy = tmp_path / name
    copy.write_bytes((shared / "data" / "grib" / name).read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cfgrib.open_dataset(str(copy), indexpath="")


def bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    r, c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, aside = rows - r, columns - c
    return (
        values[r, c] * (1 - down) * (1 - aside)
        + values[r, c + 1] * (1 - down) * aside
        + values[r + 1, c] * down * (1 - aside)
        + values[r + 1, c + 1] * down * aside
    )


@pytest.mark.parametrize("name", [GFS, HRRR])
def test_points_lie_where_cfgrib_says(shared: Path, tmp_path, name: str) -> None:
    """R156: axes of one dimension, and longitudes and latitudes per cell."""
    with opened(shared, tmp_path, name) as theirs:
        lon, lat = (np.asarray(theirs[axis].values) for axis in ("longitude", "latitude"))
    if lon.ndim == 1:
        lon, lat = np.meshgrid(lon, lat)
    grid = first(shared, name).grid
    for row, column in (
        (0, 0),
        (grid.rows - 1, grid.columns - 1),
        (grid.rows // 2, grid.columns // 3),
    ):
        rows, columns = grid.places(lon[row : row + 1, column], lat[row : row + 1, column])
        assert rows[0] == pytest.approx(row, abs=2e-3)
        assert columns[0] % grid.columns == pytest.approx(column, abs=2e-3)


# -- made by hand


def written(values: np.ndarray, **keys: Any) -> bytes:
    rows, columns = values.shape
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    said = {
        "Ni": columns,
        "Nj": rows,
        "latitudeOfFirstGridPointInDegrees": 40.0,
        "longitudeOfFirstGridPointInDegrees": 350.0,
        "latitudeOfLastGridPointInDegrees": 40.0 - (rows - 1),
        "longitudeOfLastGridPointInDegrees": (350.0 + columns - 1) % 360,
        "iDirectionIncrementInDegrees": 1.0,
        "jDirectionIncrementInDegrees": 1.0,
        "bitsPerValue": 24,
        **keys,
    }
    for key, value in said.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.astype(float).ravel())
    data = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return data


NUMBERS = np.arange(30.0).reshape(5, 6)


def test_a_serpentine_is_straightened() -> None:
    """R156: every second row runs backwards."""
    snake = NUMBERS.copy()
    snake[1::2] = snake[1::2, ::-1]
    found = decode(written(snake, alternativeRowScanning=1))
    np.testing.assert_allclose(found.values, NUMBERS, atol=1e-4)


def test_columns_first_is_turned() -> None:
    found = decode(written(NUMBERS.T.reshape(5, 6), jPointsAreConsecutive=1))
    np.testing.assert_allclose(found.values, NUMBERS, atol=1e-4)


def test_rows_from_the_south_lie_where_they_should() -> None:
    keys = {
        "jScansPositively": 1,
        "latitudeOfFirstGridPointInDegrees": 36.0,
        "latitudeOfLastGridPointInDegrees": 40.0,
    }
    field = decode(written(NUMBERS[::-1], **keys))
    assert at(field, -10.0, 40.0) == pytest.approx(0, abs=1e-4)
    assert at(field, -5.0, 36.0) == pytest.approx(29, abs=1e-4)


def test_points_without_a_value_spoil_only_what_lies_nearest() -> None:
    """R156: the sea of a wave model ends at the coast; cells beside it still have a value."""
    values = NUMBERS.copy()
    values[0, 0] = 9999.0
    field = decode(written(values, bitmapPresent=1, missingValue=9999.0))
    assert np.isnan(field.values[0, 0])
    spec = GridSpec.from_bbox((-10.5, 38.5, -7.5, 40.5), 0.5)
    how = weights(field.grid, spec)
    found = how.apply(field.grid.cut(field.values, how.window))
    assert np.isnan(found).sum() < 9
    near = spec.cell_of(-9.1, 39.1)
    assert near is not None
    assert np.isfinite(found[near])


def test_a_cut_keeps_nothing_of_the_whole_alive() -> None:
    """R153."""
    grid = NativeGrid(kind="lonlat", x=0, y=90, dx=0.25, dy=-0.25, columns=1440, rows=721)
    whole = np.zeros((721, 1440))
    cut = grid.cut(whole, weights(grid, GridSpec.around(30, 0, 5_000, 0.01)).window)
    assert cut.base is None
    assert cut.nbytes < 2_000


def test_two_native_points_lie_around_every_place() -> None:
    """R141: however small the place is."""
    grid = NativeGrid(kind="lonlat", x=0, y=90, dx=0.25, dy=-0.25, columns=1440, rows=721)
    window = weights(grid, GridSpec.around(30.1, 0.1, 10, 0.0001)).window
    assert window.rows >= 5
    assert window.columns >= 5


@pytest.mark.parametrize("cut", [3, 40, 1000])
def test_a_message_that_was_cut_is_refused(cut: int) -> None:
    """R146."""
    data = written(np.random.default_rng(1).normal(size=(50, 60)))
    with pytest.raises(BadGrib):
        checked(data[:-cut])
    with pytest.raises(BadGrib):
        checked(data[:-cut] + bytes(cut))


# -- what follows from what


def test_wind_comes_from_where_its_direction_says() -> None:
    u, v = np.array([5.0, 0, -5, 0, 0], np.float32), np.array([0.0, 5, 0, -5, 0], np.float32)
    np.testing.assert_allclose(direction(u, v)[:4], [270, 180, 90, 0], atol=1e-4)
    np.testing.assert_allclose(components(speed(u, v), direction(u, v))[0], u, atol=1e-4)
    np.testing.assert_allclose(components(speed(u, v), direction(u, v))[1], v, atol=1e-4)


def test_humidity_and_deficit_are_those_of_the_tables() -> None:
    """At 20 degrees air holds 2.339 kPa of vapour; at a dew point of 10, half of it."""
    warm, dew = np.array([293.15], np.float32), np.array([283.15], np.float32)
    assert saturation(warm)[0] == pytest.approx(2.339, abs=0.01)
    assert humidity(warm, dew)[0] == pytest.approx(52.5, abs=0.3)
    assert deficit(warm, np.array([52.5], np.float32))[0] == pytest.approx(1.11, abs=0.01)
    assert humidity(warm, warm + 1)[0] == 100
