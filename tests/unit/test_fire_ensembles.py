"""What comes out of a fire: ensembles, probabilities, outlines, and the checks of every result."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from services.fire import ensemble, tally
from services.fire.checks import Check, Outcome, findings
from services.fire.ensemble import Uncertainty, member
from services.fire.isochrones import isochrones, outline
from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Moisture, Wind
from services.fire.spread import Spread, spread
from services.fire.tally import Forecast, Tally, pack, unpack

DRY = Moisture(0.06, 0.07, 0.08, 0.6, 0.9)
SIZE = 81
BEGAN = Ignition.at([(40, 40)])
HORIZONS = (30.0, 60.0, 90.0)


def land(**ground: object) -> Landscape:
    return Landscape.of(30.0, np.full((SIZE, SIZE), 102), **ground)  # type: ignore[arg-type]


def air(east: float = 4.0, north: float = 0.0, hours: int = 2) -> Weather:
    return Weather.of(Wind(np.full(hours, east), np.full(hours, north)), DRY)


def burning(number: int, seed: int = 7) -> Spread:
    return ensemble.run(land(), air(), BEGAN, 90.0, seed=seed, number=number)


def forecast_of(fires: list[Spread]) -> Forecast:
    total = Tally.of((SIZE, SIZE), HORIZONS)
    for fire in fires:
        total.add(fire)
    return total.forecast()


def test_a_member_is_the_same_whoever_asks_and_no_other_is_like_it() -> None:
    later = [pack(burning(number)) for number in (3, 2, 1)]
    first = [pack(burning(number)) for number in (1, 2, 3)]
    assert later[::-1] == first
    assert len({*first, pack(burning(1, seed=8))}) == 4


def test_the_first_member_is_undisturbed() -> None:
    plain = spread(land(), air(), BEGAN, 90.0)
    assert pack(burning(0)) == pack(plain)


def test_what_does_not_burn_stays_so_in_every_member_and_fuel_stays_in_its_family() -> None:
    codes = np.full((64, 64), 104)
    codes[:, 30] = 98
    for number in range(1, 6):
        found = member(
            Landscape.of(30.0, codes), air(), 1, number, Uncertainty(fuel=0.5)
        ).landscape.codes
        assert (found[:, 30] == 98).all()
        assert {*np.unique(found)} <= {98, 103, 104, 105}
        assert (found != codes).any()


def test_no_uncertainty_is_no_difference() -> None:
    sure = Uncertainty(0, 0, 0, 0, 0)
    one = ensemble.run(land(), air(), BEGAN, 90.0, seed=1, number=5, unsure=sure)
    np.testing.assert_allclose(one.arrival, burning(0).arrival, rtol=1e-5)


def test_probabilities_and_percentiles_are_those_of_the_members() -> None:
    fires = [burning(number) for number in range(9)]
    told, arrival = forecast_of(fires), np.stack([fire.arrival for fire in fires])
    for horizon in HORIZONS:
        np.testing.assert_allclose(
            told.probability[horizon], (arrival <= horizon).mean(axis=0), atol=1e-6
        )
    sooner, later = told.probability[30.0], told.probability[90.0]
    assert (sooner <= later).all()
    all_reach = np.isfinite(arrival).all(axis=0)
    middle = np.sort(np.nan_to_num(arrival, nan=np.inf), axis=0)[4]
    width = np.diff(Tally.of((1, 1), HORIZONS).edges).max()
    assert np.abs(told.arrival[50] - middle)[all_reach].max() <= width
    np.testing.assert_allclose(
        told.mean_arrival[all_reach], arrival.mean(axis=0)[all_reach], rtol=1e-4
    )
    assert np.isnan(told.arrival[90][later < 0.9]).all()


@settings(max_examples=10)
@given(st.permutations(range(6)), st.integers(1, 5))
def test_members_may_be_added_up_in_any_order_and_in_parts(order: list[int], cut: int) -> None:
    whole = forecast_of([MEMBERS[n] for n in range(6)])
    parts = [Tally.of((SIZE, SIZE), HORIZONS) for _ in range(2)]
    for place, number in enumerate(order):
        parts[place >= cut].add(unpack(PACKED[number]))
    parts[1].merge(parts[0])
    joined = parts[1].forecast()
    assert joined.members == 6
    np.testing.assert_array_equal(joined.probability[60.0], whole.probability[60.0])
    np.testing.assert_allclose(joined.mean_arrival, whole.mean_arrival, rtol=1e-5)


def even(fire: Spread) -> Spread:
    return unpack(pack(fire))


MEMBERS: list[Spread] = []
PACKED: list[bytes] = []


@pytest.fixture(scope="module", autouse=True)
def some_members() -> None:
    MEMBERS.extend(even(burning(number)) for number in range(6))
    PACKED.extend(pack(fire) for fire in MEMBERS)


def test_a_packed_fire_is_small_and_comes_back() -> None:
    fire = burning(1)
    back = unpack(pack(fire))
    assert len(pack(fire)) < fire.arrival.nbytes / 3
    assert np.nanmax(np.abs(back.arrival - fire.arrival)) <= 0.11
    assert (np.isnan(back.arrival) == np.isnan(fire.arrival)).all()
    np.testing.assert_array_equal(back.intensity, fire.intensity)
    assert (back.until, back.cell) == (fire.until, fire.cell)


def test_a_tally_refuses_strangers_and_more_than_it_holds() -> None:
    small = Tally.of((SIZE, SIZE), HORIZONS, most=1)
    small.add(MEMBERS[0])
    with pytest.raises(BadInput, match="more members"):
        small.add(MEMBERS[1])
    with pytest.raises(BadInput, match="landscape"):
        Tally.of((5, 5), HORIZONS).add(MEMBERS[0])
    with pytest.raises(BadInput, match="ends before"):
        Tally.of((SIZE, SIZE), (120.0,)).add(MEMBERS[0])
    with pytest.raises(BadInput, match="without members"):
        Tally.of((5, 5), HORIZONS).forecast()
    assert tally.BINS >= 24


def test_isochrones_are_valid_nested_and_of_the_area_that_burns() -> None:
    fire = burning(2)
    place = Affine(30.0, 0, 500_000.0, 0, -30.0, 4_200_000.0)
    drawn = isochrones(fire.arrival, HORIZONS, place, "EPSG:32610", 30.0)["features"]
    assert [each["properties"]["minutes"] for each in drawn] == [90.0, 60.0, 30.0]
    shapes = [shapely.geometry.shape(each["geometry"]) for each in drawn]
    assert all(shape.is_valid for shape in shapes)
    for larger, smaller in pairwise(shapes):
        assert smaller.difference(larger).area < 1e-10
    assert drawn[0]["properties"]["area_ha"] == pytest.approx(fire.area(90.0), abs=0.01)


def test_an_island_is_a_hole_and_rings_turn_as_geojson_wants() -> None:
    burnt = np.ones((9, 9), bool)
    burnt[3:5, 3:5] = False
    burnt[6, 6] = burnt[7, 7] = False
    drawn = shapely.geometry.shape(outline(burnt, Affine(0.1, 0, 10, 0, -0.1, 50), "EPSG:4326"))
    assert drawn.is_valid
    assert len(drawn.interiors) == 3
    assert drawn.exterior.is_ccw
    assert not any(ring.is_ccw for ring in drawn.interiors)
    assert drawn.area == pytest.approx(75 * 0.01)


@pytest.mark.parametrize(
    ("place", "crs"),
    [
        (Affine(0.1, 0, 179.5, 0, -0.1, -16), "EPSG:4326"),
        (Affine(10_000, 0, 800_000.0, 0, -10_000, 8_200_000.0), "EPSG:32760"),
    ],
)
def test_an_outline_across_the_180th_meridian_is_cut_there(place: Affine, crs: str) -> None:
    """R147."""
    drawn = shapely.geometry.shape(outline(np.ones((10, 10), bool), place, crs))
    west, _, east, _ = drawn.bounds
    assert (west, east) == (-180.0, 180.0)
    assert drawn.geom_type == "MultiPolygon"
    assert drawn.is_valid
    assert all(part.bounds[2] - part.bounds[0] < 2 for part in drawn.geoms)


def looked(fire: Spread, ground: Landscape, weather: Weather) -> dict[Check, Outcome]:
    found = findings(fire, HORIZONS, ground, weather, BEGAN)
    assert [each.check for each in found] == list(Check)
    return {each.check: each.outcome for each in found}


@pytest.mark.parametrize("azimuth", [0, 45, 135, 270])
def test_a_fire_in_the_wind_passes_all_checks_that_apply(azimuth: int) -> None:
    weather = Weather.of(Wind.out_of(np.full(2, azimuth), 4.0), DRY)
    told = looked(spread(land(), weather, BEGAN, 90.0), land(), weather)
    assert told.pop(Check.UPSLOPE) is Outcome.NOT_APPLICABLE
    assert {*told.values()} == {Outcome.PASSED}


def test_a_fire_on_a_slope_is_seen_to_climb() -> None:
    steep = land(slope=0.7, aspect=90.0)
    still = air(0.0)
    told = looked(spread(steep, still, BEGAN, 90.0), steep, still)
    assert told[Check.UPSLOPE] is Outcome.PASSED
    assert told[Check.DOWNWIND] is Outcome.NOT_APPLICABLE
    wrong = looked(spread(land(slope=0.7, aspect=270.0), still, BEGAN, 90.0), steep, still)
    assert wrong[Check.UPSLOPE] is Outcome.FAILED


@pytest.mark.parametrize(
    ("east", "north", "downwind", "upslope"),
    [
        (4.0, 0.0, "not_applicable", "not_applicable"),  # too light to decide on steep ground
        (-4.0, 0.0, "not_applicable", "passed"),
        (-7.0, 0.0, "passed", "passed"),
        (-0.5, 7.0, "passed", "not_applicable"),  # along the slope
        (7.0, 0.0, "not_applicable", "not_applicable"),  # down it, and may lose
        (14.0, 0.0, "passed", "not_applicable"),  # down it, and wins
    ],
)
def test_where_wind_and_slope_decide_is_asked_only_where_they_can(
    east: float, north: float, downwind: str, upslope: str
) -> None:
    ground, weather = land(slope=0.7, aspect=90.0), air(east, north)  # it rises to the west
    told = looked(spread(ground, weather, BEGAN, 90.0), ground, weather)
    assert (told[Check.DOWNWIND], told[Check.UPSLOPE]) == (downwind, upslope)
    assert told[Check.ELONGATED] is Outcome.PASSED  # so it is large enough to be asked


def test_a_fire_of_few_cells_grows_but_has_no_direction() -> None:
    weather = air(3.0)
    ended = next(m for m in range(1, 90) if spread(land(), weather, BEGAN, m).burnt(m).sum() > 12)
    fire = spread(land(), weather, BEGAN, ended)
    found = findings(fire, (ended / 2, ended), land(), weather, BEGAN)
    told = {each.check: each.outcome for each in found}
    assert told[Check.GROWS] is Outcome.PASSED
    assert told[Check.DOWNWIND] is told[Check.ELONGATED] is Outcome.NOT_APPLICABLE


def test_a_fire_against_the_wind_is_found_out() -> None:
    told = looked(spread(land(), air(-4.0), BEGAN, 90.0), land(), air(4.0))
    assert told[Check.DOWNWIND] is Outcome.FAILED


def test_a_fire_that_reaches_the_edge_or_stops_or_never_starts_is_told_of() -> None:
    fast = air(12.0)
    assert looked(spread(land(), fast, BEGAN, 90.0), land(), fast)[Check.INSIDE] is Outcome.FAILED
    wall = np.full((SIZE, SIZE), 98)
    wall[36:45, 36:45] = 102
    stopped = Landscape.of(30.0, wall)
    long = air(12.0, hours=20)
    ended = spread(stopped, long, BEGAN, 1200.0)
    found = findings(ended, (900.0, 1200.0), stopped, long, BEGAN)
    assert next(each for each in found if each.check is Check.GROWS).outcome is Outcome.FAILED
    island = np.full((SIZE, SIZE), 98)
    island[40, 40] = 102
    alone = Landscape.of(30.0, island)
    told = looked(spread(alone, fast, BEGAN, 90.0), alone, fast)
    assert told[Check.NOT_EMPTY] is Outcome.FAILED
