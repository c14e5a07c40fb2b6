"""Windows of remote tiles: the head is read once, then the blocks that a window takes, and nothing of them twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

from core.blobs import Blobs
from core.internet import Internet
from services.remote.kept import Kept
from services.remote.mirrors import Absent, Failed, Mirrors
from services.remote.products import Grid, Mirror, Product, TilesFailed, Window
from services.remote.reading import Changed, Fetching, Reading
from services.remote.sparse import Missing
from services.storage import single_flight
from services.storage.single_flight import Turn

T = TypeVar("T")


def _believe(tile: str) -> None: ...


def _never() -> bool:
    return False


class Tiles:
    """The tiles of one product, as a task reads them."""

    def __init__(
        self,
        product: Product,
        blobs: Blobs,
        internet: Internet,
        container: str,
        check: Callable[[], None] = lambda: None,
        doubt: Callable[[str], None] = _believe,
    ) -> None:
        """`doubt` is told of every tile that no mirror has, before that is kept; it may raise."""
        self.doubt = doubt
        self.product, self.blobs, self.container, self.check = product, blobs, container, check
        self.mirrors = Mirrors(product, internet, check)
        self._absent: set[str] = set()

    def has(self, tile: str) -> bool:
        """Whether a mirror has it; nothing of it is kept."""
        return self._first(tile, lambda mirror: self.mirrors.has(mirror, tile))

    def window(self, tile: str, grid: Grid, window: Window) -> NDArray[Any] | None:
        """The cells of a window, and None of a tile that does not exist."""
        if tile in self._absent:
            return None
        kept = Kept(self.blobs, self.container, self.product.name, tile)
        found = self._at_hand(kept, grid, window)
        if found is None and not self._known_absent(kept, tile):
            mine = single_flight.claim(self.blobs, kept.ref("claim"), _never, self.check)
            assert mine is not None
            turn = kept.turn(mine)
            try:
                found = self._fetched(kept, grid, window, tile, turn)
            finally:
                turn.end()
        return found

    def _known_absent(self, kept: Kept, tile: str) -> bool:
        if kept.is_absent():
            self._absent.add(tile)
        return tile in self._absent

    def _at_hand(self, kept: Kept, grid: Grid, window: Window) -> NDArray[Any] | None:
        """Of what is kept alone."""
        for mirror in self.product.mirrors:
            head = kept.head(mirror.name)
            if head is not None:
                try:
                    return Reading(kept, mirror, grid).at_hand(head, window)
                except (Missing, Failed, Changed):
                    continue
        return None

    def _fetched(
        self, kept: Kept, grid: Grid, window: Window, tile: str, turn: Turn
    ) -> NDArray[Any] | None:
        if self._known_absent(kept, tile):
            return None

        def read(mirror: Mirror) -> NDArray[Any]:
            return Fetching(kept, mirror, grid, self.mirrors, turn).run(tile, window)

        try:
            return self._first(tile, read)
        except Absent:
            self.doubt(tile)
            kept.keep_absent()
            self._absent.add(tile)
            return None

    def _first(self, tile: str, read: Callable[[Mirror], T]) -> T:
        """What the first mirror says that can help."""
        failures: list[str] = []
        for mirror in self.product.mirrors:
            try:
                return read(mirror)
            except Failed as failure:
                failures.append(str(failure))
        raise TilesFailed(f"{self.product.name} {tile} could not be read: {'; '.join(failures)}")
