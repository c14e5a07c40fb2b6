"""Lines over time are drawn to scale; what is missing stays missing."""

from triggers.pages.lines import EDGE, HEIGHT, WIDTH, line

HOURS = [f"2026-11-25T{hour:02}:00:00" for hour in (0, 1, 2, 4)]


def test_a_line_runs_from_the_first_moment_to_the_last_and_from_its_least_to_its_most() -> None:
    drawn = line("Temperature", "K", HOURS, [280.0, 290.0, 285.0, 280.0])
    bottom, middle = HEIGHT - EDGE, HEIGHT / 2
    third = round(EDGE + (WIDTH - 2 * EDGE) / 4, 1)
    assert drawn.path == (
        f"M{EDGE} {bottom}L{third:g} {EDGE}L{WIDTH / 2:g} {middle:g}L{WIDTH - EDGE} {bottom}"
    )
    assert (drawn.least, drawn.most, drawn.dots) == ("280", "290", "")
    assert (drawn.first, drawn.last) == ("2026-11-25 00:00", "2026-11-25 04:00")
    assert drawn.said == "Temperature: from 280 to 290 K."


def test_a_gap_stays_a_gap_and_a_value_between_gaps_is_a_dot() -> None:
    drawn = line("Rain", "mm", HOURS, [1.0, None, float("nan"), 2.0])
    assert drawn.path == ""
    assert drawn.dots.count("h0") == 2
    assert [each.value for each in drawn.moments] == ["1", "", "", "2"]


def test_directions_are_dots_since_they_jump_at_north() -> None:
    drawn = line("Wind from", "degree", HOURS, [350.0, 10.0, 20.0, 30.0])
    assert (drawn.path, drawn.dots.count("M")) == ("", 4)


def test_a_line_without_any_value_says_so() -> None:
    drawn = line("Rain", "mm", HOURS, [None] * 4)
    assert (drawn.path, drawn.most) == ("", "")
    assert drawn.said == "Rain: no value here at any time."
    assert line("Rain", "mm", [], []).moments == []


def test_one_value_and_equal_values_lie_in_the_middle() -> None:
    assert line("t", "K", HOURS[:1], [5.0]).dots == f"M{WIDTH / 2:g} {HEIGHT / 2:g}h0"
    assert line("t", "K", HOURS[:2], [5.0, 5.0]).path.count(f" {HEIGHT / 2:g}") == 2


def test_calendars_that_nobody_else_knows_are_drawn_too() -> None:
    days = ["2001-02-29T00:00:00", "2001-02-30T00:00:00", "2001-03-01T00:00:00"]
    assert line("t", "K", days, [1.0, 2.0, 3.0]).path.count("L") == 2
    assert line("t", "K", ["0000-01-01T00:00:00", days[0]], [1.0, 2.0]).path.count("L") == 1
