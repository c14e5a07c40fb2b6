"""Losses with their worker: what came further goes on, what does not ends; both stores judge alike."""

from datetime import timedelta

from core.ports import Repairs
from core.queues import HEAVY
from core.tasks import Again, Payload, TaskError
from tests.store.sample_jobs import Marathon


def lose(desk, *phases: str) -> None:
    """A worker claims the task, keeps these phases, and dies with its host."""
    worker = desk.new_worker()
    (claim,) = desk.claim(HEAVY, 1, session=worker.session)
    for name in phases:
        desk.store.keep_checkpoint(claim, name, Payload(b"1"))
    desk.advance(21)
    desk.store.heartbeat(desk.worker)
    desk.repair()


def test_losses_that_each_come_further_cost_no_attempt(desk):
    """Fault 52: more hosts may die than the task has attempts."""
    run = desk.submit(Marathon())
    for n in range(15):
        lose(desk, f"phase-{n}")
    (key,) = desk.keys(run.run, 0)
    task = desk.task(key)
    assert (task.status, task.attempt, task.failures) == ("queued", 15, 0)
    assert task.error["message"] == "attempt 15 did not end: its worker died"


def test_two_losses_in_a_row_without_a_new_checkpoint_fail_the_task(desk):
    """Fault 52: it has attempts left, but no hope."""
    run = desk.submit(Marathon())
    lose(desk, "a")
    lose(desk)
    (key,) = desk.keys(run.run, 0)
    assert (desk.task(key).status, desk.task(key).failures) == ("queued", 1)
    lose(desk)
    task = desk.task(key)
    assert (task.status, task.failures, task.error["code"]) == ("failed", 2, "no_progress")
    assert "it makes no progress" in task.error["message"]
    assert desk.machine.repair_stages() == 1
    assert desk.finished(run.run).error["code"] == "no_progress"
    assert desk.whats(run.job_id)[-3:] == ["task_failed", "stage_closed", "job_failed"]


def test_progress_between_two_losses_forgives_the_ones_before(desk):
    run = desk.submit(Marathon())
    for phases in (["a"], [], ["b"], [], ["c"], []):
        lose(desk, *phases)
    (key,) = desk.keys(run.run, 0)
    assert (desk.task(key).status, desk.task(key).failures) == ("queued", 3)


def test_a_phase_that_is_made_again_and_again_is_no_progress(desk):
    """R39: its artifact is lost with every host."""
    run = desk.submit(Marathon())
    for _ in range(3):
        lose(desk, "a")
    (key,) = desk.keys(run.run, 0)
    assert desk.task(key).error["code"] == "no_progress"


def test_a_task_that_keeps_nothing_has_all_its_attempts(desk):
    """Fault 31: it is not known to have phases, so only its attempts say when to stop."""
    run = desk.submit(Marathon())
    for n in range(9):
        (key,) = desk.keys(run.run, 0)
        assert desk.task(key).failures == n
        lose(desk)
    assert (desk.task(key).status, desk.task(key).error["code"]) == ("failed", "lease_lost")


def test_losses_in_company_say_nothing_about_progress(desk):
    """Fault 31: whoever dies beside another is not known to be the one that stalls."""
    run = desk.submit(Marathon())
    lose(desk, "a")
    desk.submit(Marathon(lap=1))
    for _ in range(2):
        worker = desk.new_worker()
        for _ in range(2):
            assert desk.claim(HEAVY, 1, session=worker.session)
        desk.advance(21)
        desk.store.heartbeat(desk.worker)
        desk.repair()
    (key,) = desk.keys(run.run, 0)
    assert (desk.task(key).status, desk.task(key).failures) == ("queued", 0)


def test_a_living_worker_has_time_to_end_an_overdue_heavy_task_itself(desk):
    """Fault 32: it knows more about the end than the reconciler, which waits a little."""
    run = desk.submit(Marathon())
    desk.one(HEAVY)
    desk.advance(31)
    desk.store.heartbeat(desk.worker)
    assert desk.repair(leeway=60) == Repairs()
    desk.advance(40)
    desk.store.heartbeat(desk.worker)
    assert desk.repair(leeway=60) == Repairs(requeued=1)
    (key,) = desk.keys(run.run, 0)
    assert desk.task(key).error["message"].endswith("it ran past its timeout")


def test_why_the_attempt_before_failed_is_known_while_the_next_one_runs(desk):
    """Fault 33: twice out of memory is once too often."""
    desk.submit(Marathon())
    claim = desk.one(HEAVY)
    assert desk.store.error_before(claim) is None
    error = TaskError("OutOfMemory", "too much", "out_of_memory", "trace")
    desk.settle(Again(timedelta(0), error, counted=True), claim)
    desk.advance(1)
    desk.repair()
    again = desk.one(HEAVY)
    assert desk.store.error_before(again) == error
    assert desk.store.error_before(claim) is None, "that attempt is over"
