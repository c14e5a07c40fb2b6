"""Cancel, pause and resume: what becomes of tasks that are due, that run, and that are written meanwhile."""

from datetime import timedelta

import pytest

from core.control import desk as control
from core.errors import Cancelled, Conflict
from core.ports import Limits
from core.queues import QueueName
from core.stages import Decision
from core.tasks import Again, NewTask, Payload, Released, TaskKey
from core.upkeep.reconciler import Reconciler
from tests.store.desk import BROKEN, Desk, given
from tests.store.sample_jobs import Diamond, Fan, Gated, Hasty, Line, Wide

BY = "ada"


class NoQueue:
    def collect_dead(self) -> int:
        return 0

    def relay(self) -> int:
        return 0


def reconcile(desk: Desk):
    return Reconciler(desk.machine, NoQueue(), Limits(dead_after=1e6)).round()


# Cancel


def test_a_cancelled_job_loses_what_is_due_at_once_and_what_runs_at_its_next_safe_point(desk):
    """R37: cooperative, and fenced."""
    run = desk.submit(Wide(n=4))
    desk.plan()
    (claim, other) = desk.claim(limit=2)
    runner = desk.runner
    runner.held.add([claim, other])
    done = desk.control.cancel(run.job_id, by=BY, reason="the wrong year")
    assert (done.changed, done.run.status) == (True, "cancelled")
    assert desk.claim() == []
    assert desk.statuses(run.run, 0)[1:] == ["cancelled"] * 4
    owned = dict(desk.store.heartbeat(desk.worker))
    runner.held.lose(key for key in (claim.key, other.key) if key not in owned)
    with pytest.raises(Cancelled):
        runner.held.check(claim.key)
    assert desk.settle(given(7), claim) == set()
    assert desk.task(claim.key)[:2] == ("cancelled", 1)
    assert desk.stage(run.run, 0).status == "cancelled"
    assert desk.finished(run.run).swept


def test_a_cancelled_job_says_who_and_why(desk):
    run = desk.submit(Line())
    desk.control.cancel(run.job_id, by=BY, reason="the wrong year")
    assert desk.finished(run.run).error["message"] == "cancelled by ada: the wrong year"
    told = desk.events(run.job_id)[-1]
    assert (told.what, told.data) == (
        "job_cancelled",
        {"run": 1, "by": BY, "reason": "the wrong year"},
    )


def test_the_writes_of_a_cancelled_task_are_refused(desk):
    """R37: at every point where a task writes, the fence is asked."""
    run = desk.submit(Fan(n=3))
    (plan,) = desk.claim(QueueName.JOBS)
    with desk.store.turn(run.run) as turn:  # the very moment of the commit: nothing is swept yet
        turn.finish(turn.run.status.CANCELLED)
    assert not desk.store.add_tasks(plan, desk.session, [NewTask(0, Payload(b"1"))])
    assert not desk.store.open_planned(plan, desk.session, 0)
    desk.store.keep_checkpoint(plan, "warp", Payload(b"1"))
    assert desk.store.checkpoint(plan, "warp") is None
    assert [key.idx for key in desk.keys(run.run, 0)] == [-1]
    desk.machine.sweep(run.run)


def test_nothing_of_a_job_is_claimed_between_its_cancel_and_its_sweep(desk):
    """The verb may die right after its commit."""
    run = desk.submit(Line())
    with desk.store.turn(run.run) as turn:
        turn.finish(turn.run.status.CANCELLED)
    assert desk.claim() == []
    assert desk.statuses(run.run, 0) == ["cancelled"]
    desk.machine.sweep(run.run)


def test_a_gate_cannot_be_approved_after_the_cancel(desk):
    run = desk.submit(Gated())
    desk.work()
    with desk.store.turn(run.run) as turn:
        turn.finish(turn.run.status.CANCELLED)
    assert not desk.store.decide_gate(TaskKey(run.run, 1, 0), Decision(approved=True, by=BY))
    desk.machine.sweep(run.run)


# Pause


def test_nothing_of_a_paused_job_is_begun_and_resuming_goes_on(desk):
    run = desk.submit(Wide(n=4))
    desk.plan()
    (claim,) = desk.claim(limit=1)
    assert desk.control.pause(run.job_id, by=BY).run.status == "paused"
    assert desk.claim() == []
    desk.complete(claim)
    assert desk.statuses(run.run, 0)[1:] == ["completed", "waiting", "waiting", "waiting"]
    assert desk.control.resume(run.job_id, by=BY).run.status == "processing"
    desk.work()
    assert desk.status(run.run) == "completed"
    whats = desk.whats(run.job_id)
    assert [w for w in whats if w in ("job_paused", "job_resumed")] == ["job_paused", "job_resumed"]


def test_a_job_that_was_paused_before_anybody_began_it_is_queued_again(desk):
    run = desk.submit(Line())
    desk.control.pause(run.job_id, by=BY)
    assert desk.claim() == []
    assert desk.task(TaskKey(run.run, 0, 0))[:2] == ("waiting", 0)
    assert desk.control.resume(run.job_id, by=BY).run.status == "queued"
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", 2)
    assert desk.whats(run.job_id).count("job_started") == 1


def test_a_stage_that_closes_during_a_pause_opens_the_next_one_and_nobody_claims_it(desk):
    """A close that happens meanwhile is not lost."""
    run = desk.submit(Fan(n=2))
    desk.plan()
    claims = desk.claim()
    desk.control.pause(run.job_id, by=BY)
    desk.complete(*claims)
    assert desk.stage(run.run, 1)[:2] == ("open", 1)
    assert desk.status(run.run) == "paused"
    assert desk.claim() == []
    desk.control.resume(run.job_id, by=BY)
    desk.work()
    assert desk.status(run.run) == "completed"


def test_planning_that_runs_during_a_pause_writes_tasks_that_nobody_claims(desk):
    run = desk.submit(Fan(n=3))
    plans = desk.claim(QueueName.JOBS)
    desk.control.pause(run.job_id, by=BY)
    desk.runner.run(plans, patience=float("inf"))
    assert desk.stage(run.run, 0)[:2] == ("open", 3)
    assert desk.claim() == []
    assert desk.statuses(run.run, 0)[1:] == ["waiting"] * 3
    assert {desk.task(key).attempt for key in desk.keys(run.run, 0)[1:]} == {0}
    desk.control.resume(run.job_id, by=BY)
    desk.work()
    assert desk.status(run.run) == "completed"


def test_the_last_task_of_a_paused_job_ends_it(desk):
    """Complete against pause: what has nothing left to do is done."""
    run = desk.submit(Wide(n=1))
    desk.plan()
    claims = desk.claim()
    desk.control.pause(run.job_id, by=BY)
    desk.complete(*claims)
    assert desk.status(run.run) == "completed"


def test_a_task_given_back_during_a_pause_waits_for_its_end(desk):
    run = desk.submit(Line())
    claim = desk.one()
    desk.control.pause(run.job_id, by=BY)
    desk.settle(Released(), claim)
    assert reconcile(desk).steered == 1
    assert desk.task(claim.key).status == "waiting"
    assert desk.claim() == []
    desk.control.resume(run.job_id, by=BY)
    assert len(desk.claim()) == 1


def test_a_retry_that_comes_due_during_a_pause_waits_for_its_end(desk):
    run = desk.submit(Hasty())
    claim = desk.one()
    desk.settle(Again(timedelta(seconds=10), BROKEN, counted=True), claim)
    desk.control.pause(run.job_id, by=BY)
    desk.advance(20)
    desk.repair(dead_after=1e6)
    assert desk.claim() == []
    desk.control.resume(run.job_id, by=BY)
    assert [c.attempt for c in desk.claim()] == [2]


def test_a_gate_of_a_paused_job_can_be_settled(desk):
    run = desk.submit(Gated())
    desk.work()
    desk.control.pause(run.job_id, by=BY)
    desk.control.decide(run.job_id, "review", Decision(approved=True, by=BY))
    assert desk.claim() == []
    desk.control.resume(run.job_id, by=BY)
    desk.work()
    assert desk.status(run.run) == "completed"


def test_a_paused_job_can_be_cancelled_and_nothing_stays(desk):
    run = desk.submit(Wide(n=3))
    desk.plan()
    desk.control.pause(run.job_id, by=BY)
    desk.control.cancel(run.job_id, by=BY)
    assert desk.statuses(run.run, 0)[1:] == ["cancelled"] * 3
    assert reconcile(desk).steered == 0


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_verb_that_died_after_its_commit_is_finished_by_the_reconciler(desk, verb, monkeypatch):
    run = desk.submit(Wide(n=5))
    desk.plan()
    if verb == "resume":
        desk.control.pause(run.job_id, by=BY)

    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(control.Control, "_in_chunks", dies)
    with pytest.raises(KeyboardInterrupt):
        getattr(desk.control, verb)(run.job_id, by=BY)
    assert reconcile(desk).steered == 5
    assert reconcile(desk).steered == 0
    assert len(desk.claim()) == (0 if verb == "pause" else 5)


def test_a_pause_moves_its_tasks_in_chunks(desk, monkeypatch):
    monkeypatch.setattr(control, "CHUNK", 2)
    run = desk.submit(Wide(n=5))
    desk.plan()
    desk.control.pause(run.job_id, by=BY)
    assert desk.statuses(run.run, 0)[1:] == ["waiting"] * 5
    desk.control.resume(run.job_id, by=BY)
    assert desk.statuses(run.run, 0)[1:] == ["queued"] * 5


def test_a_pause_leaves_other_jobs_alone(desk):
    paused, other = desk.submit(Wide(n=3)), desk.submit(Wide(n=3, label="other"))
    desk.plan()
    with desk.store.turn(paused.run) as turn:  # before anything is set aside
        turn.move(turn.run.status.PAUSED)
    assert {claim.key.run for claim in desk.claim()} == {other.run}
    desk.control.resume(paused.job_id, by=BY)
    assert len(desk.claim()) == 3


def test_a_paused_job_promises_no_messages_and_a_resumed_one_does(outbox_desk):
    desk = outbox_desk
    run = desk.submit(Wide(n=2))
    desk.plan()
    with desk.take() as sent:
        wakeups = [wakeup for _, wakeup in sent]
    desk.control.pause(run.job_id, by=BY)
    assert desk.store.claim_named(wakeups, desk.session) == []
    desk.advance(1000)
    desk.repair(lost_after=60, dead_after=1e6)
    with desk.take() as sent:
        assert sent == []
    desk.control.resume(run.job_id, by=BY)
    with desk.take() as sent:
        assert len(desk.store.claim_named([wakeup for _, wakeup in sent], desk.session)) == 2


def test_branches_close_side_by_side_during_a_pause(desk):
    run = desk.submit(Diamond())
    desk.complete(desk.one())
    left, right = desk.claim()
    desk.control.pause(run.job_id, by=BY)
    desk.complete(left)
    desk.complete(right)
    assert desk.stage(run.run, 3).status == "open"
    assert desk.claim() == []
    desk.control.resume(run.job_id, by=BY)
    desk.work()
    assert desk.status(run.run) == "completed"


def test_a_job_that_is_settled_twice_at_a_gate_is_told(desk):
    run = desk.submit(Gated())
    desk.work()
    desk.control.decide(run.job_id, "review", Decision(approved=True, by=BY))
    with pytest.raises(Conflict, match="settled already"):
        desk.control.decide(run.job_id, "review", Decision(approved=False, by="bob"))
