"""What is wanted of a file, exactly, and where its inventory has it."""

from __future__ import annotations

from typing import NamedTuple

from services.weather.idx import Entry, Inventory, Kind, Span
from services.weather.models import Model, Raw


class Want(NamedTuple):
    """A field of a moment, or a sum over a time."""

    raw: Raw
    span: Span

    @property
    def hour(self) -> int:
        """Of the file that holds it."""
        return self.span.end // 60


def instant(raw: Raw, hour: int) -> Want:
    return Want(raw, Span(hour * 60, hour * 60))


def entry(model: Model, inventory: Inventory, want: Want) -> Entry | None:
    """The message, if the inventory has it."""
    wanted = model.messages[want.raw].match
    if wanted.kind is Kind.INSTANT:
        return inventory.instant(wanted, want.span.end)
    return inventory.ending(wanted, want.span.end).get(want.span)


def sums(model: Model, inventory: Inventory, hour: int) -> list[Span]:
    """The sums of rain that a file holds, by what they span."""
    return list(inventory.ending(model.messages[Raw.RAIN].match, hour * 60))


def told(model: Model, want: Want) -> str:
    """For people."""
    wanted = model.messages[want.raw].match
    start, end = want.span
    when = (
        f"{end // 60} hour"
        if start == end
        else f"{start // 60}-{end // 60} hour {wanted.kind.value}"
    )
    return f"{wanted.variable}:{wanted.level}:{when}"
