"""How often somebody may ask."""

import pytest

from core.rates import Buckets


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_steady_rate() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 3.0, clock=clock)
    assert [buckets.take("ada") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    clock.now += 0.5
    assert buckets.take("ada") == 0.0
    assert buckets.take("ada") == pytest.approx(0.5)
    clock.now += 1_000
    assert [buckets.take("ada") > 0 for _ in range(4)] == [False, False, False, True]


def test_nobody_pays_for_others() -> None:
    buckets = Buckets(1.0, 1.0, clock=Clock())
    assert buckets.take("ada") == 0.0
    assert buckets.take("ada") > 0
    assert buckets.take("bob") == 0.0


def test_to_look_costs_nothing() -> None:
    buckets = Buckets(1.0, 1.0, clock=Clock())
    assert [buckets.wait("ada") for _ in range(5)] == [0.0] * 5
    assert buckets.take("ada") == 0.0
    assert buckets.wait("ada") == 1.0


def test_a_rate_of_zero_is_no_limit() -> None:
    buckets = Buckets(0.0, 1.0, clock=Clock())
    assert not any(buckets.take("ada") for _ in range(1_000))


def test_strangers_without_number_do_not_fill_the_memory() -> None:
    buckets = Buckets(1.0, 1.0, most=10, clock=Clock())
    for number in range(1_000):
        buckets.take(str(number))
    assert len(buckets._held) == 10
