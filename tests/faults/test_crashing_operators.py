"""Wherever the process of an operator's verb dies, the verb has happened or it has not, and nothing is left half done."""

import signal

import pytest

from benchmarks.invariants import violations
from core.blobs import Zone
from core.errors import JobNotFound
from core.upkeep.removal import Removal
from tests.faults.conftest import Harbour
from tests.support.fault_jobs.publisher import Publisher
from tests.support.fault_jobs.relay import Relay
from tests.support.fleet import Fleet
from tests.support.waiting import eventually

BY = "an operator"
JOB = Relay(legs=20)
ENDING = ("cancel.in_transaction", "cancel.after_commit")
PAUSING = ("move.in_transaction", "pause.after_commit", "pause.between_chunks")
RESUMING = ("move.in_transaction", "resume.after_commit", "resume.between_chunks")
BEGINNING = ("begin.in_transaction", "begin.after_commit")
CARRYING = ("carry.between_chunks",)
DELETING = ("delete.after_mark", "delete.after_blobs", "delete.between_chunks")
CONTROL_POINTS = {*ENDING, *PAUSING, *RESUMING, *BEGINNING, *CARRYING, *DELETING}


def dies(fleet: Fleet, verb: str, point: str, **told: object) -> None:
    process = fleet.operator(verb, JOB.fingerprint, f"{point}:1", **told)
    assert process.died() == -signal.SIGKILL, process.told()


def runs(fleet: Fleet) -> list[tuple[int, str]]:
    return fleet.ask("select number, status from app.runs order by number")


def half_done(fleet: Fleet) -> int:
    """A job of which the first tasks are done: its only worker dies on the way."""
    run = fleet.submit(JOB)
    worker = fleet.start(crash="close.before:9", CM_BATCH=1, CM_LIGHT_SLOTS=1)
    assert worker.died() == -signal.SIGKILL
    return run


def completes(fleet: Fleet, run: int) -> None:
    ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed", JOB.expected), ended.error
    fleet.swept(run)
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("point", ENDING)
def test_an_operator_who_dies_over_a_cancel_has_cancelled_or_not(fleet: Fleet, point: str) -> None:
    """R37: what a dead cancel leaves, the reconciler sweeps."""
    run = half_done(fleet)
    dies(fleet, "cancel", point)
    fleet.start()
    if point == "cancel.in_transaction":
        completes(fleet, run)
        return
    assert fleet.ended(run).status == "cancelled"
    fleet.swept(run)
    assert violations(fleet.dsn) == []


@pytest.mark.parametrize("point", PAUSING)
def test_an_operator_who_dies_over_a_pause_has_paused_or_not(fleet: Fleet, point: str) -> None:
    run = half_done(fleet)
    dies(fleet, "pause", point)
    fleet.start()
    if point != "move.in_transaction":
        eventually(
            lambda: not fleet.ask("select from app.tasks where status in ('queued', 'processing')")
        )
        assert runs(fleet) == [(1, "paused")]
        assert violations(fleet.dsn, grace=0) == []
        fleet.control.resume(JOB.fingerprint, by=BY)
    completes(fleet, run)


@pytest.mark.parametrize("point", RESUMING)
def test_an_operator_who_dies_over_a_resume_has_resumed_or_not(fleet: Fleet, point: str) -> None:
    """Tasks that stay aside are made due by the reconciler."""
    run = half_done(fleet)
    fleet.control.pause(JOB.fingerprint, by=BY)
    dies(fleet, "resume", point)
    fleet.start()
    if point == "move.in_transaction":
        assert runs(fleet) == [(1, "paused")]
        fleet.control.resume(JOB.fingerprint, by=BY)
    completes(fleet, run)


@pytest.mark.parametrize("point", BEGINNING)
@pytest.mark.parametrize(
    ("verb", "told"), [("resubmit", {}), ("replay", {"stage": "run"})], ids=["resubmit", "replay"]
)
def test_an_operator_who_dies_over_a_new_run_has_begun_it_or_not(
    fleet: Fleet, point: str, verb: str, told: dict[str, object]
) -> None:
    """Faults 10, 46: no half a run is left, and the next one who asks begins it."""
    half_done(fleet)
    fleet.control.cancel(JOB.fingerprint, by=BY)
    dies(fleet, verb, point, **told)
    if point == "begin.in_transaction":
        assert runs(fleet) == [(1, "cancelled")]
        getattr(fleet.control, verb)(JOB.fingerprint, by=BY, **told)
    assert [number for number, _ in runs(fleet)] == [1, 2]
    fleet.start()
    ((run,),) = fleet.ask("select run_id from app.runs where number = 2")
    completes(fleet, run)


@pytest.mark.parametrize("place", [1, 2])
def test_a_worker_may_die_while_it_takes_tasks_over(fleet: Fleet, place: int) -> None:
    """Fault 46, R09: taking over is repeated, and takes nothing twice."""
    half_done(fleet)
    fleet.control.cancel(JOB.fingerprint, by=BY)
    new = fleet.control.resubmit(JOB.fingerprint, by=BY).run
    worker = fleet.start(crash=f"carry.between_chunks:{place}")
    assert worker.died() == -signal.SIGKILL
    fleet.start()
    completes(fleet, new.run)
    ((taken,),) = fleet.ask(
        "select count(*) from app.tasks where run_id = %s and stage = 0 and attempt = 0", new.run
    )
    assert taken > 0


@pytest.mark.parametrize("point", DELETING)
def test_an_operator_who_dies_over_a_deletion_has_it_finished_by_others(
    harbour: Harbour, azurite: str, point: str
) -> None:
    """Fault 41: the mark comes first, so somebody goes on."""
    with harbour(storage=azurite) as fleet:
        check_deletion(fleet, point)


def check_deletion(fleet: Fleet, point: str) -> None:
    run = half_done(fleet)
    fleet.control.cancel(JOB.fingerprint, by=BY)
    dies(fleet, "delete", point)
    assert fleet.ask("select from app.jobs where deleting_at is not null")
    fleet.start()
    eventually(lambda: not fleet.ask("select from app.jobs"))
    for table in ("runs", "stages", "tasks", "events", "checkpoints"):
        assert fleet.ask(f"select from app.{table}") == [], table
    with pytest.raises(JobNotFound):
        fleet.control.resubmit(JOB.fingerprint, by=BY)
    again = fleet.submit(JOB)
    assert again > run
    completes(fleet, again)


def test_a_deletion_over_real_storage_leaves_no_blob(harbour: Harbour, azurite: str) -> None:
    """What a published blob says about where it came from is the same in Azure Storage."""
    job = Publisher(container="deleted")
    with harbour(storage=azurite) as fleet:
        run = fleet.submit(job)
        worker = fleet.start()
        assert fleet.ended(run).status == "completed"
        worker.kill()
        refs = [f"silver/{job.container}/{n}.txt" for n in range(3)]
        preview = Removal(fleet.machine).preview(job.fingerprint)
        assert sorted(preview.names) == refs
        removed = Removal(fleet.machine).delete(job.fingerprint, by=BY)
        assert sorted(removed.names) == refs
        assert fleet.machine.blobs.list(Zone.SILVER, job.container).blobs == []
