"""What goes into a fire: moisture from the air, fuel from land cover, places to begin, detections from space."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from services.fire import fuels, ignitions, moisture
from services.fire.denoise import Reason, Rules, Verdict, denoise
from services.fire.detections import Confidence, Detection, Sensor, Source, parse
from services.fire.fuel_models import Barrier, is_known
from services.fire.fuels import LandCover
from services.fire.landscape import Ignition, Landscape

VIIRS = (
    "latitude,longitude,bright_ti4,scan,track,acq_date,acq_time,satellite,instrument,confidence,"
    "version,bright_ti5,frp,daynight,type\n"
)
ROW = "38.5,-122.6,330.1,0.4,0.4,2017-10-09,50,N,VIIRS,n,2.0NRT,290.1,12.5,N,0\n"


@given(st.floats(-20, 45), st.floats(5, 94))
def test_damper_air_never_makes_fuel_drier(temperature: float, humidity: float) -> None:
    low, high = (moisture.equilibrium(temperature, h) for h in (humidity, humidity + 5))
    assert (
        0.01 <= low <= high + 0.012 <= moisture.WET + 0.012
    )  # the published parts meet with a step


def test_thick_fuel_follows_the_air_later() -> None:
    humidity = np.concatenate([np.full(48, 80.0), np.full(48, 15.0)])
    one, ten, hundred = moisture.dead(np.full(96, 25.0), humidity)
    assert one[60] < ten[60] < hundred[60]
    assert one[60] == pytest.approx(float(moisture.equilibrium(25.0, 15.0)), rel=0.01)


def test_rain_wets_what_dry_air_would_not() -> None:
    rain = np.array([0.0] * 6 + [2.0] * 6 + [0.0] * 12)
    one, ten, _ = moisture.dead(np.full(24, 25.0), np.full(24, 20.0), rain)
    assert one[11] > 0.3
    assert ten[11] > ten[5]
    assert one[23] < 0.06


def test_each_place_of_a_grid_has_its_own_moisture() -> None:
    humidity = np.full((24, 2, 3), 20.0)
    humidity[:, 1] = 90.0
    one, _, _ = moisture.dead(np.full((24, 2, 3), 20.0), humidity)
    assert one.shape == (24, 2, 3)
    assert (one[:, 1] > one[:, 0]).all()


@pytest.mark.parametrize(
    ("temperature", "humidity"), [(np.nan, 20.0), (300.0, 20.0), (20.0, np.nan), (20.0, -1.0)]
)
def test_missing_or_wrong_air_is_refused(temperature: float, humidity: float) -> None:
    """R142: a gap is an error, and kelvins are not degrees Celsius."""
    with pytest.raises(BadInput):
        moisture.dead(np.array([20.0, temperature]), np.array([20.0, humidity]))


def test_live_fuel_is_green_in_the_early_summer_of_either_half_of_the_earth() -> None:
    assert moisture.live(45, 160).herbs > moisture.live(45, 340).herbs
    assert moisture.live(-35, 340).herbs > moisture.live(-35, 160).herbs
    assert moisture.live(0, 160) == moisture.live(0, 340)
    assert moisture.live(45, 160).source == "season"


@pytest.mark.parametrize("legend", [each for each in LandCover if each is not LandCover.FUEL])
def test_every_class_has_a_fuel_that_exists(legend: LandCover) -> None:
    assert all(is_known(code) for code in fuels.CROSSWALKS[legend].values())
    assert Barrier.WATER in fuels.CROSSWALKS[legend].values()


def test_land_cover_becomes_fuel_and_what_is_unknown_is_told() -> None:
    classes = np.array([[10, 30], [80, 77]], np.uint8)
    found = fuels.from_cover(classes, LandCover.WORLDCOVER)
    assert found.codes.tolist() == [[161, 102], [98, fuels.DEFAULT]]
    assert found.assumed == 0.25
    assert found.warnings == (f"1 cells of the unknown class 77 got fuel model {fuels.DEFAULT}",)
    assert not found.is_fallback
    overruled = fuels.from_cover(classes, LandCover.WORLDCOVER, instead={30: 104})
    assert overruled.codes[0, 1] == 104


def test_fuel_codes_are_taken_as_they_are_and_checked() -> None:
    found = fuels.from_cover(np.array([[102, 32767]], np.int16), LandCover.FUEL, nodata=32767)
    assert found.codes.tolist() == [[102, fuels.DEFAULT]]
    assert found.warnings == (f"1 cells of no class got fuel model {fuels.DEFAULT}",)
    with pytest.raises(BadInput, match="no fuel model"):
        fuels.from_cover(np.array([[10]]), LandCover.WORLDCOVER, default=14)


def test_no_land_cover_at_all_is_a_flagged_fallback() -> None:
    found = fuels.assumed((2, 3))
    assert found.is_fallback
    assert found.source == "default"
    assert "assumed everywhere" in found.warnings[0]


def test_a_place_on_water_moves_to_the_nearest_fuel_and_is_told_of() -> None:
    codes = np.full((20, 20), 98)
    codes[:, 8:] = 102
    land = Landscape.of(30.0, codes)
    found, told = ignitions.settled(land, Ignition.at([(5, 5), (5, 9)]))
    assert found.columns.tolist() == [8, 9]
    assert told == ["cell 5, 5 does not burn; 5, 8 begins instead"]
    with pytest.raises(BadInput, match="nothing burns"):
        ignitions.settled(land, Ignition.at([(5, 0)]))
    with pytest.raises(BadInput, match="outside"):
        ignitions.settled(land, Ignition.at([(5, 20)]))


def test_outlines_lines_and_points_become_cells() -> None:
    place = Affine(10.0, 0, 0, 0, -10.0, 100.0)
    assert ignitions.within([shapely.box(20, 20, 50, 60)], (10, 10), place).sum() >= 12
    assert ignitions.within([shapely.Point(15, 15)], (10, 10), place).sum() == 1
    assert ignitions.within([shapely.LineString([(5, 5), (95, 5)])], (10, 10), place).sum() == 10


def test_a_day_of_modis_is_read_whole(shared: Path) -> None:
    text = (shared / "data" / "fire" / "world_fires_1_day.csv").read_text()
    found = parse(text)
    assert (len(found.detections), found.skipped) == (3125, 0)
    assert {each.sensor for each in found.detections} == {Sensor.MODIS}
    verdicts = denoise(found.detections)
    kept = [each for each in verdicts if not each.is_noise]
    assert 0.7 < len(kept) / len(verdicts) < 1
    assert any(Reason.ISOLATED in each.reasons for each in verdicts)


def test_viirs_is_read_and_bad_rows_are_told() -> None:
    bad = [
        ROW.replace("38.5,", "98.5,"), ROW.replace("2017-10-09", "09/10/2017"),
        ROW.replace(",n,", ",x,"), ROW.replace("38.5,", "none,"), "1,2,3\n",
    ]  # fmt: skip
    found = parse("\ufeff" + VIIRS + ROW + "".join(bad))
    (one,) = found.detections
    assert (one.sensor, one.confidence, one.source) == (
        Sensor.VIIRS, Confidence.NOMINAL, Source.VEGETATION,
    )  # fmt: skip
    assert (one.seen.hour, one.seen.minute, one.is_day) == (0, 50, False)
    assert [row.line for row in found.bad] == [3, 4, 5, 6, 7]
    assert found.skipped == 5
    assert found.bad[3].reason == "latitude is no number: 'none'"


@pytest.mark.parametrize("text", ["", "Invalid MAP_KEY.", "a,b\n1,2\n"])
def test_what_is_no_table_of_detections_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no detections of FIRMS"):
        parse(text)


def seen(lon: float, lat: float, days: float = 0.0, **more: object) -> Detection:
    (one,) = parse(VIIRS + ROW).detections
    moved = {"longitude": lon, "latitude": lat, "seen": one.seen + timedelta(days=days)}
    return one.model_copy(update=moved | more)


def judged(*detections: Detection, **context: object) -> list[Verdict]:
    return denoise(detections, **context)  # type: ignore[arg-type]


def test_two_fires_side_by_side_across_the_180th_meridian_are_not_alone() -> None:
    """R147."""
    verdicts = judged(seen(179.999, 10.0), seen(-179.999, 10.0), seen(20.0, 10.0))
    assert [each.reasons for each in verdicts] == [(), (), (Reason.ISOLATED,)]
    assert not verdicts[2].is_noise  # one mild reason passes


def test_two_mild_reasons_are_noise_and_a_strong_fire_may_be_alone() -> None:
    weak, strong = judged(
        seen(20, 10, confidence=Confidence.LOW), seen(30, 10, power=Rules().strong)
    )
    assert weak.is_noise
    assert weak.denoised_score == 0.42
    assert strong.reasons == ()


def test_heat_that_returns_for_weeks_is_no_wildfire_and_a_week_of_fire_is() -> None:
    history = [seen(20.0, 10.0, days=-day) for day in range(1, 29, 4)]
    flare, *_ = judged(seen(20.0, 10.0), seen(20.001, 10.0), history=history)
    assert flare.is_noise
    assert Reason.PERSISTENT in flare.reasons
    week = [seen(20.0, 10.0, days=-day) for day in range(1, 8)]
    assert not judged(seen(20.0, 10.0), seen(20.001, 10.0), history=week)[0].is_noise


def test_water_known_sources_and_volcanoes_are_noise() -> None:
    pair = seen(20.0, 10.0), seen(20.001, 10.0)
    assert judged(*pair, cover=lambda lon, lat: 80)[0].reasons == (Reason.WATER,)
    assert judged(*pair, sources=[(20.005, 10.0)])[0].is_noise
    volcano = judged(seen(20.0, 10.0, source=Source.VOLCANO), pair[1])[0]
    assert (volcano.is_noise, volcano.denoised_score) == (True, 0.0)


def test_no_detections_are_no_verdicts() -> None:
    assert denoise([]) == []
