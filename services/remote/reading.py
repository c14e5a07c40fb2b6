"""One tile of one mirror: its head, then the blocks of a window in as few requests as they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from core.errors import BadInput
from core.internet import Told
from services.raster.source import opened
from services.remote.kept import Block, Head, Kept
from services.remote.mirrors import Failed, Mirrors
from services.remote.products import Grid, Mirror, Window
from services.remote.sparse import Missing, Sparse
from services.storage.single_flight import Turn

HEAD = 32 << 10
LARGEST_HEAD = 2 << 20
GAP = 64 << 10
"""Bytes that cost less than a request beside others."""
LARGEST = 4 << 20
"""What one request brings at most, unless a single block is larger."""
LINES = 8
TRIES = 4
NEAR = 1e-9
"""Degrees by which a grid may be off: what is left of it in a file."""
Pieces = dict[Block, bytes]


class Changed(Exception):
    """What is kept of a file does not fit it, or is damaged."""


class Run(NamedTuple):
    """Blocks that lie together."""

    start: int
    length: int
    blocks: tuple[Block, ...]


class Reading:
    """Reads what is kept."""

    def __init__(self, kept: Kept, mirror: Mirror, grid: Grid) -> None:
        self.kept, self.mirror, self.grid = kept, mirror, grid
        self.lines = ThreadPoolExecutor(LINES, "tile")

    def at_hand(self, head: Head, window: Window) -> NDArray[Any]:
        """Raises Missing where something is not kept."""
        with self.lines:
            return self._of(head, window)

    def _of(self, head: Head, window: Window) -> NDArray[Any]:
        file, blocks = Sparse(head.size), list[Block]()
        file.add(0, head.data)
        old, new = Pieces(), Pieces()
        try:
            with opened(file, self.kept.tile) as dataset:
                self._refuse_other_grid(dataset)
                blocks += [b for b in _blocks(dataset, window) if not file.holds(b.start, b.length)]
                old = self._old(head, blocks)
                new = self._new(head, [block for block in blocks if block not in old])
                for block, data in {**old, **new}.items():
                    file.add(block.start, data)
                values = _values(dataset, window)
        except BadInput as error:
            self.kept.forget(self.mirror.name, head, blocks)
            if old:
                raise Changed from error
            raise Failed(f"{self.mirror.name}: {error}") from error
        self._keep(head, new)
        return values

    def _old(self, head: Head, blocks: Sequence[Block]) -> Pieces:
        found = self.lines.map(lambda block: self.kept.block(self.mirror.name, head, block), blocks)
        return {block: data for block, data in zip(blocks, found, strict=True) if data is not None}

    def _new(self, head: Head, blocks: Sequence[Block]) -> Pieces:
        if blocks:
            raise Missing(blocks[0].start)
        return {}

    def _keep(self, head: Head, pieces: Pieces) -> None:
        """Only what was decoded, so damage is not kept."""
        name = self.mirror.name
        keep = self.kept.keep_block
        list(self.lines.map(lambda each: keep(name, head, each[0], each[1]), pieces.items()))

    def _refuse_other_grid(self, dataset: DatasetReader) -> None:
        grid, found = self.grid, dataset.transform
        size = (dataset.width, dataset.height) == (grid.width, grid.height)
        place = abs(found.c - grid.west) < NEAR and abs(found.f - grid.north) < NEAR
        cells = abs(found.a - grid.wide) < NEAR and abs(found.e + grid.high) < NEAR
        if not (size and place and cells and dataset.count == 1):
            raise BadInput(f"{self.kept.tile} lies on another grid than its name says")


class Fetching(Reading):
    """Reads what is kept, and fetches the rest."""

    def __init__(
        self, kept: Kept, mirror: Mirror, grid: Grid, mirrors: Mirrors, turn: Turn
    ) -> None:
        super().__init__(kept, mirror, grid)
        self.mirrors, self.turn = mirrors, turn

    def run(self, tile: str, window: Window) -> NDArray[Any]:
        """Raises Failed, or Absent."""
        with self.lines:
            for _ in range(TRIES):
                head = self.kept.head(self.mirror.name) or self._head(HEAD)
                try:
                    return self._of(head, window)
                except Missing:
                    self._head(4 * len(head.data))
                except Changed:
                    self.kept.forget(self.mirror.name, head)
        raise Failed(f"{self.mirror.name}: {tile} changes as it is read")

    def _head(self, length: int) -> Head:
        if length > LARGEST_HEAD:
            raise Failed(f"{self.mirror.name}: {self.kept.tile} does not begin as such files do")
        told = self.mirrors.read(self.mirror, self.kept.tile, 0, length, may_end=True)
        size = told.headers.get("content-range", "").rpartition("/")[2]
        if not size.isdigit():
            raise Failed(f"{self.mirror.name}: it does not say how large {self.kept.tile} is")
        head = Head(int(size), told.headers.get("etag", ""), told.body)
        self.kept.keep_head(self.mirror.name, head)
        return head

    def _new(self, head: Head, blocks: Sequence[Block]) -> Pieces:
        found: Pieces = {}
        for each in self.lines.map(lambda run: self._run(head, run), runs(blocks)):
            found |= each
        return found

    def _run(self, head: Head, run: Run) -> Pieces:
        told = self.mirrors.read(self.mirror, self.kept.tile, run.start, run.length)
        if _is_other(told, head):
            raise Changed
        self.turn.go_on()
        return {b: told.body[b.start - run.start :][: b.length] for b in run.blocks}


def runs(blocks: Iterable[Block]) -> list[Run]:
    """The requests for these blocks: neighbours in the file come in one."""
    found: list[Run] = []
    for block in sorted(blocks, key=lambda each: each.start):
        last = found[-1] if found else None
        length = block.start + block.length - last.start if last else 0
        if last and block.start - last.start - last.length <= GAP and length <= LARGEST:
            found[-1] = Run(last.start, length, (*last.blocks, block))
        else:
            found.append(Run(block.start, block.length, (block,)))
    return found


def _is_other(told: Told, head: Head) -> bool:
    size = told.headers.get("content-range", "").rpartition("/")[2]
    return told.headers.get("etag", "") != head.etag or size != str(head.size)


def _blocks(dataset: DatasetReader, window: Window) -> Iterator[Block]:
    """Those that hold cells of the window; a block that the file leaves out is none."""
    high, wide = dataset.block_shapes[0]
    for row in range(window.top // high, (window.bottom - 1) // high + 1):
        for column in range(window.left // wide, (window.right - 1) // wide + 1):
            start = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
            length = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)
            if start and length:
                yield Block(row, column, int(start), int(length))


def _values(dataset: DatasetReader, window: Window) -> NDArray[Any]:
    high, wide = window.bottom - window.top, window.right - window.left
    place = RasterWindow(window.left, window.top, wide, high)  # type: ignore[call-arg]
    return dataset.read(1, window=place)
