"""What a task is called with: its own element, and the values of the stages it reads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from core.errors import BadResult
from core.ports import RunRow, Store
from core.results import Results
from core.stages import AnyStage, Shape, is_lazy
from core.tasks import Claim
from core.values import Values

PAGE = 5_000
KEPT_BYTES = 32 * 1024 * 1024


class Inputs:
    """Reads stage values from the store. Values that many tasks share are kept for a while, as JSON."""

    def __init__(self, store: Store, values: Values) -> None:
        self.store = store
        self.values = values
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def arguments(self, run: RunRow, claim: Claim, stage: AnyStage) -> list[Any]:
        """The handler's arguments after ctx."""
        reads = run.plan[claim.key.stage].reads
        if stage.element is None:
            return [
                self._value(run, n, source, lazy=is_lazy(want))
                for n, source, want in zip(reads, stage.sources, stage.inputs, strict=True)
            ]
        element = stage.element.validate_json(self.values.unpack(claim.arguments))
        shared = zip(reads[1:], stage.sources[1:], strict=True) if stage.each is None else ()
        return [element, *(self._value(run, n, source) for n, source in shared)]

    def sources(self, run: RunRow, stage: AnyStage, reads: tuple[int, ...]) -> list[Any]:
        """The whole value of every source, for `each` and `when`."""
        return [self._value(run, n, source) for n, source in zip(reads, stage.sources, strict=True)]

    def _value(self, run: RunRow, number: int, source: AnyStage, *, lazy: bool = False) -> Any:
        home = run.plan[number].home(run.run)
        if lazy:
            return self._results(home, number, source)
        return source.value_adapter.validate_json(self._json(home, number, source))

    def _results(self, run: int, number: int, source: AnyStage) -> Results[Any]:
        adapter: TypeAdapter[Any] = source.adapter
        return Results(
            self.store.counts(run, number).completed,
            lambda: (adapter.validate_json(data) for data in self._rows(run, number)),
            lambda: self.store.failures(run, number),
        )

    def _json(self, run: int, number: int, source: AnyStage) -> bytes:
        with self._lock:
            if (run, number) in self._kept:
                self._kept.move_to_end((run, number))
                return self._kept[run, number]
        rows = list(self._rows(run, number))
        if source.shape is Shape.FAN_OUT:
            data = b"[" + b",".join(rows) + b"]"
        elif rows:
            data = rows[0]
        else:
            raise BadResult(f"stage {source.name} has no result to read")
        self._keep((run, number), data)
        return data

    def _rows(self, run: int, number: int) -> Iterator[bytes]:
        after = -1
        while page := self.store.results(run, number, after, PAGE):
            yield from (self.values.unpack(payload) for _, payload in page)
            after = page[-1][0]
            if len(page) < PAGE:
                return

    def _keep(self, key: tuple[int, int], data: bytes) -> None:
        if len(data) > KEPT_BYTES // 4:
            return
        with self._lock:
            self._size += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._size > KEPT_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
