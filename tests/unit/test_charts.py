"""Charts are drawn to scale, and what was little still shows."""

from datetime import UTC, datetime, timedelta

from core.insights.history import History, HistorySlice
from triggers.pages.charts import Shown, chart, strip
from triggers.pages.history import as_csv

END = datetime(2026, 3, 2, 10, 20, tzinfo=UTC)
TOP = datetime(2026, 3, 2, 10, tzinfo=UTC)


def told(*slices: HistorySlice) -> History:
    return History(
        begin=END - timedelta(days=1),
        end=END,
        slice_seconds=3600,
        whole=True,
        slices=list(slices),
        types=[],
        reasons=[],
    )


def ended(hours_ago: int, job_type: str = "a", **counts: int) -> HistorySlice:
    return HistorySlice(begin=TOP - timedelta(hours=hours_ago), job_type=job_type, **counts)


def test_there_is_a_column_for_every_slice_also_the_empty_ones() -> None:
    drawn = chart(told(ended(3, completed=1)), Shown.JOBS)
    assert len(drawn.columns) == 25
    assert [n for n, column in enumerate(drawn.columns) if column.parts] == [21]
    assert drawn.columns[-1].begin == TOP
    assert drawn.columns[-1].x + drawn.columns[-1].width <= drawn.width


def test_columns_are_as_high_as_they_are_many_and_types_add_up() -> None:
    drawn = chart(
        told(ended(2, completed=6), ended(2, "b", completed=2, failed=2), ended(0, completed=5)),
        Shown.JOBS,
    )
    tall, low = drawn.columns[22], drawn.columns[24]
    assert (tall.number, tall.failed, drawn.most, drawn.total) == (10, 2, 10, 15)
    assert [part.kind for part in tall.parts] == ["ok", "bad"]
    assert sum(part.height for part in tall.parts) == drawn.height
    assert tall.parts[-1].top == 0
    assert low.parts[0].height == drawn.height / 2


def test_one_failure_among_many_jobs_can_be_seen() -> None:
    drawn = chart(told(ended(1, completed=100_000, failed=1)), Shown.JOBS)
    assert drawn.columns[23].parts[-1].height >= 1.5


def test_what_came_in_lies_below_what_went_out() -> None:
    drawn = chart(told(ended(1, bytes_in=3_000, bytes_out=1_000)), Shown.BYTES)
    assert drawn.total == 4_000
    assert [(part.kind, part.height) for part in drawn.columns[23].parts] == [
        ("in", drawn.height * 0.75),
        ("out", drawn.height * 0.25),
    ]


def test_a_strip_shows_its_type_alone() -> None:
    drawn = strip(told(ended(1, completed=1), ended(1, "b", failed=4)), "b")
    assert (drawn.total, drawn.failed) == (4, 4)


def test_the_numbers_are_a_table_that_no_spreadsheet_runs() -> None:
    lines = as_csv(told(ended(1, '=cmd|"x"', completed=2, tasks=7))).splitlines()
    assert lines[0] == "begin,job_type,completed,failed,cancelled,tasks,bytes_in,bytes_out"
    assert lines[1] == '2026-03-02T09:00:00Z,"\'=cmd|""x""",2,0,0,7,0,0'
