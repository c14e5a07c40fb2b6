"""What a process for heavy tasks may use, and how its end is told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from triggers.heavy import scratch, system
from triggers.heavy.executor import memory_of
from triggers.heavy.scratch import Scratch

GIB = 1 << 30
HELD = 32 << 20


@pytest.mark.parametrize(("machine", "slots", "limit"), [(24, 1, 18), (24, 3, 6), (2, 1, 1.5)])
def test_without_a_setting_slots_share_three_quarters_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, machine: int, slots: int, limit: float
) -> None:
    """Fault 33."""
    monkeypatch.setattr("triggers.heavy.executor.memory_of_machine", lambda: machine * GIB)
    assert memory_of(Settings(), slots) == limit * GIB
    assert memory_of(Settings(heavy_memory_mb=512), slots) == GIB // 2


def test_a_container_with_less_memory_than_its_machine_is_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told, none = tmp_path / "memory.max", tmp_path / "other"
    told.write_text(f"{GIB}\n")
    none.write_text("max\n")
    monkeypatch.setattr(system, "LIMITS", (none, told, tmp_path / "missing"))
    assert system.memory_of_machine() == GIB


def test_memory_counts_what_cannot_be_dropped_and_descendants(tmp_path: Path) -> None:
    """In processes of their own: what this one allocates may come from what other tests have freed."""
    file = tmp_path / "file"
    file.write_bytes(bytes(HELD))
    bare, reader = holder("b''"), holder(f"open({str(file)!r}, 'rb')", mapped=True)
    one, two = holder(f"bytes(b'x' * {HELD})"), holder(f"bytes(b'x' * {HELD})", children=1)
    with bare as nothing, reader as droppable, one as single, two as family:
        least = system.memory_of(nothing)
        assert system.memory_of(droppable) - least < HELD / 4
        assert 0.98 < (system.memory_of(single) - least) / HELD < 1.25
        assert 1.98 < (system.memory_of(family) - least) / HELD < 2.75
    assert system.memory_of(single) == 0, "a process that is gone holds nothing"


@contextmanager
def holder(held: str, *, mapped: bool = False, children: int = 0) -> Iterator[int]:
    """The process that holds this, and maybe has a child that holds as much."""
    code = f"""
import mmap, os, sys
held = {held}
if {mapped}:
    held = mmap.mmap(held.fileno(), 0, prot=mmap.PROT_READ)
    seen = sum(held[at] for at in range(0, len(held), 4096))
if {children} and not os.fork():
    held = bytes(b'y' * len(held))
print("ready", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(1 + children):
            assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-99, "was killed by signal 99 (unknown)"),
        (3, "ended by itself with exit code 3"),
        (None, "ended, and nobody knows how"),
    ],
)
def test_an_end_is_told_in_words(code: int | None, words: str) -> None:
    """Fault 31."""
    assert system.death(code) == words


def test_a_worker_takes_away_only_what_nobody_holds(tmp_path: Path) -> None:
    """Fault 34: a living neighbour's folder stays, a dead one's goes, and so does no stranger's."""
    stranger = tmp_path / "photos"
    stranger.mkdir()
    neighbour = Scratch.take(tmp_path)
    (neighbour.folder / "file").touch()
    dead = Scratch.take(tmp_path)
    os.close(dead._lock)  # what the system does when its holder dies
    mine = Scratch.take(tmp_path)
    assert {each.name for each in tmp_path.iterdir() if each.is_dir()} == {
        "photos",
        neighbour.folder.name,
        mine.folder.name,
    }
    for each in (neighbour, mine):
        each.close()
    assert list(tmp_path.iterdir()) == [stranger]


def test_emptying_a_folder_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").touch()
    folder = tmp_path / "scratch"
    (folder / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(precious)
    scratch.empty(folder)
    assert list(folder.iterdir()) == []
    assert (precious / "data").exists()
