"""What a process for heavy tasks may use, and how its end is told."""

import os
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from triggers.heavy import scratch, system
from triggers.heavy.executor import memory_of
from triggers.heavy.scratch import Scratch

GIB = 1 << 30


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


def test_memory_counts_what_cannot_be_dropped_and_descendants() -> None:
    before = system.memory_of(os.getpid())
    held = bytearray(os.urandom(1 << 16) * 512)
    assert system.memory_of(os.getpid()) - before > len(held) * 0.8
    assert system.memory_of(2**22 + 1) == 0, "a process that is gone holds nothing"


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
