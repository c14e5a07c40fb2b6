"""Answers kept in proportion to what they took."""

import time

from core.kept import Kept
from tests.support.waiting import eventually


def test_a_cheap_answer_is_always_fresh() -> None:
    kept, answers = Kept[str, int](cheap=60), iter(range(3))
    assert [kept.get("k", lambda: next(answers)) for _ in range(3)] == [0, 1, 2]


def test_a_dear_answer_serves_for_a_multiple_of_what_it_took() -> None:
    kept, asked = Kept[str, int](factor=100, cheap=0.01), []

    def find() -> int:
        time.sleep(0.02)
        asked.append(time.monotonic())
        return len(asked)

    assert [kept.get("k", find) for _ in range(100)] == [1] * 100
    assert kept.get("another", find) == 2
    assert eventually(lambda: kept.get("k", find) > 1)
    assert asked[-1] - asked[0] >= 2


def test_only_so_many_answers_are_kept() -> None:
    kept = Kept[int, int](cheap=-1, least=600, largest=2)
    for n in range(5):
        kept.get(n, lambda n=n: n)
    assert kept.get(4, lambda: -1) == 4
    assert kept.get(0, lambda: -1) == -1
