"""What pictures rest on: things that are kept for a while, and searches in a box."""

from collections.abc import Callable
from itertools import count

import pytest

from core.errors import BadInput
from services.tiles import colors, searched
from services.tiles.kept import Kept

MAKE: Callable[[], int] = count().__next__


def test_what_is_kept_is_made_once() -> None:
    kept: Kept[str, int] = Kept(seconds=60, most=10)
    assert kept.get("a", MAKE) == kept.get("a", MAKE)
    assert kept.get("a", MAKE) != kept.get("b", MAKE)


def test_what_is_old_is_made_again() -> None:
    kept: Kept[str, int] = Kept(seconds=0, most=10)
    assert kept.get("a", MAKE) != kept.get("a", MAKE)


def test_when_there_are_too_many_the_oldest_goes() -> None:
    kept: Kept[str, int] = Kept(seconds=60, most=2)
    first = [kept.get(key, MAKE) for key in "abc"]
    assert [kept.get(key, MAKE) for key in "bc"] == first[1:]
    assert kept.get("a", MAKE) != first[0]


def test_what_cannot_be_made_is_not_kept() -> None:
    kept: Kept[str, float] = Kept(seconds=60, most=2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 / 0)
    assert kept.get("a", MAKE) is not None


def test_a_search_is_narrowed_to_what_both_boxes_have() -> None:
    query = {"collections": ["a"], "bbox": [0, 0, 50, 10, 10, 90]}
    assert searched.narrowed(query, (5, 5, 20, 20)) == {**query, "bbox": [5, 5, 10, 10]}
    assert searched.narrowed(query, (11, 5, 20, 20)) is None


def test_a_box_across_the_180th_meridian_spans_all_longitudes() -> None:
    assert searched.around([(170, -10, -170, 10), (0, 0, 1, 20)]) == (-180, -10, 180, 20)
    assert searched.around([]) == searched.WORLD


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"1": "#00f", "-2": [1, 2, 3]}', {1: (0, 0, 255, 255), -2: (1, 2, 3, 255)}),
        ('{"1": "#01020304"}', {1: (1, 2, 3, 4)}),
        ('[[[0, 1.5], "#0a0b0c"]]', [((0, 1.5), (10, 11, 12, 255))]),
    ],
)
def test_colours_are_read_in_every_form(text: str, found: object) -> None:
    assert colors.given(text) == found


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"a": "#00f"}', '{"1": "blue"}', '{"1": [1, 2]}']
)
def test_what_is_no_colour_map_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="colormap is JSON like"):
        colors.given(text)
