"""Operators against real workers: a running task stops at its next safe point, or its words no longer count."""

from pathlib import Path

import pytest

from benchmarks.invariants import violations
from tests.support.fault_jobs.patience import Patience
from tests.support.fleet import Fleet
from tests.support.waiting import eventually

BY = "an operator"


def running(fleet: Fleet, tmp_path: Path, *, polite: bool) -> tuple[Patience, int]:
    job = Patience(folder=str(tmp_path), polite=polite)
    run = fleet.submit(job)
    fleet.start()
    eventually(lambda: (tmp_path / "begun-1").exists(), 60)
    return job, run


def held(fleet: Fleet) -> list[object]:
    return fleet.ask("select from app.tasks where status = 'processing'")


def test_a_task_is_stopped_at_its_next_safe_point_by_a_cancel(fleet: Fleet, tmp_path: Path) -> None:
    """R37: the heartbeat of the worker notices, and ctx.check raises."""
    job, run = running(fleet, tmp_path, polite=True)
    fleet.control.cancel(job.fingerprint, by=BY)
    (worker,) = fleet.workers
    busy = Patience(folder=str(tmp_path / "second"), polite=True)
    (tmp_path / "second").mkdir()
    fleet.submit(busy)  # the slot that was taken is free again
    eventually(lambda: (tmp_path / "second" / "begun-1").exists(), 60)
    assert not (tmp_path / "ended-1").exists()
    assert worker.alive
    assert fleet.ended(run).status == "cancelled"
    assert violations(fleet.dsn) == []


def test_what_a_deaf_task_says_after_a_cancel_does_not_count(fleet: Fleet, tmp_path: Path) -> None:
    """R37, Fault 45: it never asks, so it ends by itself, and is ignored."""
    job, run = running(fleet, tmp_path, polite=False)
    fleet.control.cancel(job.fingerprint, by=BY)
    again = fleet.control.resubmit(job.fingerprint, by=BY).run
    (tmp_path / "go-1").touch()
    ended = fleet.ended(again.run)
    assert ended.status == "completed"
    assert fleet.ended(run).status == "cancelled"
    assert fleet.ask("select status from app.tasks where run_id = %s", run) == [("cancelled",)]
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("polite", [True, False])
def test_a_task_that_runs_when_its_job_is_paused_ends_as_usual(
    fleet: Fleet, tmp_path: Path, polite: bool
) -> None:
    """A pause takes no running task away."""
    job, run = running(fleet, tmp_path, polite=polite)
    fleet.control.pause(job.fingerprint, by=BY)
    assert len(held(fleet)) == 1
    (tmp_path / "go-1").touch()
    assert fleet.ended(run).result == [1, 1]


def test_a_phase_survives_a_cancel_and_a_resubmit(fleet: Fleet, tmp_path: Path) -> None:
    """R38: the new run's attempt resumes after what the old one had finished."""
    job, _ = running(fleet, tmp_path, polite=True)
    fleet.control.cancel(job.fingerprint, by=BY)
    (tmp_path / "begun-1").unlink()
    again = fleet.control.resubmit(job.fingerprint, by=BY).run
    ((value,),) = eventually(
        lambda: fleet.ask("select value from app.checkpoints where run_id = %s", again.run)
    )
    assert value == 1
    eventually(lambda: (tmp_path / "begun-1").exists(), 60)
    (tmp_path / "go-1").touch()
    assert fleet.ended(again.run).result == [1, 1]
