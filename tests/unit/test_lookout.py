"""A look behind the caller's back: nobody waits long, and one look at a time is taken."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.errors import ServiceUnavailable
from core.lookout import Lookout
from tests.support.waiting import eventually


def test_an_answer_serves_for_a_while_and_is_then_found_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("core.lookout.time", SimpleNamespace(monotonic=lambda: now[0]))
    asked: list[int] = []
    look = Lookout(lambda: asked.append(1) or len(asked), "it", serves=60, patience=30)
    assert [look(), look()] == [1, 1]
    now[0] += 59
    assert look() == 1
    now[0] += 1
    assert look() == 2


def test_a_crowd_takes_one_look() -> None:
    asked: list[int] = []

    def find() -> int:
        time.sleep(0.1)
        asked.append(1)
        return 7

    look = Lookout(find, "it", serves=60, patience=30)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: look(), range(16))) == {7}
    assert len(asked) == 1


def test_what_is_slow_is_not_waited_for_but_goes_on() -> None:
    go = threading.Event()
    look = Lookout(lambda: go.wait(30), "the store of maps", serves=60, patience=0.05)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ServiceUnavailable, match="the store of maps has not answered yet"):
            look()
    assert time.monotonic() - began < 15
    go.set()

    def answered() -> bool:
        try:
            return look()
        except ServiceUnavailable:
            return False

    assert eventually(answered)


def test_that_there_is_no_answer_serves_as_long() -> None:
    """What is down is not asked by everybody who comes."""
    asked: list[int] = []

    def find() -> int:
        asked.append(1)
        raise ServiceUnavailable("down")

    look = Lookout(find, "it", serves=60, patience=30)
    for _ in range(3):
        with pytest.raises(ServiceUnavailable, match="down"):
            look()
    assert len(asked) == 1
