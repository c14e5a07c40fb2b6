"""Which bytes to ask for: messages that lie together share a request, where that is cheaper than another one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.weather.idx import Entry

GAP = 16 << 10
"""Bytes that cost less than a request beside others: so much may lie unused between two messages."""
WASTE = 0.02
"""The share of bytes nobody asked for, at most."""
SMALL = 256 << 10
"""Below this a request takes as long as its round trip, so a request of its own gains nothing."""
LARGEST = 24 << 20
"""What one request brings at most, unless a single message is larger."""


class Range(NamedTuple):
    """Bytes of a file, and the messages in them. `length` is None up to the end of the file."""

    offset: int
    length: int | None
    entries: tuple[Entry, ...]

    @property
    def end(self) -> int | None:
        return None if self.length is None else self.offset + self.length


def plan(wanted: Iterable[Entry], lines: int = 1) -> list[Range]:
    """The requests for these messages; at most `lines` are made at once.

    What lies together is asked for together. Where lines would stay idle, large messages go apart
    again: two connections bring two of them sooner than one does.
    """
    single = _by_message(wanted)
    ranges = _joined(single, GAP, LARGEST)
    if len(ranges) >= lines:
        return ranges
    return _joined(single, GAP, SMALL)


def _by_message(wanted: Iterable[Entry]) -> list[Range]:
    """One range per message: fields that share one are in it together."""
    found: dict[int, list[Entry]] = {}
    for entry in dict.fromkeys(wanted):
        found.setdefault(entry.offset, []).append(entry)
    return [Range(at, entries[0].length, tuple(entries)) for at, entries in sorted(found.items())]


def _joined(ranges: list[Range], gap: int, largest: int) -> list[Range]:
    spare = WASTE * sum(each.length or 0 for each in ranges)
    joined: list[Range] = []
    for each in ranges:
        last = joined[-1] if joined else None
        between = None if last is None or last.end is None else each.offset - last.end
        if last is None or between is None or not 0 <= between <= min(gap, spare):
            joined.append(each)
            continue
        whole = None if each.length is None else each.offset + each.length - last.offset
        if whole is None or whole > largest:  # an open end stays alone: its length is not known
            joined.append(each)
            continue
        spare -= between
        joined[-1] = Range(last.offset, whole, last.entries + each.entries)
    return joined
