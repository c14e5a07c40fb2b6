"""A collection's extent holds all its items, also across the 180th meridian, and its summaries what they say."""

import pytest

from core.errors import BadInput
from core.extents import UNKNOWN, grow
from tests.support.stac import collection, item


def grown(*boxes: tuple[float, float, float, float]) -> list[float]:
    found = collection()
    for n, box in enumerate(boxes):
        found = grow(found, [item(str(n), box=box)])
    return found["extent"]["spatial"]["bbox"][0]


@pytest.mark.parametrize(
    ("boxes", "whole"),
    [
        ([(0, 0, 1, 1), (2, -1, 3, 0.5)], [0, -1, 3, 1]),
        ([(0, 0, 9, 9), (2, 2, 3, 3)], [0, 0, 9, 9]),
        ([(170, 0, 179, 1), (-179, 0, -170, 1)], [170, 0, -170, 1]),
        ([(170, 0, -170, 1), (160, 0, 165, 1)], [160, 0, -170, 1]),
        ([(170, 0, -170, 1), (-175, 0, -160, 1)], [170, 0, -160, 1]),
        ([(-180, 0, 0, 1), (0, 0, 180, 1)], [-180, 0, 180, 1]),
        ([(-180, -9, 180, 9), (170, 0, -170, 10)], [-180, -9, 180, 10]),
        ([(-100, 0, 10, 1), (0, 0, 170, 1), (100, 0, -90, 1)], [-180, 0, 180, 1]),
    ],
)
def test_the_box_holds_both(boxes: list, whole: list) -> None:
    assert grown(*boxes) == whole


def test_a_box_with_heights_counts_without_them() -> None:
    tall = {**item("a"), "bbox": [1, 2, 100, 3, 4, 900]}
    assert grow(collection(), [tall])["extent"]["spatial"]["bbox"] == [[1, 2, 3, 4]]


def test_what_was_said_of_a_collection_does_not_shrink() -> None:
    planned = {
        "spatial": {"bbox": [[20, -10, 40, 10], [20, -10, 30, 10]]},
        "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
    }
    assert grow(collection(extent=planned), [item("a")])["extent"] == planned


def test_without_items_nothing_changes() -> None:
    assert grow(collection(), [])["extent"] == UNKNOWN
    assert "summaries" not in grow(collection(), [item("a")])


def test_growing_twice_is_growing_once() -> None:
    items = [item("a", gsd=10, platform="s2"), item("b", box=(170, 0, -170, 1), platform="l8")]
    once = grow(collection(), items)
    assert grow(once, items) == once
    assert once["summaries"] == {"platform": ["l8", "s2"], "gsd": {"minimum": 10, "maximum": 10}}


@pytest.mark.parametrize(
    "times",
    [
        {"moment": None},
        {"moment": "yesterday"},
        {"moment": None, "start_datetime": "2020-01-01T00:00:00Z"},
        {
            "moment": None,
            "start_datetime": "2021-01-01T00:00:00Z",
            "end_datetime": "2020-01-01T00:00:00Z",
        },
    ],
)
def test_an_item_without_a_time_is_refused(times: dict) -> None:
    """R81."""
    with pytest.raises(BadInput, match="item 'a'"):
        grow(collection(), [item("a", **times)])
