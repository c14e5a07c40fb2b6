"""Reading what models publish: mirror after mirror, with patience where a source throttles and memory of what is not there yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from core.errors import ServiceUnavailable
from core.guard import Unreachable
from core.internet import Ask, Internet, Told
from services.weather.grib import length_of
from services.weather.idx import BadIndex, Inventory, parse
from services.weather.models import Model, Source
from services.weather.ranges import Range

BUSY = frozenset({429, 500, 502, 503, 504})
ABSENT = frozenset({403, 404, 410})
"""Object stores say 403 of what is not there to those who may not list it; NOMADS says it to those who ask too often."""
PATIENCE = (0.2, 1.0, 3.0)
"""Seconds before each further try of a busy source."""
LONGEST_WAIT = 5.0
"""What a source says of when to come back is believed up to so many seconds; then the next source is better."""
LARGEST_INDEX = 8 << 20
LARGEST_MESSAGE = 256 << 20
ABSENT_FOR = (10.0, 300.0)
"""Seconds that an absence is remembered: at first, and at most, twice as long each time."""


class SourceFailed(ServiceUnavailable):
    """No source of a model could be read. Try again in a few minutes."""

    code = "source_failed"


class NotPublished(ServiceUnavailable):
    """What was asked for is not published by any source, or not yet."""

    code = "not_published"


class Trouble(NamedTuple):
    """What a source did wrong, for those who read the result."""

    source: str
    what: str

    def __str__(self) -> str:
        return f"{self.source}: {self.what}"


class Failed(Exception):
    """One source cannot help; the next may."""

    def __init__(self, source: Source, what: str, *, absent: bool = False) -> None:
        super().__init__(f"{source.name}: {what}")
        self.trouble = Trouble(source.name, what)
        self.absent = absent


class Read(NamedTuple):
    """An inventory, its text, and the source it is of."""

    source: Source
    inventory: Inventory
    text: str


class Absences:
    """What was not there a moment ago is not asked for again at once, by this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._until: dict[str, tuple[float, float]] = {}

    def known(self, url: str) -> bool:
        with self._lock:
            until, _ = self._until.get(url, (0.0, 0.0))
            return self._clock() < until

    def note(self, url: str) -> None:
        with self._lock:
            if len(self._until) > 10_000:
                self._until.clear()
            _, last = self._until.get(url, (0.0, ABSENT_FOR[0] / 2))
            wait = min(last * 2, ABSENT_FOR[1])
            self._until[url] = self._clock() + wait, wait

    def clear(self) -> None:
        with self._lock:
            self._until.clear()

    def forget(self, url: str) -> None:
        with self._lock:
            self._until.pop(url, None)


class Paces:
    """Keeps requests to one host apart, where it asks for that."""

    def __init__(self) -> None:
        self._lock, self._next = threading.Lock(), dict[str, float]()

    def wait(self, host: str, every: float) -> None:
        if not every:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, 0.0))
            self._next[host] = turn + every
        time.sleep(turn - now)


ABSENCES, PACES = Absences(), Paces()
"""Of this process: however many tasks it runs, a source sees one caller."""


class Sources:
    """The sources of one model, in order of preference."""

    def __init__(
        self, model: Model, internet: Internet, check: Callable[[], None] = lambda: None
    ) -> None:
        self.model, self.internet, self.check = model, internet, check
        self.bytes = 0
        self.requests = 0
        self._lock = threading.Lock()

    def inventories(self, cycle: datetime, hour: int) -> Iterator[Read | Failed]:
        """What each source says that the file of an hour holds, or why it does not."""
        for source in self.model.sources:
            try:
                yield self.inventory(source, cycle, hour)
            except Failed as failure:
                yield failure

    def inventory(self, source: Source, cycle: datetime, hour: int) -> Read:
        url = source.urls(cycle, hour, self.model.words(cycle))[1]
        if ABSENCES.known(url):
            raise Failed(source, "not published a moment ago", absent=True)
        told = self._read(source, Ask(url, limit=LARGEST_INDEX, check=self.check))
        try:
            text = told.body.decode("utf-8")
            found = parse(text)
        except (BadIndex, UnicodeDecodeError) as error:
            raise Failed(source, f"what it sends as inventory is none ({error})") from error
        if found.cycle != cycle:
            raise Failed(source, f"its inventory is of the cycle {found.cycle:%Y-%m-%d %H:%M}")
        ABSENCES.forget(url)
        return Read(source, found, text)

    def bytes_of(self, source: Source, cycle: datetime, hour: int, wanted: Range) -> bytes:
        """The bytes of a range. One whose end is not known ends where its message says."""
        url = source.urls(cycle, hour, self.model.words(cycle))[0]
        enough = length_of if wanted.length is None else None
        ask = Ask(
            url,
            wanted.offset,
            wanted.length,
            limit=LARGEST_MESSAGE,
            enough=enough,
            check=self.check,
        )
        return self._read(source, ask).body

    def _read(self, source: Source, ask: Ask) -> Told:
        for pause in (*PATIENCE, None):
            told = self._once(source, ask)
            if told.status in (200, 206):
                self._count(len(told.body))
                return told
            if told.status in ABSENT:
                if ask.start is None:
                    ABSENCES.note(ask.url)
                raise Failed(source, f"it answers {told.status}", absent=True)
            if told.status not in BUSY or pause is None:
                raise Failed(source, f"it answers {told.status}")
            wait = max(pause, _asked_to_wait(told))
            if wait > LONGEST_WAIT:
                raise Failed(source, f"it answers {told.status}, and asks to wait {wait:.0f} s")
            self.check()
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _once(self, source: Source, ask: Ask) -> Told:
        PACES.wait(urlsplit(ask.url).netloc, source.every)
        self._count(0)
        try:
            return self.internet.read(ask)
        except Unreachable as error:
            raise Failed(source, str(error)) from error

    def _count(self, size: int) -> None:
        with self._lock:
            self.bytes += size
            self.requests += 0 if size else 1


def _asked_to_wait(told: Told) -> float:
    text = told.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0
