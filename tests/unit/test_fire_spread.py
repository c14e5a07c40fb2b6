"""Fire over a landscape against the ellipse it should be, against barriers, hours of weather and itself turned."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from services.fire import spread as spreading
from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Array, Ground, Moisture, Wind, behaviour
from services.fire.spread import Spread, spread

ROOT = Path(__file__).parents[2]
DRY = Moisture(0.06, 0.07, 0.08, 0.6, 0.9)
GRASS, SLOW, WATER = 102, 183, 98
HOUR = 60.0


def grown(
    codes: Array,
    wind: Wind,
    minutes: float,
    cell: float = 30.0,
    place: tuple[int, int] | None = None,
    directions: int = 32,
    **ground: Array | float,
) -> Spread:
    middle = place or (codes.shape[0] // 2, codes.shape[1] // 2)
    weather = Weather.of(wind, DRY, minutes)
    land = Landscape.of(cell, codes, **ground)
    return spread(land, weather, Ignition.at([middle]), minutes, directions=directions)


def everywhere(code: int, size: int) -> Array:
    return np.full((size, size), code)


def cell_for(code: int, wind: Wind, minutes: float, cells: int) -> float:
    """Of such a size that the fire becomes so many cells long."""
    found = behaviour(code, DRY, wind)
    return float(found.rate + found.towards(found.azimuth + 180)) * minutes / cells


def ellipse(code: int, wind: Wind, minutes: float) -> float:
    """Its area in square metres."""
    found = behaviour(code, DRY, wind)
    half = float(found.rate + found.towards(found.azimuth + 180)) / 2 * minutes
    return np.pi * half**2 / float(found.length_to_width)


@pytest.mark.parametrize("azimuth", [0, 20, 45, 250])
@pytest.mark.parametrize("speed", [0.0, 4.0, 6.0])
def test_a_fire_has_the_area_and_the_head_of_its_ellipse(speed: float, azimuth: int) -> None:
    wind = Wind.out_of(azimuth, speed)
    cell = cell_for(GRASS, wind, HOUR, 180)
    fire = grown(everywhere(GRASS, 401), wind, HOUR, cell)
    assert 0.95 <= fire.area(HOUR) * 10_000 / ellipse(GRASS, wind, HOUR) <= 1.01
    found = behaviour(GRASS, DRY, wind)
    rows, columns = np.nonzero(fire.burnt(HOUR))
    angle = np.radians(float(found.azimuth))
    along = (columns - 200) * np.sin(angle) - (rows - 200) * np.cos(angle)
    reach = float(found.rate) * HOUR / cell
    assert abs(along.max() - reach) <= 1.0 + 0.02 * reach


def test_turning_the_wind_changes_the_area_little() -> None:
    cell = cell_for(GRASS, Wind(4.0, 0.0), HOUR, 120)
    areas = [
        grown(everywhere(GRASS, 261), Wind.out_of(azimuth, 4.0), HOUR, cell).area(HOUR)
        for azimuth in range(0, 360, 15)
    ]
    assert max(areas) / min(areas) <= 1.03


def test_halving_the_cells_changes_the_area_little() -> None:
    wind = Wind(4.0, 1.0)
    cell = cell_for(GRASS, wind, HOUR, 100)
    coarse = grown(everywhere(GRASS, 221), wind, HOUR, cell).area(HOUR)
    fine = grown(everywhere(GRASS, 441), wind, HOUR, cell / 2).area(HOUR)
    assert fine == pytest.approx(coarse, rel=0.03)


def test_more_directions_make_a_rounder_fire() -> None:
    cell = cell_for(GRASS, Wind(0.0, 0.0), HOUR, 120)
    shares = [
        grown(everywhere(GRASS, 141), Wind(0, 0), HOUR, cell, directions=n).area(HOUR)
        * 10_000
        / ellipse(GRASS, Wind(0, 0), HOUR)
        for n in (8, 16, 32, 80)
    ]
    assert shares == sorted(shares)
    assert shares[-1] >= 0.98


def test_equal_fires_are_equal_bytes() -> None:
    one, other = (grown(everywhere(GRASS, 81), Wind(3.0, 2.0), HOUR) for _ in range(2))
    assert one.arrival.tobytes() == other.arrival.tobytes()
    assert one.intensity.tobytes() == other.intensity.tobytes()


def test_a_fire_is_the_same_whatever_it_has_room_to_remember(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty hours of turning wind in slow fuel: with two places a cell's hours are worked out again and again."""
    hours = np.arange(20)
    wind = Wind.out_of(15.0 * hours, 2.0 + hours % 5)
    codes = np.random.default_rng(5).choice([GRASS, SLOW, 145], size=(60, 60))
    land, weather = Landscape.of(90.0, codes), Weather.of(wind, DRY)
    fires: list[Spread] = []
    for memory in (1 << 30, 0):
        monkeypatch.setattr(spreading, "MEMORY", memory)
        fires.append(spread(land, weather, Ignition.at([(30, 30)]), 1200.0))
    wide, narrow = fires
    assert wide.arrival.tobytes() == narrow.arrival.tobytes()
    assert wide.intensity.tobytes() == narrow.intensity.tobytes()
    assert np.nanmax(wide.arrival) > 600


def test_water_is_not_crossed_and_a_bridge_is() -> None:
    codes = everywhere(GRASS, 61)
    codes[:, 40] = WATER
    assert not grown(codes, Wind(6.0, 0.0), 600.0).burnt(600.0)[:, 40:].any()
    codes[5, 40] = GRASS
    bridged = grown(codes, Wind(6.0, 0.0), 600.0)
    assert bridged.burnt(600.0)[30, 50]
    assert bridged.arrival[30, 41] > bridged.arrival[5, 41]


@pytest.mark.parametrize("directions", [8, 16, 32, 80])
@pytest.mark.parametrize("falls", [True, False])
def test_a_river_of_cells_that_touch_at_corners_is_not_crossed(
    directions: int, falls: bool
) -> None:
    """A barrier one cell wide, drawn diagonally: rays pass neither through it nor between its corners."""
    codes = everywhere(GRASS, 41)
    for n in range(41):
        codes[n, n if falls else 40 - n] = WATER
    fire = grown(codes, Wind(0, 0), 2000.0, place=(30, 20), directions=directions)
    rows, columns = np.mgrid[0:41, 0:41]
    beyond = columns > rows if falls else columns + rows < 40
    assert not fire.burnt(2000.0)[beyond].any()
    assert fire.burnt(2000.0).sum() > 400


def test_a_narrow_strip_of_slow_fuel_holds_a_fire_up() -> None:
    """Long rays do not leap over what they cross."""
    codes = everywhere(GRASS, 61)
    free = grown(codes, Wind(6.0, 0.0), 900.0)
    codes[:, 40] = SLOW
    held = grown(codes, Wind(6.0, 0.0), 900.0)
    assert held.arrival[30, 45] > free.arrival[30, 45] + 5


def test_the_wind_of_each_hour_counts_in_that_hour() -> None:
    """East for an hour, then west: the fire goes east first and comes no farther then."""
    wind = Wind(np.array([6.0, -6.0]), np.array([0.0, 0.0]))
    land, began = Landscape.of(30.0, everywhere(GRASS, 301)), Ignition.at([(150, 150)])
    fire = spread(land, Weather.of(wind, DRY, 20.0), began, 40.0)
    first = grown(everywhere(GRASS, 301), Wind(6.0, 0.0), 20.0)
    np.testing.assert_array_equal(fire.burnt(19.9), first.burnt(19.9))
    _, columns = np.nonzero(fire.burnt(40.0))
    _, before = np.nonzero(fire.burnt(20.0))
    assert columns.max() - before.max() < (before.max() - 150) / 3
    assert before.min() - columns.min() > (before.max() - 150) / 2


def test_a_wet_hour_stops_a_fire_until_it_has_passed() -> None:
    wet = Moisture(
        *(np.array([dry, 0.4, dry]) for dry in DRY[:3]), *(np.full(3, v) for v in DRY[3:])
    )
    land = Landscape.of(30.0, everywhere(GRASS, 201))
    weather = Weather.of(Wind(np.full(3, 2.0), np.zeros(3)), wet, 30.0)
    fire = spread(land, weather, Ignition.at([(100, 100)]), 90.0)
    assert fire.area(59.9) == pytest.approx(fire.area(30.0), rel=0.05)
    assert fire.area(90.0) > 1.5 * fire.area(59.9)


def test_weather_differs_from_place_to_place() -> None:
    wind = Wind(np.array([[[0.0, 6.0]]]), np.zeros((1, 1, 2)))
    land = Landscape.of(30.0, everywhere(GRASS, 101))
    both = Ignition.at([(50, 20), (50, 70)])
    fire = spread(land, Weather.of(wind, DRY, 15.0), both, 15.0)
    assert fire.burnt(15.0)[:, 50:].sum() > 3 * fire.burnt(15.0)[:, :50].sum()


def test_fire_climbs_faster_than_it_descends_and_maps_show_metres_of_map() -> None:
    fire = grown(everywhere(GRASS, 101), Wind(0, 0), 240.0, slope=0.6, aspect=180.0)
    rows, _ = np.nonzero(fire.burnt(240.0))
    assert 50 - rows.min() > 1.5 * (rows.max() - 50)
    along_ground = float(behaviour(GRASS, DRY, Wind(0, 0), Ground(0.6, 180.0)).towards(180.0))
    assert abs(rows.max() - 50 - along_ground * 240 / np.hypot(1, 0.6) / 30) <= 1


def test_an_existing_fire_goes_on_from_its_edge() -> None:
    burning = np.zeros((101, 101), bool)
    burning[40:60, 40:60] = True
    land = Landscape.of(30.0, everywhere(GRASS, 101))
    fire = spread(land, Weather.of(Wind(3.0, 0.0), DRY), Ignition.of_mask(burning), HOUR)
    assert (fire.arrival[burning] == 0).all()
    assert fire.burnt(HOUR)[50, 60:].sum() > fire.burnt(HOUR)[50, :40].sum() > 0


def test_what_begins_later_burns_later() -> None:
    land, weather = Landscape.of(30.0, everywhere(GRASS, 61)), Weather.of(Wind(4.0, 0), DRY)
    fire = spread(land, weather, Ignition.of([(10, 10, 0.0), (50, 50, 30.0)]), HOUR)
    assert fire.arrival[10, 10] == 0
    assert fire.arrival[50, 50] == 30
    assert fire.burnt(HOUR)[:30, :30].sum() > fire.burnt(HOUR)[30:, 30:].sum()


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 8), st.floats(0, 360))
def test_arrival_follows_from_neighbours_in_any_landscape(
    seed: int, speed: float, azimuth: float
) -> None:
    """Every burnt cell but the first has a burnt cell nearby that burnt sooner, and none that does not burn is reached."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([GRASS, SLOW, 145, WATER], size=(40, 40), p=[0.5, 0.2, 0.2, 0.1])
    codes[20, 20] = GRASS
    slope, aspect = rng.uniform(0, 0.8, codes.shape), rng.uniform(0, 360, codes.shape)
    fire = grown(codes, Wind.out_of(azimuth, speed), 300.0, slope=slope, aspect=aspect)
    assert np.isnan(fire.arrival[codes == WATER]).all()
    padded = np.pad(np.nan_to_num(fire.arrival, nan=np.inf), 3, constant_values=np.inf)
    near = np.lib.stride_tricks.sliding_window_view(padded, (7, 7)).min(axis=(2, 3))
    later = np.isfinite(fire.arrival) & (fire.arrival > 0)
    assert (near[later] < fire.arrival[later]).all()
    assert (np.isfinite(fire.intensity) == np.isfinite(fire.arrival)).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_a_turned_landscape_burns_turned(seed: int, quarters: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.choice([GRASS, SLOW, WATER], size=(41, 41), p=[0.6, 0.3, 0.1])
    codes[20, 20] = GRASS
    one = grown(codes, Wind.out_of(20, 3.0), 240.0)
    other = grown(np.rot90(codes, quarters).copy(), Wind.out_of(20 - 90 * quarters, 3.0), 240.0)
    np.testing.assert_allclose(np.rot90(one.arrival, quarters), other.arrival, rtol=1e-3, atol=0.01)


def test_what_cannot_be_computed_is_refused() -> None:
    """R142: a missing value is an error, never calm air."""
    land, weather = Landscape.of(30.0, everywhere(GRASS, 11)), Weather.of(Wind(1.0, 0), DRY)
    began = Ignition.at([(5, 5)])
    with pytest.raises(BadInput, match="without a value"):
        Weather.of(Wind(np.array([1.0, np.nan]), 0.0), DRY)
    with pytest.raises(BadInput, match="lasts 60 minutes"):
        spread(land, weather, began, 61.0)
    with pytest.raises(BadInput, match="outside"):
        spread(land, weather, Ignition.at([(11, 0)]), 10.0)
    with pytest.raises(BadInput, match="nothing burns"):
        spread(Landscape.of(30.0, everywhere(WATER, 11)), weather, began, 10.0)
    with pytest.raises(BadInput, match="directions"):
        spread(land, weather, began, 10.0, directions=7)
    with pytest.raises(BadInput, match="not percent"):
        Weather.of(Wind(1.0, 0), Moisture(6.0, 7.0, 8.0, 60.0, 90.0))
    with pytest.raises(BadInput, match="slope"):
        Landscape.of(30.0, everywhere(GRASS, 11), slope=np.full((11, 11), np.nan))


def test_values_are_not_written_into() -> None:
    fire = grown(everywhere(GRASS, 11), Wind(0, 0), 10.0)
    for array in (fire.arrival, fire.intensity, Landscape.of(30.0, everywhere(GRASS, 3)).codes):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_neither_the_jobs_nor_the_web_app_import_the_compiler() -> None:
    """It brings LLVM and takes a second: only a task that computes a fire pays that."""
    code = (
        "import sys, pkgutil, jobs, importlib, triggers.http.app\n"
        "import services.fire.spread, services.fire.ensemble, services.fire.checks\n"
        "for each in pkgutil.iter_modules(jobs.__path__): importlib.import_module('jobs.' + each.name)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('numba', 'llvmlite')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
