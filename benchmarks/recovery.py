"""How soon the rate is what it was after PostgreSQL died and came back."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter

from benchmarks.plan import Sizes
from benchmarks.rig import Rig, eventually
from benchmarks.table import Row
from core.errors import ServiceUnavailable

AHEAD = 4
PROBE = 4_000
HOLD, WITHIN, WINDOW = 0.95, 10.0, 5.0

RATES = """
select extract(epoch from finished_at)::float8 from app.tasks
where finished_at > to_timestamp(%s) and status = 'completed' and idx >= 0
order by 1
"""


class Feeder:
    """Keeps a few jobs ahead of the workers, as clients would, through whatever happens."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _feed(self) -> None:
        while not self._stop.wait(0.05):
            try:
                if self._running() < AHEAD:
                    self.rig.submit(PROBE)
            except ServiceUnavailable:
                self._stop.wait(0.1)

    def _running(self) -> int:
        query = "select count(*) from app.runs where status in ('queued', 'processing')"
        return self.rig.rows(query)[0][0]


def recovery_rows(rig: Rig, sizes: Sizes) -> list[Row]:
    """Tasks finished per second in the five seconds before a crash of the server, and in five from ten seconds after it.

    Seconds differ by a fifth on a quiet machine, so several crashes are looked at, and the middle second is compared.
    """
    for _ in range(2):
        rig.worker()
    rig.seconds(100)
    before: list[int] = []
    after: list[int] = []
    with Feeder(rig):
        for _ in range(sizes.crashes):
            time.sleep(2 * WINDOW)
            crashed, returned, done = _crash(rig)
            before += by_second(done, crashed - WINDOW)
            after += by_second(done, crashed + WITHIN)
    return [_rate_row(before, after), _first_row(done, crashed, returned)]


def _crash(rig: Rig) -> tuple[float, float, list[float]]:
    """When the server died and answered again, and when tasks were finished around it."""
    crashed = database_time(rig)
    rig.server.restart("immediate")
    returned = eventually(lambda: database_time(rig), 60)
    time.sleep(max(0.0, crashed + WITHIN + WINDOW - returned))
    return crashed, returned, [at for (at,) in rig.rows(RATES, crashed - WINDOW)]


def database_time(rig: Rig) -> float:
    return rig.rows("select extract(epoch from clock_timestamp())::float8")[0][0]


def _rate_row(before: list[int], after: list[int]) -> Row:
    usual, regained = statistics.median(before), statistics.median(after)
    ratio = regained / usual if usual else 0.0
    return Row(
        f"rate {WITHIN:.0f} s after pg_ctl restart -m immediate",
        f"{regained:,.0f}/s",
        f"{usual:,.0f}/s before it",
        ratio,
        f">= {HOLD:.0%} within {WITHIN:.0f} s",
        ratio >= HOLD,
    )


def _first_row(done: list[float], crashed: float, returned: float) -> Row:
    first = next((at for at in done if at > returned), returned)
    return Row(
        "first task finished after the crash",
        f"{first - crashed:.1f} s",
        f"PostgreSQL answered again after {returned - crashed:.1f} s",
    )


def by_second(moments: list[float], start: float) -> list[int]:
    """How many moments fall into each second of a window."""
    counts = Counter(int(at - start) for at in moments if 0 <= at - start < WINDOW)
    return [counts[second] for second in range(int(WINDOW))]
