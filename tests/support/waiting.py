"""Wait for a condition, never for time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout: float = 120) -> T:
    """The first truthy answer of `condition`; fails with its last answer when the time is over."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {timeout:g} seconds")
        time.sleep(0.01)
    return answer
