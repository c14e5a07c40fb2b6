"""Lists for people: columns that fit the terminal, sizes and ages in few letters."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import typer

COLOURS = {
    "completed": "green",
    "healthy": "green",
    "completed_with_errors": "yellow",
    "degraded": "yellow",
    "paused": "yellow",
    "failed": "red",
    "unhealthy": "red",
    "cancelled": "magenta",
    "processing": "cyan",
}
GAP = "  "
LEAST = 8
"""Letters that a column which gives way keeps."""


@dataclass(frozen=True)
class Column:
    """A column: its head, what stands in it, and whether it gives way when the terminal is narrow."""

    head: str
    value: Callable[[Any], Any]
    gives: bool = False
    right: bool = False


def rows_of(values: Sequence[Any], columns: Sequence[Column], wide: int | None = None) -> list[str]:
    """The lines of a table. Where a terminal shows it, no line is wider; a pipe gets everything."""
    cells = [[text(column.value(value)) for column in columns] for value in values]
    heads = [column.head.upper() for column in columns]
    widths = [max(map(length, column)) for column in zip(heads, *cells, strict=True)]
    room = wide if wide is not None else terminal()
    if room is not None:
        _give_way(widths, columns, room)
    lines = [_line(heads, widths, columns)]
    return lines + [_line(row, widths, columns, coloured=True) for row in cells]


def terminal() -> int | None:
    """How wide the terminal is; None when there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _give_way(widths: list[int], columns: Sequence[Column], room: int) -> None:
    over = sum(widths) + len(GAP) * (len(widths) - 1) - room
    for place in sorted(range(len(widths)), key=lambda n: -widths[n]):
        if over > 0 and columns[place].gives:
            less = min(over, widths[place] - LEAST)
            widths[place] -= max(less, 0)
            over -= max(less, 0)


def _line(
    row: Sequence[str], widths: Sequence[int], columns: Sequence[Column], *, coloured: bool = False
) -> str:
    parts = [
        _cell(cut(value, width), width, right=column.right, coloured=coloured)
        for value, width, column in zip(row, widths, columns, strict=True)
    ]
    return GAP.join(parts).rstrip()


def _cell(value: str, width: int, *, right: bool, coloured: bool) -> str:
    space = " " * (width - length(value))
    shown = typer.style(value, fg=COLOURS[value]) if coloured and value in COLOURS else value
    return space + shown if right else shown + space


def text(value: Any) -> str:
    """A value on one line, with nothing in it that moves a terminal's cursor."""
    match value:
        case None:
            return "-"
        case str():
            shown = value
        case datetime():
            shown = age(value)
        case dict() | list():
            shown = json.dumps(value, ensure_ascii=False)
        case _:
            shown = str(value)
    return "".join(letter if letter.isprintable() else " " for letter in shown)


def cut(value: str, width: int) -> str:
    if length(value) <= width:
        return value
    kept = ""
    for letter in value:
        if length(kept + letter) >= width:
            break
        kept += letter
    return f"{kept}…"


def length(value: str) -> int:
    """Columns on a terminal: some letters take two."""
    if value.isascii():
        return len(value)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in value)
    return len(value) + wide - sum(bool(unicodedata.combining(letter)) for letter in value)


def short(job_id: str) -> str:
    """As much of a job's id as tells it from others."""
    return job_id[:12]


def age(moment: datetime | None) -> str:
    """How long ago, or in how long."""
    if moment is None:
        return "-"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return span(seconds) if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in one or two units: 8s, 5m, 3h, 12d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size or (unit == "m" and seconds >= 100):
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"


def lasted(start: datetime | None, end: datetime | None) -> str:
    if start is None:
        return "-"
    return span(((end or datetime.now(UTC)) - start).total_seconds())


def size(count: float | None) -> str:
    """Bytes as people say them."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def json_of(value: Any) -> str:
    """A document on one line. What a newer server told besides is in it."""
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in cast(list[Any], value)]
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json")


def facts(pairs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Names and values below each other; what is not known is left out."""
    known = [(name, value) for name, value in pairs if value not in (None, "", "-")]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        shown = text(value)
        colour = COLOURS.get(shown)
        yield f"{name:<{width}}  {typer.style(shown, fg=colour) if colour else shown}"
