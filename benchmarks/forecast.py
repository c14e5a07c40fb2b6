"""A fire forecast from click to map: cold, a second click in the same place, and the same order again.

`.venv/bin/python -m benchmarks.forecast` against the made-up earth, a 40 km box, 24 h, 50 members. The job runs in this process,
one task after another, so a system with two workers is quicker. Exit code 0 says that all holds.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from ipaddress import ip_network

from core.guard import UrlRules
from core.internet import Internet
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.states import JobStatus
from core.testing import run_job
from infrastructure.fetching import Fetcher
from jobs.fire_forecast import FireForecast
from services.fire.options import FireOptions
from services.fire.warm import warm
from triggers.local.sources import LOOPBACK, earth, standing

COLD, SECOND = 15.0, 2.0
PLACE = (-105.3, 40.0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__)
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--latency", type=float, default=60.0, help="milliseconds a request")
    asked = parser.parse_args(arguments)
    warm()
    rules = UrlRules(plain_http=True, networks=(ip_network(LOOPBACK),))
    reader = Fetcher(rules, quiet=120, seconds=300)
    with standing(earth(), latency=asked.latency / 1e3) as stand:
        options = [Internet(reader, stand.url), FireOptions()]
        times = _clicks(asked.members, asked.hours, options)
        read = stand.sent
    reader.close()
    holds = times[0] <= COLD and times[1] <= SECOND
    print(f"cold          {times[0]:6.2f} s   hold {COLD:g} s")
    print(f"second click  {times[1]:6.2f} s   hold {SECOND:g} s")
    print(f"read in all   {read / 1e6:6.1f} MB")
    return 0 if holds else 1


def _clicks(members: int, hours: int, options: list[object]) -> list[float]:
    """Seconds of the first click, and of a second one that draws other members of the same place."""
    blobs, catalog = MemoryBlobs(), MemoryCatalog()
    times: list[float] = []
    for seed in range(2):
        job = FireForecast(
            reference_time=datetime.now(UTC),
            point=PLACE,
            horizons_hours=[hours],
            members=members,
            seed=seed,
        )
        begun = time.monotonic()
        run_job(job, blobs=blobs, catalog=catalog, options=options, expect=JobStatus.COMPLETED)
        times.append(time.monotonic() - begun)
    return times


if __name__ == "__main__":
    sys.exit(main())
