"""Late imports from several threads: what Python makes of them, and what our lock makes of that."""

import importlib
import sys
import threading
from contextlib import AbstractContextManager, nullcontext

import pytest

from core.imports import one_at_a_time

KNOT = """
import threading
begun, met = threading.Event(), threading.Event()
begun.set()
met.wait({meeting})
from knot.inner import thread
"""
INNER = """
import sys
sys.modules["knot"].met.set()
from knot import begun
thread = 1
"""


@pytest.fixture
def knot(tmp_path, monkeypatch):
    """A package that imports a module of its own, which imports the package: shapely, xarray and many more."""
    (tmp_path / "knot").mkdir()
    (tmp_path / "knot" / "inner.py").write_text(INNER)
    monkeypatch.syspath_prepend(tmp_path)

    def write(meeting: float) -> None:
        (tmp_path / "knot" / "__init__.py").write_text(KNOT.format(meeting=meeting))

    yield write
    for name in ("knot", "knot.inner"):
        sys.modules.pop(name, None)


def has_begun() -> bool:
    return hasattr(sys.modules.get("knot"), "begun")


def import_from_two_threads(guard: AbstractContextManager[object]) -> list[str]:
    """The package by one thread, and once that has begun a module of it by another: what they failed with."""
    failed: list[str] = []

    def imports(name: str) -> None:
        try:
            with guard:
                importlib.import_module(name)
        except Exception as error:
            failed.append(str(error))

    first = threading.Thread(target=imports, args=["knot"])
    first.start()
    while not has_begun():
        assert first.is_alive() or has_begun()
    second = threading.Thread(target=imports, args=["knot.inner"])
    second.start()
    for thread in (first, second):
        thread.join(60)
        assert not thread.is_alive()
    return failed


def test_two_threads_that_import_a_package_at_once_may_break_it(knot):
    """Why there is a lock: Python ends the deadlock by handing out a module that is half made."""
    knot(meeting=60)
    for _ in range(50):  # whether the deadlock is found by the thread that minds, is chance
        if any("partially initialized module" in e for e in import_from_two_threads(nullcontext())):
            return
        for name in ("knot.inner", "knot"):
            sys.modules.pop(name, None)
    pytest.fail("Python no longer breaks it")


def test_under_the_lock_the_second_waits_for_the_first(knot):
    knot(meeting=0.2)
    assert import_from_two_threads(one_at_a_time) == []
