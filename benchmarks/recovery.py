"""How soon the rate is what it was after PostgreSQL died and came back."""

from __future__ import annotations

import threading
import time

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
    """Tasks finished per second in the five seconds before a crash of the server, and in five from ten seconds after it."""
    for _ in range(2):
        rig.worker()
    rig.seconds(100)
    with Feeder(rig):
        time.sleep(2 * WINDOW)
        crashed = database_time(rig)
        rig.server.restart("immediate")
        returned = eventually(lambda: database_time(rig), 60)
        time.sleep(max(0.0, crashed + WITHIN + WINDOW - returned))
        done = [at for (at,) in rig.rows(RATES, crashed - WINDOW)]
    return [_rate_row(done, crashed), _first_row(done, crashed, returned)]


def database_time(rig: Rig) -> float:
    return rig.rows("select extract(epoch from clock_timestamp())::float8")[0][0]


def _rate_row(done: list[float], crashed: float) -> Row:
    before = between(done, crashed - WINDOW, crashed) / WINDOW
    after = between(done, crashed + WITHIN, crashed + WITHIN + WINDOW) / WINDOW
    ratio = after / before if before else 0.0
    return Row(
        f"rate {WITHIN:.0f} s after pg_ctl restart -m immediate",
        f"{after:,.0f}/s",
        f"{before:,.0f}/s before it",
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


def between(moments: list[float], start: float, end: float) -> int:
    return sum(start <= at < end for at in moments)
