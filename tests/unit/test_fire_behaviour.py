"""Rothermel's equations against FlamMap, against another implementation, and against what must hold of any fire."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from services.fire import fuel_models, stencil
from services.fire.rothermel import Behaviour, Ground, Moisture, Wind, behaviour, wind_adjustment

DRY = Moisture(0.06, 0.07, 0.08, 0.6, 0.9)
CHAINS_PER_HOUR = 20.1168 / 60
STANDARD = sorted(fuel_models.MODELS)


def errors(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Median, 95th percentile and greatest, in percent."""
    off = np.abs(ours - theirs) / theirs * 100
    return float(np.median(off)), float(np.percentile(off, 95)), float(off.max())


@cache
def oracle(path: Path) -> Any:
    return np.genfromtxt(
        path / "data" / "fire" / "oracle_surface_dev.csv", delimiter=",", names=True
    )


def as_ours(rows: Any) -> Behaviour:
    dead = [rows[f"fuel_moisture_dead_{lag}hr"] for lag in (1, 10, 100)]
    live = [rows[f"fuel_moisture_live_{kind}"] for kind in ("herbaceous", "woody")]
    ground = Ground(rows["slope"], rows["aspect"], rows["canopy_cover"], rows["canopy_height"])
    wind = Wind.out_of(rows["upwind_direction"], rows["wind_speed_10m"] / 3.6)
    return behaviour(rows["fuel_model"].astype(int), Moisture(*dead, *live), wind, ground)


def test_a_landscape_burns_as_flammap_says(shared: Path) -> None:
    """220,000 surface cells of Vermont, all slopes and aspects, no wind."""

    def read(name: str) -> np.ndarray:
        with rasterio.open(shared / "data" / "fire" / "flammap_vermont" / name) as dataset:
            return dataset.read(1)

    codes, aspect = read("inputs/LC22_F40_230.tif").astype(int), read("inputs/LC20_Asp_220.tif")
    expected = read("expected/ROS_ch_hr.tif")
    burns = np.isin(codes, STANDARD) & (read("expected/fire_type.tif") == 1) & (expected > 0)
    slope = np.where(aspect < 0, 0, read("inputs/LC20_SlpP_220.tif") / 100)[burns]
    ground = Ground(slope, aspect[burns])
    found = behaviour(codes[burns], Moisture(0.06, 0.08, 0.1, 0.75, 0.6), Wind(0, 0), ground)
    median, most, worst = errors(found.rate, expected[burns] * CHAINS_PER_HOUR)
    assert burns.sum() > 200_000
    assert (median <= 2, most <= 4, worst <= 6) == (True, True, True), (median, most, worst)
    flames = errors(found.flame_length, read("expected/FL_ft.tif")[burns] * 0.3048)
    assert flames[1] <= 2
    uphill = np.degrees(read("expected/max_spread_direction_radians.tif"))[burns]
    turned = np.abs((found.azimuth - uphill + 180) % 360 - 180)
    assert np.percentile(turned[slope > 0.02], 95) < 0.1


@pytest.mark.parametrize(
    ("slopes", "allowed"), [((0.0, 0.0), 1.0), ((0.001, 0.5), 6.0)], ids=["flat", "gentle slopes"]
)
def test_another_implementation_agrees(
    shared: Path, slopes: tuple[float, float], allowed: float
) -> None:
    rows = oracle(shared)
    spreads = (rows["fire_type"] == 1) & (rows["head_spread_rate_m_min"] > 1e-3)
    here = rows[spreads & (rows["slope"] >= slopes[0]) & (rows["slope"] <= slopes[1])]
    assert here.size > 800
    found = as_ours(here)
    assert errors(found.rate, here["head_spread_rate_m_min"])[1] <= allowed
    assert errors(found.flame_length, here["flame_length_m"])[1] <= allowed


def test_slopes_without_wind_agree(shared: Path) -> None:
    rows = oracle(shared)
    still = (rows["wind_speed_10m"] == 0) & (rows["slope"] > 0) & (rows["fire_type"] == 1)
    here = rows[still & (rows["head_spread_rate_m_min"] > 1e-3)]
    assert errors(as_ours(here).rate, here["head_spread_rate_m_min"])[1] <= 0.3


def test_the_whole_ellipse_agrees_and_not_only_its_head(shared: Path) -> None:
    """The other one tells how fast a straight front moves; that is the ellipse's support."""
    rows = oracle(shared)
    here = rows[(rows["slope"] == 0) & (rows["head_spread_rate_m_min"] > 1e-3)]
    found = as_ours(here)
    head, back = found.rate, found.towards(found.azimuth + 180)
    half, shift = (head + back) / 2, (head - back) / 2
    for azimuth in (0, 90, 180, 270):
        turned = np.radians(azimuth - found.azimuth)
        wide = half / found.length_to_width
        front = shift * np.cos(turned) + np.hypot(half * np.cos(turned), wide * np.sin(turned))
        assert errors(front, here[f"rate_toward_{azimuth}"])[1] <= 1


def test_nothing_burns_where_the_other_says_so(shared: Path) -> None:
    rows = oracle(shared)
    assert as_ours(rows[rows["fire_type"] == 0]).rate.max() < 1e-3


speeds = st.floats(0, 25)
azimuths = st.floats(0, 360)
models = st.sampled_from(STANDARD)


@settings(max_examples=60)
@given(models, speeds, st.floats(0.1, 10), azimuths)
def test_more_wind_never_slows_a_head(code: int, speed: float, more: float, azimuth: float) -> None:
    calm = behaviour(code, DRY, Wind.out_of(azimuth, speed))
    windy = behaviour(code, DRY, Wind.out_of(azimuth, speed + more))
    assert windy.rate >= calm.rate - 1e-9
    assert windy.length_to_width >= calm.length_to_width - 1e-9


@settings(max_examples=60)
@given(models, speeds, azimuths, st.floats(0, 1.5), azimuths)
def test_turning_everything_turns_the_fire(
    code: int, speed: float, azimuth: float, slope: float, turn: float
) -> None:
    one = behaviour(code, DRY, Wind.out_of(azimuth, speed), Ground(slope, 70.0))
    other = behaviour(code, DRY, Wind.out_of(azimuth + turn, speed), Ground(slope, 70.0 + turn))
    assert other.rate == pytest.approx(one.rate, rel=1e-6)
    if one.eccentricity > 0.05:
        turned = (other.azimuth - one.azimuth - turn + 180) % 360 - 180
        assert abs(turned) < 0.1


@settings(max_examples=60)
@given(models, st.floats(0.01, 0.5), st.floats(0.001, 0.2), speeds)
def test_wetter_dead_fuel_never_burns_faster(
    code: int, wet: float, wetter: float, speed: float
) -> None:
    dry, damp = (
        behaviour(code, Moisture(m, m, m, 0.8, 0.9), Wind(speed, 0.0)) for m in (wet, wet + wetter)
    )
    assert damp.rate <= dry.rate + 1e-9


@settings(max_examples=40)
@given(models, speeds, azimuths, azimuths)
def test_no_direction_is_faster_than_the_head(
    code: int, speed: float, azimuth: float, towards: float
) -> None:
    found = behaviour(code, DRY, Wind.out_of(azimuth, speed))
    assert 0 <= found.towards(towards) <= found.rate + 1e-9


def test_wind_comes_out_of_where_people_say_it_does() -> None:
    assert float(behaviour(102, DRY, Wind.out_of(270, 5.0)).azimuth) == pytest.approx(90)


def test_fire_without_wind_climbs() -> None:
    assert float(
        behaviour(102, DRY, Wind(0, 0), Ground(0.4, aspect=180.0)).azimuth
    ) == pytest.approx(0)


def test_what_is_no_fuel_does_not_burn() -> None:
    barriers = np.array([*fuel_models.Barrier])
    assert (behaviour(barriers, DRY, Wind(10.0, 0.0)).rate == 0).all()


@pytest.mark.parametrize("codes", [np.array([14]), np.array([102.0]), np.array([300])])
def test_unknown_fuel_is_refused(codes: np.ndarray) -> None:
    with pytest.raises(BadInput):
        behaviour(codes, DRY, Wind(0, 0))


def test_trees_take_the_wind() -> None:
    open_, under = wind_adjustment(
        np.array([102, 102]), np.array([0.0, 0.8]), np.array([0.0, 20.0])
    )
    assert under < open_ / 2


def test_there_are_53_fuel_models() -> None:
    assert len(fuel_models.ANDERSON) == 13
    assert len(fuel_models.SCOTT_BURGAN) == 40
    assert len(fuel_models.MODELS) == 53


@pytest.mark.parametrize("directions", stencil.REACHES)
def test_rays_cross_their_cells_whole(directions: int) -> None:
    found = stencil.rays(directions)
    assert len(found) == directions
    for ray in found:
        assert ray.crossed[0][0] == (0, 0)
        assert ray.crossed[-1][0] == ray.end
        assert sum(share for _, share in ray.crossed) == pytest.approx(1)
