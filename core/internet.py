"""The internet as tasks see it: places that this installation's own data name, read with a guard, limits and patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from core.errors import BadInput


def _go_on() -> None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What to read: all of a place, or `length` bytes of it from `start` (to its end without a length)."""

    url: str
    start: int | None = None
    length: int | None = None
    may_end: bool = False
    """Whether the file may be shorter than that: then what there is will do."""
    limit: int = 64 << 20
    """More bytes than this are not taken."""
    enough: Callable[[bytes], int | None] | None = None
    """Told how an answer of unknown length begins, says how many bytes of it are wanted."""
    check: Callable[[], None] = _go_on
    """Called between pieces; it may raise."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a place answered. The body is whole where the status is 200 or 206."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Reader(Protocol):
    """Raises UrlRefused, Unreachable, or Wrong when the answer is not what was asked for."""

    def read(self, ask: Ask) -> Told: ...
    def close(self) -> None:
        """Let go of connections that are kept."""
        ...


class NoReader:
    """For handlers called by hand: says what is missing when the internet is touched."""

    def read(self, ask: Ask) -> Told:
        raise BadInput("this Context has no internet; pass options={Internet: Internet(reader)}")

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Internet:
    """A task asks its context for it: `ctx.option(Internet)`."""

    reader: Reader = field(default_factory=NoReader)
    stand_in: str = ""
    """A server that answers for every place, at `{stand_in}/{host}/{path}`; for demonstrations and tests."""

    def read(self, ask: Ask) -> Told:
        if not self.stand_in:
            return self.reader.read(ask)
        parts = urlsplit(ask.url)
        query = f"?{parts.query}" if parts.query else ""
        url = f"{self.stand_in}/{parts.netloc}{parts.path}{query}"
        return self.reader.read(replace(ask, url=url))
