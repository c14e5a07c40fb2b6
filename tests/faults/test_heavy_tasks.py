"""Heavy tasks have processes of their own: whatever happens to one, its worker and the others go on."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest

from benchmarks.invariants import violations
from core.blobs import BlobRef, Zone
from core.control.desk import Control
from infrastructure.settings import Settings
from tests.faults.conftest import Harbour
from tests.support.fault_jobs.burden import (
    Brittle,
    Deaf,
    Glutton,
    Litter,
    Many,
    Slow,
    Steps,
    Stuck,
    Talker,
    Whole,
    fill,
)
from tests.support.fault_jobs.poison import Death
from tests.support.fleet import Fleet, pause
from tests.support.waiting import eventually


def failure(fleet: Fleet, run: int) -> dict[str, Any]:
    ((error,),) = fleet.ask(
        "select error from app.tasks where run_id = %s and error is not null", run
    )
    return error


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("abort", "was killed by signal 6 (SIGABRT)"),
        ("segfault", "was killed by signal 11 (SIGSEGV)"),
        ("exit", "ended by itself with exit code 3"),
    ],
)
def test_a_task_that_kills_its_process_costs_nobody_else_anything(
    fleet: Fleet, death: Death, words: str
) -> None:
    """Fault 31: the attempt counts, the reason is told in words, and the worker lives on."""
    run = fleet.submit(Brittle(death=death))
    worker = fleet.start()
    ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed_with_errors", [0, 2, 3])
    error = failure(fleet, run)
    assert error["message"] == f"The task's process {words}"
    assert error["code"] == "process_died"
    assert ("die" in error["trace"]) == (death != "exit"), "the crash says where"
    assert fleet.ask("select attempt, failures from app.tasks where status = 'failed'") == [(2, 2)]
    assert fleet.ask("select max(attempt) from app.tasks where status = 'completed'") == [(1,)]
    assert worker.alive
    assert violations(fleet.dsn) == []


def test_it_is_the_same_where_messages_wake_the_worker(bus_fleet: Fleet) -> None:
    """Fault 31: the claim is the worker's, so Service Bus knows nothing of processes."""
    run = bus_fleet.submit(Brittle(death="segfault"))
    worker = bus_fleet.start()
    assert bus_fleet.ended(run).result == [0, 2, 3]
    assert failure(bus_fleet, run)["code"] == "process_died"
    assert worker.alive


# deadlines, memory, disk


def test_a_task_that_hangs_with_pythons_lock_is_killed_at_its_deadline(fleet: Fleet) -> None:
    """Fault 32: by its own worker and at once, which says where it hung; the slot is free for the next."""
    run = fleet.submit(Stuck())
    worker = fleet.start()
    ended = fleet.ended(run)
    assert ended.status == "failed"
    error = failure(fleet, run)
    assert error["code"] == "task_timeout"
    assert error["message"].startswith("The task said nothing for 1 seconds")
    assert "hold_the_lock" in error["trace"]
    assert fleet.ask("select attempt, failures from app.tasks") == [(2, 2)]
    assert fleet.ended(fleet.submit(Many(tasks=3))).status == "completed"
    assert worker.alive
    assert violations(fleet.dsn) == []


def test_a_task_that_holds_pythons_lock_does_not_starve_the_heartbeat(fleet: Fleet) -> None:
    """Fault 32: it holds the lock for longer than a worker may be silent, and keeps its task."""
    run = fleet.submit(Slow(seconds=12))
    fleet.start(CM_DEAD_AFTER_SECONDS=8)
    assert fleet.ended(run).result == 1


def test_a_task_that_reports_works_for_longer_than_its_timeout(fleet: Fleet) -> None:
    """Fault 32; R26: a report from the process renews the deadline in the database and at its worker."""
    run = fleet.submit(Talker(seconds=14))
    fleet.start()
    assert fleet.ended(run).result == 1


@pytest.mark.parametrize("way", ["bit by bit", "at once"])
def test_a_task_that_wants_too_much_memory_fails_after_the_second_time(
    fleet: Fleet, way: Literal["bit by bit", "at once"]
) -> None:
    """Fault 33: it is stopped at its limit, says both figures, and is not retried for ever."""
    run = fleet.submit(Glutton(way=way, mb=20_000))
    worker = fleet.start(CM_HEAVY_MEMORY_MB=200)
    assert fleet.ended(run).status == "failed"
    error = failure(fleet, run)
    assert error["code"] == "out_of_memory"
    assert "200 MiB" in error["message"]
    assert fleet.ask("select attempt, failures from app.tasks") == [(2, 2)], "nine were allowed"
    assert worker.alive


@pytest.mark.parametrize("then", ["end", "exit"])
def test_what_a_task_leaves_on_the_disk_is_removed_at_its_end(
    fleet: Fleet, tmp_path: Path, then: Literal["end", "exit"]
) -> None:
    """Fault 34: also when its process was killed."""
    scratch = tmp_path / "scratch"
    run = fleet.submit(Litter(folder=str(tmp_path), then=then))
    worker = fleet.start(CM_SCRATCH=scratch)
    fleet.ended(run)
    place = Path((tmp_path / "place-1").read_text())
    assert place.is_relative_to(scratch)
    eventually(lambda: not place.exists())
    worker.terminate()
    assert worker.died() == 0
    assert list(scratch.iterdir()) == []


def test_what_a_killed_worker_leaves_on_the_disk_is_removed_by_the_next(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Fault 34: its own processes are gone with it, whatever they were doing."""
    scratch = tmp_path / "scratch"
    fleet.submit(Litter(folder=str(tmp_path), then="wait"))
    worker = fleet.start(CM_SCRATCH=scratch)
    eventually((tmp_path / "place-1").exists)
    orphan = scratch / "coremachine-worker-1234"
    orphan.mkdir()
    orphan.with_name(f"{orphan.name}.lock").touch()
    worker.kill()
    (tmp_path / "go").touch()
    next_one = fleet.start(CM_SCRATCH=scratch)
    eventually(lambda: not orphan.exists() and len(list(scratch.iterdir())) == 2, 60)
    next_one.terminate()
    assert next_one.died() == 0
    assert list(scratch.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_told_in_words_and_tried_again(
    fleet: Fleet, tmp_path: Path, small_disk: Path
) -> None:
    """Fault 34: what the task had written is removed, so the next attempt has room."""
    run = fleet.submit(Litter(folder=str(tmp_path), then="full"))
    worker = fleet.start(CM_SCRATCH=small_disk)
    assert fleet.ended(run).status == "failed"
    error = failure(fleet, run)
    assert (error["code"], error["message"][:41]) == (
        "scratch_full",
        "The disk for temporary files is full; mak",
    )
    assert fleet.ask("select attempt, failures from app.tasks") == [(2, 2)]
    eventually(lambda: shutil.disk_usage(small_disk).free > 60_000_000)
    assert worker.alive


def test_a_worker_without_room_takes_no_heavy_task(
    fleet: Fleet, tmp_path: Path, small_disk: Path
) -> None:
    """Fault 34: a disk that others have filled costs no task an attempt."""
    worker = fleet.start(CM_SCRATCH=small_disk)
    eventually(lambda: "serving queues" in worker.told())
    much = small_disk / "much"
    with suppress(OSError):
        fill(much)
    eventually(lambda: "disk for temporary files is full" in worker.told())
    run = fleet.submit(Many(tasks=1))
    eventually(lambda: fleet.ask("select from app.tasks where idx >= 0"))
    pause(1)
    assert fleet.ask("select max(attempt) from app.tasks where stage = 0 and idx >= 0") == [(0,)]
    much.unlink()
    assert fleet.ended(run).status == "completed"


# what a process offers, and how long it lives


def test_a_heavy_task_has_everything_that_a_context_offers(harbour: Harbour, azurite: str) -> None:
    """Blobs, catalog, checkpoints, reports, logs and safe points, in a process that is not the worker."""
    source = BlobRef.of(Zone.BRONZE, "whole", uuid4().hex)
    with harbour(storage=azurite) as fleet:
        fleet.machine.blobs.write(source, b"content")
        run = fleet.submit(Whole(source=source))
        worker = fleet.start()
        result = fleet.ended(run).result
        assert (result["read"], result["once"], result["catalog"]) == ("content", "kept", "None")
        assert int(result["pid"]) != worker.pid
        assert fleet.machine.blobs.read(BlobRef(f"{source}-copy")) == b"copied"
        assert fleet.ask("select progress, note from app.tasks") == [(1.0, "all but done")]
        assert "a word from the task" in worker.told()
        moved = "select job_type, sum(bytes_in), sum(bytes_out) from app.traffic group by 1"
        eventually(lambda: fleet.ask(moved) == [("whole", len(b"content"), len(b"copied"))])


def test_one_warm_process_runs_many_tasks_and_is_replaced_now_and_then(fleet: Fleet) -> None:
    """A fan-out pays for imports once, and a leak does not grow for ever."""
    run = fleet.submit(Many(tasks=10))
    fleet.start(CM_HEAVY_TASKS=5)
    pids = fleet.ended(run).result
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5]


def test_a_worker_that_is_killed_takes_its_processes_along(fleet: Fleet, tmp_path: Path) -> None:
    """Whatever they are doing: even one that holds Python's lock and hears nobody."""
    fleet.submit(Deaf(folder=str(tmp_path), locked=True))
    worker = fleet.start()
    pid = eventually(lambda: pid_in(tmp_path / "begun-1"))
    worker.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), 60)


def pid_in(file: Path) -> int:
    """The process that a task has written down, once it has."""
    return int(file.read_text() or 0) if file.exists() else 0


def test_a_nursery_that_is_killed_is_started_anew(fleet: Fleet) -> None:
    worker = fleet.start()
    pids = fleet.ended(fleet.submit(Many(tasks=1))).result
    parent = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != worker.pid
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pids[0]}").exists())
    again = fleet.ended(fleet.submit(Many(tasks=2))).result
    assert pids[0] not in again
    assert worker.alive


def test_a_task_whose_job_was_cancelled_is_killed_when_it_does_not_listen(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Its outcome no longer counts, and the slot is needed: the next task gets it."""
    submission = fleet.submission(Deaf(folder=str(tmp_path), locked=True))
    worker = fleet.start()
    pid = eventually(lambda: pid_in(tmp_path / "begun-1"))
    Control(fleet.machine).cancel(submission.run.job_id, by="test")
    eventually(lambda: not Path(f"/proc/{pid}").exists(), 60)
    assert fleet.ended(fleet.submit(Many(tasks=1))).status == "completed"
    assert worker.alive


# SIGTERM


def test_sigterm_reaches_a_heavy_task_at_its_next_safe_point(fleet: Fleet, tmp_path: Path) -> None:
    """Fault 39; R38: no attempt is burned, and another worker resumes after the last phase."""
    run = fleet.submit(Deaf(folder=str(tmp_path), polite=True))
    worker = fleet.start()
    eventually((tmp_path / "begun-1").exists)
    worker.terminate()
    assert worker.died() == 0
    assert held(fleet, run) == [("queued", 1, 0)]
    (tmp_path / "go-2").touch()
    fleet.start()
    assert fleet.ended(run).result == [1, 2]


@pytest.mark.alone
def test_a_deaf_heavy_task_is_killed_and_given_back_before_the_platform_loses_patience(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Fault 39: SIGTERM, and SIGKILL ten seconds later, which comes too late with the settings' own grace.

    The best of three, because the machine may hold its breath.
    """
    folders = [tmp_path / str(n) for n in range(3)]
    assert any(stops_within_patience(fleet, folder) for folder in folders)


def stops_within_patience(fleet: Fleet, folder: Path) -> bool:
    folder.mkdir()
    submission = fleet.submission(Deaf(folder=str(folder)))
    worker = fleet.start(CM_GRACE_SECONDS=Settings.model_fields["grace_seconds"].default)
    pid = eventually(lambda: pid_in(folder / "begun-1"))
    worker.terminate()
    began = time.monotonic()
    assert worker.died() == 1
    took = time.monotonic() - began
    assert held(fleet, submission.run.run) == [("queued", 1, 0)]
    assert not Path(f"/proc/{pid}").exists()
    Control(fleet.machine).cancel(submission.run.job_id, by="test")
    return took < 10


def test_a_grace_longer_than_a_lease_costs_no_attempt(fleet: Fleet, tmp_path: Path) -> None:
    """Fault 39: the heart of a worker that stops beats until it is gone."""
    lease = {"CM_DEAD_AFTER_SECONDS": 8}
    run = fleet.submit(Deaf(folder=str(tmp_path)))
    worker = fleet.start(**lease)
    eventually((tmp_path / "begun-1").exists)
    fleet.start(**lease)
    worker.terminate()
    eventually(lambda: "stopping" in worker.told())
    pause(12)
    (tmp_path / "go-1").touch()
    assert worker.died() == 0
    assert fleet.ended(run).result == [1, 1]


def held(fleet: Fleet, run: int) -> list[tuple[object, ...]]:
    return fleet.ask("select status, attempt, failures from app.tasks where run_id = %s", run)


# hosts that kill again and again


def test_a_task_whose_host_is_killed_again_and_again_resumes_and_finishes(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Fault 52: every host's life is too short for the task, but each gets it further than its attempts allow."""
    for n in range(5):
        (tmp_path / f"stop-{n + 1}-{n}").touch()
    run = fleet.submit(Steps(folder=str(tmp_path)))
    for n in range(5):
        host = fleet.start()
        eventually((tmp_path / f"begun-{n + 1}").exists)
        host.kill()
    fleet.start()
    assert fleet.ended(run).result == [1, 2, 3, 4, 5, 6]
    assert fleet.ask("select failures from app.tasks") == [(0,)]
    assert violations(fleet.dsn) == []


def test_a_task_that_makes_no_progress_between_two_kills_fails_and_says_so(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Fault 52: it would go on like this for ever."""
    for n in range(3):
        (tmp_path / f"stop-{n + 1}-0").touch()
    run = fleet.submit(Steps(folder=str(tmp_path)))
    for n in range(3):
        host = fleet.start()
        eventually((tmp_path / f"begun-{n + 1}").exists)
        host.kill()
    fleet.start()
    assert fleet.ended(run).status == "failed"
    error = failure(fleet, run)
    assert error["code"] == "no_progress"
    assert "it makes no progress" in error["message"]
    assert violations(fleet.dsn) == []
