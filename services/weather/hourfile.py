"""One file of a forecast, wherever it is: its inventory, and the fields that a place needs of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.blobs import BlobInfo
from core.errors import CoreMachineError
from core.imports import one_at_a_time
from services.geo.gridspec import GridSpec
from services.weather import ranges
from services.weather.cache import Cache
from services.weather.grib import BadGrib, checked
from services.weather.idx import Entry, Inventory, parse
from services.weather.models import Model, Source
from services.weather.native import NativeGrid, Window
from services.weather.regrid import Weights, weights
from services.weather.sources import Failed, NotPublished, Read, SourceFailed, Sources, Trouble
from services.weather.wants import Want, entry, told

if TYPE_CHECKING:
    from services.weather.decode import Field

BLOCK = 64
"""Decoded pieces are so many rows and columns: a second place nearby needs the same few."""
MOST_BLOCKS = 16
"""A place that needs more of them is cut from whole messages."""
Floats = NDArray[np.float32]


class Cut(NamedTuple):
    """The fields around a place, on the model's points, and how to come from those to the grid."""

    grid: NativeGrid
    weights: Weights
    values: Mapping[Want, Floats]


class Pools(NamedTuple):
    """Threads that wait for the network, and threads that write to the cache behind them."""

    lines: Executor
    behind: Executor
    width: int
    """How many requests of one file go side by side."""

    @classmethod
    def of(cls, lines: int, files: int) -> Pools:
        width = max(1, lines // max(1, min(files, lines)))
        found = cls(
            ThreadPoolExecutor(lines, "weather-line"), ThreadPoolExecutor(4, "weather-cache"), width
        )
        found.behind.submit(_ready)
        return found

    def close(self) -> None:
        """Waits for what is still to be kept."""
        self.lines.shutdown(cancel_futures=True)
        self.behind.shutdown()


class HourFile:
    """The file of one forecast hour."""

    def __init__(
        self,
        sources: Sources,
        cache: Cache,
        cycle: datetime,
        hour: int,
        pools: Pools,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.sources, self.cache, self.cycle, self.hour = sources, cache, cycle, hour
        self.pools, self.check = pools, check
        self.troubles: list[Trouble] = []
        self.read_from = ""
        """The source whose bytes were taken; empty while the cache had everything."""
        self._read: Read | None = None

    @property
    def model(self) -> Model:
        return self.sources.model

    def inventory(self) -> Inventory:
        """Kept, or of the first source that has one. NotPublished when no source has; SourceFailed when none works."""
        if self._read is None:
            self._read = self._kept() or self._first()
        return self._read.inventory

    def refuse_missing(self, wants: Iterable[Want]) -> None:
        """NotPublished, with the names of what the inventory lacks."""
        self._entries(self.inventory(), wants)

    def take(self, wanted: Iterable[Want], spec: GridSpec) -> Cut:
        """The fields, from the cache or from the first source that sends them whole."""
        wants = list(dict.fromkeys(wanted))
        entries = self._entries(self.inventory(), wants)
        found = self._from_pieces(entries, spec)
        if found is not None:
            return found
        kept = self._from_messages(entries, spec, wants)
        missing = [want for want in wants if want not in kept]
        if missing:
            kept |= self._fetched(missing, spec)
        return self._cut(kept, wants)

    def _kept(self) -> Read | None:
        text = self.cache.index()
        if text is None:
            return None
        name, _, lines = text.partition("\n")
        source = next((each for each in self.model.sources if each.name == name), None)
        return None if source is None else Read(source, _parsed(lines), lines)

    def _first(self) -> Read:
        failures: list[Failed] = []
        for found in self.sources.inventories(self.cycle, self.hour):
            if isinstance(found, Read):
                self.troubles += [failure.trouble for failure in failures]
                self.pools.behind.submit(self.cache.keep_index, found.source.name, found.text)
                return found
            failures.append(found)
        raise _none(self.model, self.cycle, self.hour, failures)

    def _entries(self, inventory: Inventory, wants: Iterable[Want]) -> dict[Want, Entry]:
        found = {want: entry(self.model, inventory, want) for want in wants}
        missing = [told(self.model, want) for want, each in found.items() if each is None]
        if missing:
            raise NotPublished(
                f"{self.model.name} {self.cycle:%Y-%m-%d %H}z f{self.hour:03d} has no {', '.join(missing)}"
            )
        return {want: each for want, each in found.items() if each is not None}

    # -- from the cache

    def _from_pieces(self, entries: Mapping[Want, Entry], spec: GridSpec) -> Cut | None:
        grid = self.cache.grid()
        if grid is None:
            return None
        how = weights(grid, spec)
        blocks = list(_blocks(how.window, grid))
        if len(blocks) > MOST_BLOCKS:
            return None
        asked = [(want, block) for want in entries for block in blocks]

        def read(each: tuple[Want, tuple[int, int]]) -> Floats | None:
            return self.cache.piece(entries[each[0]].key, _name(each[1]))

        pieces = dict(zip(asked, self.pools.lines.map(read, asked), strict=True))
        if any(piece is None for piece in pieces.values()):
            return None
        values = {
            want: _assembled({b: pieces[want, b] for b in blocks}, how.window, grid)
            for want in entries
        }
        return Cut(grid, how, values)

    def _from_messages(
        self, entries: Mapping[Want, Entry], spec: GridSpec, wants: list[Want]
    ) -> dict[Want, _Taken]:
        """Those whose messages are kept."""

        def read(want: Want) -> _Taken | None:
            data = self.cache.message(entries[want].key)
            return None if data is None else self._taken(want, entries[want], data, spec)

        found = zip(wants, self.pools.lines.map(read, wants), strict=True)
        return {want: taken for want, taken in found if taken is not None}

    # -- from a source

    def _fetched(self, wants: list[Want], spec: GridSpec) -> dict[Want, _Taken]:
        """One process fetches; others wait, and find the messages in the cache."""
        entries = self._entries(self.inventory(), wants)

        def there() -> bool:
            return all(self.cache.has_message(each.key) for each in entries.values())

        claim = self.cache.claim(there, self.check)
        if claim is None:
            return self._from_messages(entries, spec, wants)
        keeping: list[Future[None]] = []
        try:
            return self._from_sources(wants, spec, keeping)
        finally:
            self.pools.behind.submit(self._settle, keeping, claim)

    def _settle(self, keeping: list[Future[None]], claim: BlobInfo) -> None:
        for each in keeping:
            each.exception()
        self.cache.release(claim)

    def _from_sources(
        self, wants: list[Want], spec: GridSpec, keeping: list[Future[None]]
    ) -> dict[Want, _Taken]:
        """The inventory at hand first. One that does not fit its file is forgotten, and asked for anew."""
        failures: list[Failed] = []
        for read in self._reads(failures):
            try:
                entries = self._entries(read.inventory, wants)
                taken = self._transfer(read.source, entries, spec, keeping)
            except (Failed, BadGrib, NotPublished) as error:
                known = isinstance(error, Failed)
                failures.append(error if known else Failed(read.source, str(error)))
                self.cache.forget_index()
                continue
            self.troubles += [failure.trouble for failure in failures]
            self.read_from = read.source.name
            if read is not self._read:
                self._read = read
                self.cache.keep_index(read.source.name, read.text)
            return taken
        raise _none(self.model, self.cycle, self.hour, failures)

    def _reads(self, failures: list[Failed]) -> Iterator[Read]:
        if self._read is not None:
            yield self._read
        for found in self.sources.inventories(self.cycle, self.hour):
            if isinstance(found, Failed):
                failures.append(found)
            else:
                yield found

    def _transfer(
        self,
        source: Source,
        entries: Mapping[Want, Entry],
        spec: GridSpec,
        keeping: list[Future[None]],
    ) -> dict[Want, _Taken]:
        by_entry: dict[Entry, list[Want]] = {}
        for want, each in entries.items():
            by_entry.setdefault(each, []).append(want)

        def bring(asked: ranges.Range) -> dict[Want, _Taken]:
            data = self.sources.bytes_of(source, self.cycle, self.hour, asked)
            found: dict[Want, _Taken] = {}
            for each in asked.entries:
                start = each.offset - asked.offset
                end = len(data) if each.length is None else start + each.length
                message = checked(data[start:end])
                for want in by_entry[each]:
                    found[want] = self._taken(want, each, message, spec)
                keeping.append(self.pools.behind.submit(self.cache.keep_message, each.key, message))
            return found

        planned = ranges.plan(by_entry, self.pools.width)
        brought = [self.pools.lines.submit(bring, asked) for asked in planned]
        try:
            return {want: taken for each in brought for want, taken in each.result().items()}
        finally:
            for each in brought:
                each.cancel()

    def _taken(self, want: Want, of: Entry, message: bytes, spec: GridSpec) -> _Taken:
        """Decoded, proved to be what it should, and cut at once, so that no whole field is kept."""
        with one_at_a_time:
            from services.weather.decode import decode  # noqa: PLC0415 - eccodes is slow to load

        field = decode(message, of.part)
        self._prove(field, want)
        how = weights(field.grid, spec)
        for block in _few(how.window, field.grid):
            piece = _block(field.values, block)
            self.pools.behind.submit(self.cache.keep_piece, of.key, _name(block), piece)
        self.pools.behind.submit(self.cache.keep_grid, field.grid)
        return _Taken(field.grid, how, field.grid.cut(field.values, how.window))

    def _prove(self, field: Field, want: Want) -> None:
        """An inventory that is newer than its file names other messages than lie there."""
        message, said = self.model.messages[want.raw], field.said
        same = said.cycle == self.cycle and said.minutes == want.span.end
        named = message.code is None or said.code in (None, message.code)
        high = message.height is None or said.level == (103, message.height)
        if not (same and named and high):
            raise BadGrib(f"where {told(self.model, want)} should be lies another message: {said}")

    def _cut(self, taken: Mapping[Want, _Taken], wants: list[Want]) -> Cut:
        first = taken[wants[0]]
        for each in taken.values():
            if each.grid != first.grid:
                raise BadGrib(f"{self.model.name} f{self.hour:03d} has messages on several grids")
        return Cut(first.grid, first.weights, {want: taken[want].values for want in wants})


def _ready() -> None:
    """eccodes loads its tables while the first inventory is on its way."""
    with one_at_a_time:
        from services.weather.decode import load  # noqa: PLC0415 - eccodes is slow to load

    load()


class _Taken(NamedTuple):
    grid: NativeGrid
    weights: Weights
    values: Floats


def _none(model: Model, cycle: datetime, hour: int, failures: list[Failed]) -> CoreMachineError:
    what = f"{model.name} {cycle:%Y-%m-%d %H}z f{hour:03d}"
    why = "; ".join(dict.fromkeys(str(failure.trouble) for failure in failures))
    if failures and all(failure.absent for failure in failures):
        return NotPublished(f"{what} is not published ({why})")
    return SourceFailed(f"no source of {what} could be read ({why})")


@lru_cache(maxsize=64)
def _parsed(text: str) -> Inventory:
    return parse(text)


def _blocks(window: Window, grid: NativeGrid) -> Iterator[tuple[int, int]]:
    """The blocks that a window touches; around the earth they begin anew."""
    rows = range(window.row // BLOCK, (window.row + window.rows - 1) // BLOCK + 1)
    columns = np.arange(window.column, window.column + window.columns) % grid.columns
    for row in rows:
        for column in dict.fromkeys((columns // BLOCK).tolist()):
            yield row, column


def _few(window: Window, grid: NativeGrid) -> list[tuple[int, int]]:
    blocks = list(_blocks(window, grid))
    return blocks if len(blocks) <= MOST_BLOCKS else []


def _block(values: NDArray[np.float64], block: tuple[int, int]) -> Floats:
    row, column = block[0] * BLOCK, block[1] * BLOCK
    return np.ascontiguousarray(
        values[row : row + BLOCK, column : column + BLOCK], dtype=np.float32
    )


def _assembled(
    pieces: Mapping[tuple[int, int], Floats | None], window: Window, grid: NativeGrid
) -> Floats:
    found = np.empty((window.rows, window.columns), np.float32)
    rows = np.arange(window.row, window.row + window.rows)
    columns = np.arange(window.column, window.column + window.columns) % grid.columns
    for (row, column), piece in pieces.items():
        assert piece is not None
        down, aside = (
            np.flatnonzero(rows // BLOCK == row),
            np.flatnonzero(columns // BLOCK == column),
        )
        found[np.ix_(down, aside)] = piece[np.ix_(rows[down] % BLOCK, columns[aside] % BLOCK)]
    return found


def _name(block: tuple[int, int]) -> str:
    return f"{block[0]}-{block[1]}"
