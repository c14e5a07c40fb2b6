"""Workers that die, freeze, are told to stop or live in another hour; and tasks that kill them."""

import shutil
import signal
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.invariants import violations
from core import BlobRef
from core.blobs import Zone
from tests.faults.conftest import Harbour
from tests.support.fault_jobs.patience import Draft, Patience
from tests.support.fault_jobs.poison import Death, Poison, StrictPoison
from tests.support.fault_jobs.publisher import Publisher
from tests.support.fault_jobs.relay import Relay
from tests.support.fleet import Fleet
from tests.support.waiting import eventually

RELAY = Relay()


@pytest.mark.parametrize("program", [False, True], ids=["forked", "program"])
def test_a_worker_runs_a_job_and_stops_when_told(fleet: Fleet, program: bool) -> None:
    """R38: the plain case, also for the command that operators type."""
    worker = fleet.start(program=program)
    assert fleet.ended(fleet.submit(RELAY)).result == RELAY.expected
    worker.terminate()
    assert worker.died() == 0
    assert fleet.ask("select from app.sessions") == []


# tasks that fail, or kill


def test_a_task_that_fails_always_stops_at_its_last_attempt(fleet: Fleet) -> None:
    """Fault 30; R25: its job goes on without it, where the stage tolerates that."""
    job = Poison(death="error")
    run = fleet.submit(job)
    fleet.start()
    ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed_with_errors", job.innocents)
    assert attempts_of_the_poison(fleet, run, job) == (2, 2, "failed")
    assert violations(fleet.dsn) == []


def test_a_stage_that_tolerates_no_failure_fails_its_job_once(fleet: Fleet) -> None:
    """Faults 30, 49; R11, R14: the last task of the stage fails for good, and the job with it."""
    run = fleet.submit(StrictPoison())
    fleet.start()
    ended = fleet.ended(run)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["message"] == "this element fails always"
    fleet.swept(run)
    assert fleet.ask("select count(*) from app.events where what = 'job_failed'") == [(1,)]
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("death", ["abort", "segfault", "exit"])
def test_a_task_that_kills_its_worker_costs_no_innocent_task(fleet: Fleet, death: Death) -> None:
    """Fault 31: attempts are counted against the culprit alone, with the reason; the others complete."""
    job = Poison(death=death)
    run = fleet.submit(job)
    with fleet.tended(1, CM_LIGHT_SLOTS=1) as tending:
        ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed_with_errors", job.innocents)
    ((message, code),) = fleet.ask(
        "select error ->> 'message', error ->> 'code' from app.tasks where run_id = %s and status = 'failed'",
        run,
    )
    assert (message.endswith("its worker died"), code) == (True, "lease_lost")
    assert fleet.ask(
        "select count(*) from app.tasks where status != 'failed' and failures > 0"
    ) == [(0,)]
    assert 2 <= len(tending.deaths) <= 7
    assert violations(fleet.dsn) == []


def attempts_of_the_poison(fleet: Fleet, run: int, job: Poison) -> tuple[int, int, str]:
    ((attempt, failures, status),) = fleet.ask(
        "select attempt, failures, status from app.tasks where (run_id, stage, idx) = (%s, 0, %s)",
        run,
        job.tasks // 2,
    )
    return attempt, failures, status


# SIGKILL


def test_what_a_phase_made_survives_the_worker(fleet: Fleet, tmp_path: Path) -> None:
    """R38: killed after its first phase, the task resumes there in another worker."""
    run = fleet.submit(Patience(folder=str(tmp_path)))
    worker = fleet.start()
    eventually((tmp_path / "begun-1").exists)
    worker.kill()
    (tmp_path / "go-2").touch()
    fleet.start()
    assert fleet.ended(run).result == [1, 2]
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_resumed_phase_checks_that_what_it_made_is_still_there(
    harbour: Harbour, tmp_path: Path, azurite: str, gone: bool
) -> None:
    """R39: a checkpoint that names a lost blob is not believed; the phase is run again."""
    draft = BlobRef.of(Zone.SILVER, "resumed", f"{uuid4().hex}.txt")
    with harbour(storage=azurite) as fleet:
        run = fleet.submit(Draft(folder=str(tmp_path), draft=draft))
        worker = fleet.start()
        eventually((tmp_path / "begun-1").exists)
        worker.kill()
        if gone:
            fleet.machine.blobs.delete(draft)
        (tmp_path / "go-2").touch()
        fleet.start()
        assert fleet.ended(run).result == f"made by attempt {2 if gone else 1}"


# SIGTERM


def test_sigterm_releases_a_task_at_its_next_safe_point(fleet: Fleet, tmp_path: Path) -> None:
    """Fault 39; R38: no attempt is burned, the worker ends with 0, and another resumes after the last phase."""
    run = fleet.submit(Patience(folder=str(tmp_path)))
    worker = fleet.start()
    eventually((tmp_path / "begun-1").exists)
    worker.terminate()
    assert worker.died() == 0
    ((status, attempt, failures),) = held(fleet, run)
    assert (status, failures) == ("queued", 0)
    assert not (tmp_path / "begun-2").exists(), "a slot began a task after it was told to stop"
    (tmp_path / f"go-{attempt + 1}").touch()
    fleet.start()
    assert fleet.ended(run).result == [1, attempt + 1]
    assert violations(fleet.dsn) == []


def test_sigterm_waits_for_a_task_that_nears_its_end(fleet: Fleet, tmp_path: Path) -> None:
    """Fault 39: what ends within the grace period is completed by the worker that stops."""
    run = fleet.submit(Patience(folder=str(tmp_path), polite=False))
    worker = fleet.start()
    eventually((tmp_path / "begun-1").exists)
    worker.terminate()
    eventually(lambda: "stopping" in worker.told())
    (tmp_path / "go-1").touch()
    assert worker.died() == 0
    assert fleet.ended(run).result == [1, 1]


def test_a_task_that_hears_nothing_is_given_back_when_the_grace_is_over(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Fault 39; R38: the worker says by its exit code that it left something behind; no attempt is burned."""
    run = fleet.submit(Patience(folder=str(tmp_path), polite=False))
    worker = fleet.start(CM_GRACE_SECONDS=0.3)
    eventually((tmp_path / "begun-1").exists)
    worker.terminate()
    assert worker.died() == 1
    assert held(fleet, run) == [("queued", 1, 0)]


def test_sigterm_among_many_tasks_loses_none_and_burns_none(fleet: Fleet) -> None:
    """Fault 39: a claimed batch is finished or given back."""
    job = Relay(legs=3_000)
    run = fleet.submit(job)
    worker = fleet.start()
    eventually(
        lambda: fleet.ask(
            "select from app.tasks where stage = 0 and status = 'completed' and idx > 10"
        )
    )
    worker.terminate()
    assert worker.died() == 0
    assert fleet.ask("select count(*) from app.tasks where status = 'processing'") == [(0,)]
    fleet.start()
    assert fleet.ended(run).result == job.expected
    assert fleet.ask("select max(failures) from app.tasks") == [(0,)]
    assert violations(fleet.dsn) == []


def held(fleet: Fleet, run: int) -> list[tuple[object, ...]]:
    return fleet.ask("select status, attempt, failures from app.tasks where run_id = %s", run)


# SIGSTOP


def test_a_zombie_cannot_end_a_task_that_was_given_to_another(fleet: Fleet, tmp_path: Path) -> None:
    """Fault 40; R03: frozen for longer than its lease, it wakes up and finds its completion refused."""
    run = fleet.submit(Patience(folder=str(tmp_path), polite=False))
    zombie = fleet.start(CM_LIGHT_SLOTS=1)
    eventually((tmp_path / "begun-1").exists)
    zombie.freeze()
    fleet.start()
    eventually((tmp_path / "begun-2").exists)
    (tmp_path / "go-1").touch()
    zombie.thaw()
    eventually((tmp_path / "ended-1").exists)
    zombie.terminate()
    assert zombie.died() == 0  # so it has tried to settle
    assert held(fleet, run) == [("processing", 2, 0)], "it had kept a phase, so the loss is free"
    (tmp_path / "go-2").touch()
    assert fleet.ended(run).result == [1, 2]
    assert violations(fleet.dsn) == []


def test_a_zombie_cannot_replace_a_blob_that_another_published(
    harbour: Harbour, tmp_path: Path, azurite: str
) -> None:
    """Fault 40; R75: the attempt is in the temporary name, and the final name is taken once."""
    job = Publisher(
        container=f"zombie-{tmp_path.name[-20:].strip('-_').lower().replace('_', '-')}",
        blobs=1,
        folder=str(tmp_path),
    )
    with harbour(storage=azurite) as fleet:
        run = fleet.submit(job)
        zombie = fleet.start(CM_LIGHT_SLOTS=1)
        eventually((tmp_path / "begun-1").exists)
        zombie.freeze()
        (tmp_path / "go-2").touch()
        fleet.start()
        (name,) = fleet.ended(run).result
        (tmp_path / "go-1").touch()
        zombie.thaw()
        zombie.terminate()
        zombie.died()
        assert fleet.machine.blobs.read(BlobRef(name)) == b"0 by attempt 2"


# two of everything


def test_a_worker_frozen_inside_a_transaction_is_cut_off(fleet: Fleet) -> None:
    """Fault 41: it holds a stage's lock and a run's row until the server ends its idle transaction."""
    run = fleet.submit(RELAY)
    frozen = fleet.start(crash=f"close.in_transaction:1:{signal.SIGSTOP}", idle="2s")
    eventually(lambda: frozen.frozen)
    frozen.expire()
    fleet.start()
    assert fleet.ended(run).result == RELAY.expected
    frozen.thaw()
    assert fleet.ended(fleet.submit(Relay(label="again"))).status == "completed"
    assert closings(fleet, run) == 4
    assert violations(fleet.dsn) == []


def test_a_reconciler_frozen_inside_a_repair_is_cut_off(fleet: Fleet) -> None:
    """Fault 41: another one takes over the work that nobody else may do meanwhile."""
    run = fleet.submit(RELAY)
    assert fleet.start(crash="claim.after:1").died() == -signal.SIGKILL
    frozen = fleet.start(crash=f"repair.in_transaction:1:{signal.SIGSTOP}", idle="2s")
    eventually(lambda: frozen.frozen)
    frozen.expire()
    fleet.start()
    assert fleet.ended(run).result == RELAY.expected
    frozen.thaw()
    assert fleet.ended(fleet.submit(Relay(label="again"))).status == "completed"
    assert violations(fleet.dsn) == []


def test_many_reconcilers_repair_each_thing_once(fleet: Fleet) -> None:
    """Fault 41; R05: all of them find the stage that a dead worker forgot, one closes it."""
    run = fleet.submit(Relay(legs=300))
    for _ in range(3):
        assert fleet.start(crash="close.in_transaction:1").died() == -signal.SIGKILL
    for _ in range(3):
        fleet.start(CM_RECONCILE_SECONDS=0.02)
    assert fleet.ended(run).result == Relay(legs=300).expected
    assert closings(fleet, run) == 4
    fleet.swept(run)
    assert violations(fleet.dsn) == []


def closings(fleet: Fleet, run: int) -> int:
    ((count,),) = fleet.ask(
        "select count(*) from app.events where run_id = %s and what = 'stage_closed'", run
    )
    return count


# clocks and sizes


@pytest.mark.skipif(
    shutil.which("faketime") is None, reason="Debian's package faketime is not installed"
)
def test_workers_whose_clocks_are_hours_apart_work_together(harbour: Harbour) -> None:
    """Fault 38: leases, delays and timeouts are told by the database's clock alone."""
    with harbour(CM_DEAD_AFTER_SECONDS=8) as fleet:
        work_hours_apart(fleet)


def work_hours_apart(fleet: Fleet) -> None:
    doomed = fleet.start(under=["faketime", "-f", "+1h"], FAKETIME_DONT_FAKE_MONOTONIC=1)
    fleet.start(under=["faketime", "-f", "-1h"], FAKETIME_DONT_FAKE_MONOTONIC=1)
    eventually(lambda: fleet.ask("select count(*) from app.sessions") == [(2,)], 60)
    flawed, job = Poison(death="error"), Relay(legs=2_000)
    runs = fleet.submit(flawed), fleet.submit(job)
    eventually(lambda: fleet.ask("select from app.tasks where status = 'completed' and idx > 10"))
    doomed.kill()
    assert fleet.ended(runs[0]).result == flawed.innocents
    assert fleet.ended(runs[1]).result == job.expected
    assert (
        fleet.ask("select from app.sessions where abs(extract(epoch from seen - now())) > 60") == []
    )
    # One at most: the task that the killed worker may have held alone. Skewed leases would cost them all.
    assert fleet.ask("select sum(failures) <= 1 from app.tasks where run_id = %s", runs[1]) == [
        (True,)
    ]
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("legs", [0, 1, 20_000])
def test_a_fan_out_may_have_any_width(fleet: Fleet, legs: int) -> None:
    """Fault 48; R10, R18: none at all closes at once, very many pass no list through any message."""
    job = Relay(legs=legs)
    run = fleet.submit(job)
    fleet.start()
    assert fleet.ended(run, 600).result == job.expected
    assert violations(fleet.dsn) == []
