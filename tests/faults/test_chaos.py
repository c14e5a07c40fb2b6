"""A minute of everything at once, half of it on each queue. `make chaos` runs five."""

import pytest
from rich.console import Console

from benchmarks import chaos
from tests.support.service_bus import SDK_LEAVES_SOCKETS

SECONDS = 30
SEED = 54


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)
@pytest.mark.parametrize("queue", ["postgres", "service-bus"])
def test_a_storm_breaks_nothing(queue: str) -> None:
    """Faults 1, 2, 5, 7, 8, 9, 11, 23, 24, 25: every job ends with the right result, no invariant is violated."""
    report = chaos.run(queue, SECONDS, SEED, Console())
    assert report.wrong == []
    assert report.numbers["kills"] >= SECONDS / 4
    assert report.numbers["restarts"] >= 1
    assert report.numbers["jobs"] >= 5
    if queue == "service-bus":
        assert report.numbers["lost"]
        assert report.numbers["duplicated"]
