"""The faults a proxy is armed with, and the conditions its connections live under."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.support.proxy_wire import Statement


class Cut(Exception):
    """A fault has struck: this connection ends here."""


class Kind(Enum):
    BEFORE_COMMIT = auto()
    AFTER_COMMIT = auto()
    BEFORE_STATEMENT = auto()
    AFTER_REPLY = auto()
    CALLBACK = auto()


BEFORE = {Kind.BEFORE_COMMIT, Kind.BEFORE_STATEMENT}
AFTER = {Kind.AFTER_COMMIT, Kind.AFTER_REPLY}
AT_COMMIT = {Kind.BEFORE_COMMIT, Kind.AFTER_COMMIT}


@dataclass(eq=False)
class Fault:
    """An armed fault: how often it may still strike, how often it did."""

    kind: Kind
    when: bytes | None
    left: int
    callback: Callable[[], object] | None = None
    hits: int = 0
    error: BaseException | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, hits: int = 1, timeout: float = 120) -> None:
        """Return when the fault has struck this often."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.hits >= hits, timeout):
                raise TimeoutError(f"{self.kind.name} struck {self.hits} times, not {hits}")

    def concerns(self, statement: Statement) -> bool:
        if self.kind in AT_COMMIT:
            return statement.commits and statement.follows(self.when)
        return statement.mentions(self.when)

    def take(self) -> None:
        self.left -= 1

    def call(self) -> None:
        try:
            if self.callback is not None:
                self.callback()
        except Exception as error:
            self.error = error
        finally:
            self.struck()

    def struck(self) -> None:
        with self._changed:
            self.hits += 1
            self._changed.notify_all()


class Conditions:
    """What holds for every connection of one proxy. Only its event loop changes it."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.flow = asyncio.Event()
        self.flow.set()
        self.delay = 0.0
        self.rate: float | None = None
        self.commits = 0
        self.faults: list[Fault] = []

    def fault_for(self, statement: Statement, kinds: set[Kind]) -> Fault | None:
        armed = (fault for fault in self.faults if fault.left > 0 and fault.kind in kinds)
        return next((fault for fault in armed if fault.concerns(statement)), None)

    def heal(self) -> None:
        self.faults.clear()
        self.delay, self.rate = 0.0, None
        self.flow.set()
