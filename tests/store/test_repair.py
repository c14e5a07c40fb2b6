"""Repair: dead workers, hanging tasks, lost messages, forgotten stages; and nothing that is well."""

from datetime import timedelta
from functools import partial

import pytest

from core.ports import Limits, Repairs
from core.states import JobStatus
from core.tasks import Again, Released, TaskKey, Wakeup
from core.upkeep.reconciler import Reconciler
from tests.store.desk import BROKEN, Stage, at_once, given
from tests.store.sample_jobs import Fan, Hasty, Line, Wide

NOTHING = Repairs()


def test_nothing_is_repaired_while_all_is_well(desk):
    """R26: a healthy long task is left alone; its worker's heartbeat is its lease."""
    desk.submit(Line())
    claim = desk.one()
    for _ in range(10):
        desk.advance(15)
        assert desk.store.heartbeat(desk.worker) == [(claim.key, 1)]
        assert desk.repair() == NOTHING
    assert desk.settle(given(1), claim) == {claim.key}


def test_a_task_whose_worker_died_is_due_again(desk):
    """Fault 2, R16: the lease lapses, and the attempt counts."""
    run = desk.submit(Line())
    claim = desk.one()
    desk.advance(21)
    assert desk.repair() == Repairs(requeued=1)
    task = desk.task(claim.key)
    assert (task.status, task.attempt, task.failures, task.owned) == ("queued", 1, 1, False)
    lost = desk.events(run.job_id)[-1]
    assert (lost.what, lost.attempt) == ("task_lost", 1)
    assert lost.data["message"] == "attempt 1 did not end: its worker died"
    assert desk.one().attempt == 2


def test_a_task_that_hangs_is_taken_from_a_worker_that_lives(desk):
    """Fault 32: heartbeats go on, the deadline does not."""
    run = desk.submit(Hasty())
    claim = desk.one()
    desk.advance(61)
    desk.store.heartbeat(desk.worker)
    assert desk.repair() == Repairs(requeued=1)
    assert desk.events(run.job_id)[-1].data["message"].endswith("it ran past its timeout")
    assert desk.store.heartbeat(desk.worker) == []
    assert desk.settle(given(1), claim) == set()


def test_a_task_that_says_how_far_it_is_keeps_its_lease(desk):
    """R26, R03: a report renews the deadline."""
    desk.submit(Hasty())
    claim = desk.one()
    for n in range(5):
        desk.advance(54)
        assert desk.store.renew(claim, desk.session, n / 5, "warping")
        assert desk.repair(dead_after=1e6) == NOTHING
    desk.advance(61)
    assert desk.repair(dead_after=1e6).requeued == 1
    assert not desk.store.renew(claim, desk.session, 1.0, "too late")


def test_attempts_run_out_and_the_reason_is_kept(desk):
    """Fault 30, 31, R18, R25: a task that kills its worker is tried as often as allowed, then failed."""
    run = desk.submit(Line())
    for _ in range(2):
        claim = desk.one()
        desk.advance(21)
        repairs = desk.repair()
        desk.store.heartbeat(desk.worker)
    assert repairs == Repairs(failed=1)
    task = desk.task(claim.key)
    assert (task.status, task.failures) == ("failed", 2)
    assert task.error["code"] == "lease_lost"
    assert desk.machine.repair_stages() == 1
    end = desk.finished(run.run)
    assert end.status == "failed"
    assert end.error["message"] == "attempt 2 did not end: its worker died"
    assert desk.whats(run.job_id)[-3:] == ["task_failed", "stage_closed", "job_failed"]


def test_tasks_that_died_in_company_are_tried_alone_before_one_is_blamed(desk):
    """Fault 31: of a batch nobody knows who killed it, so no attempt counts yet."""
    run = desk.submit(Fan(n=3))
    desk.plan()
    assert len(desk.claim()) == 3
    desk.advance(21)
    assert desk.repair() == Repairs(requeued=3)
    keys = [TaskKey(run.run, 0, n) for n in range(3)]
    assert [desk.task(key).failures for key in keys] == [0, 0, 0]
    assert [len(desk.claim(session=desk.new_worker().session)) for _ in range(4)] == [1, 1, 1, 0]
    desk.advance(21)
    assert desk.repair() == Repairs(requeued=3)
    assert [desk.task(key).failures for key in keys] == [1, 1, 1]


def test_a_task_lost_in_company_is_passed_over_by_a_batch(outbox_desk):
    """Fault 31: the same with messages that name tasks."""
    desk = outbox_desk
    run = desk.submit(Fan(n=3))
    desk.plan()
    desk.claim(limit=2)
    desk.advance(21)
    assert desk.repair().requeued == 2
    due = [Wakeup(TaskKey(run.run, 0, n), attempt) for n, attempt in ((0, 1), (1, 1), (2, 0))]
    assert [c.key.idx for c in desk.store.claim_named(due, desk.session)] == [2]
    assert [c.key.idx for c in desk.store.claim_named(due[:1], desk.session)] == [0]


def test_a_task_always_lost_in_company_is_blamed_in_the_end(desk):
    """Fault 31: no infinite loop, however unlucky its company."""
    run = desk.submit(Wide(n=2))
    desk.plan()
    rounds = 0
    while desk.status(run.run) == "processing":
        worker = desk.new_worker()
        for _ in range(2):
            desk.claim(session=worker.session, limit=1)
        desk.advance(21)
        desk.repair()
        desk.machine.repair_stages()
        rounds += 1
        assert rounds < 12
    assert desk.status(run.run) == "failed"


def test_a_worker_that_says_it_ends_gives_its_tasks_back_unharmed(desk):
    """R38, Fault 39."""
    desk.submit(Line())
    claim = desk.one()
    assert desk.store.give_back(desk.session, [(claim.key, claim.attempt)]) == 1
    desk.store.end_session(desk.session)
    assert desk.task(claim.key)[:4] == ("queued", 1, 0, False)
    assert desk.store.give_back(desk.session, [(claim.key, claim.attempt)]) == 0


def test_a_worker_that_ended_without_giving_back_is_dead(desk):
    desk.submit(Line())
    desk.one()
    desk.store.end_session(desk.session)
    assert desk.repair().requeued == 1


def test_only_attempts_held_long_enough_are_given_back_as_strays(desk):
    """Fault 16: a claim whose reply was lost, but not one whose reply is on its way."""
    desk.submit(Line())
    claim = desk.one()
    named = [(claim.key, claim.attempt)]
    assert desk.store.give_back(desk.session, named, older=60) == 0
    desk.advance(61)
    assert desk.store.give_back(desk.session, [(claim.key, 2)], older=60) == 0
    assert desk.store.give_back(desk.new_worker().session, named, older=60) == 0
    assert desk.store.give_back(desk.session, named, older=60) == 1


def test_the_heartbeat_tells_a_worker_what_it_owns(desk):
    """Fault 16: so it can let go what it never heard of, and stop what it lost."""
    desk.submit(Wide(n=3))
    desk.plan()
    claims = desk.claim(limit=2)
    assert sorted(desk.store.heartbeat(desk.worker)) == [(c.key, 1) for c in claims]
    desk.complete(claims[0])
    assert desk.store.heartbeat(desk.worker) == [(claims[1].key, 1)]
    assert desk.store.heartbeat(desk.new_worker()) == []


def test_sessions_long_dead_are_forgotten_once_they_hold_nothing(desk):
    desk.submit(Line())
    desk.one()
    gone = desk.new_worker()
    desk.advance(201)
    desk.store.heartbeat(desk.new_worker())
    assert desk.repair() == Repairs(requeued=1, sessions=2)
    assert desk.repair() == NOTHING
    assert desk.store.heartbeat(gone) == []


def test_a_stage_whose_closer_died_is_closed_by_the_reconciler(desk):
    """R05, Fault 5: completed and committed, but nobody looked whether it was the last."""
    run = desk.submit(Fan(n=3))
    desk.plan()
    desk.settle(given(1), *desk.claim())
    assert desk.stage(run.run, 0) == Stage("open", 3, None)
    assert desk.store.forgotten(10) == [(run.run, 0)]
    assert desk.machine.repair_stages() == 1
    assert desk.stage(run.run, 0) == Stage("closed", 3, "ok")
    assert desk.store.forgotten(10) == []
    assert desk.machine.repair_stages() == 0
    assert len(desk.claim()) == 1


def test_a_stage_that_works_is_not_forgotten(desk):
    """R27."""
    run = desk.submit(Fan(n=2))
    assert desk.store.forgotten(10) == []
    desk.plan()
    one, two = desk.claim()
    desk.settle(given(1), one)
    desk.settle(Again(timedelta(hours=1), BROKEN, counted=True), two)
    assert desk.store.forgotten(10) == []
    assert desk.machine.repair_stages() == 0
    assert desk.stage(run.run, 0).status == "open"


def test_what_an_ended_job_has_left_is_swept_by_the_reconciler(desk):
    """R37: its closer died before it could cancel the rest."""
    run = desk.submit(Wide(n=5))
    desk.plan()
    desk.claim(limit=2)
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.CANCELLED)
    assert desk.store.unswept(10) == [run.run]
    assert not desk.store.sweep(run.run)
    desk.machine.repair_stages()
    assert desk.statuses(run.run, 0)[1:] == ["cancelled"] * 5
    assert desk.store.unswept(10) == []
    assert desk.finished(run.run).swept


def test_a_job_that_runs_is_not_swept(desk):
    run = desk.submit(Line())
    assert desk.store.unswept(10) == []
    assert not desk.store.sweep(run.run)
    assert not desk.store.sweep(10**6)


def test_reconcilers_that_run_at_once_repair_everything_once(desk):
    """Fault 41: any number may run; each round is idempotent."""
    runs = [desk.submit(Line(label=str(n))) for n in range(20)]
    for _ in runs:
        desk.claim(session=desk.new_worker().session, limit=1)
    desk.advance(21)
    repaired = at_once(*[desk.repair] * 6)
    repaired.append(desk.repair())
    assert sum(repairs.requeued for repairs in repaired) == 20
    for run in runs:
        assert desk.whats(run.job_id).count("task_lost") == 1
        assert desk.task(TaskKey(run.run, 0, 0)).failures == 1


def test_repairs_are_done_in_bounded_chunks(desk):
    desk.submit(Wide(n=10))
    desk.plan()
    desk.settle(Again(timedelta(0), BROKEN, counted=False), *desk.claim())
    woken = [desk.repair(chunk=4).woken for _ in range(4)]
    assert woken == [4, 4, 2, 0]


def test_a_round_of_the_reconciler_does_it_all(desk):
    class Broker:
        relayed = read = 0

        def relay(self) -> int:
            self.relayed += 1
            return 0

        def collect_dead(self) -> int:
            self.read += 1
            return 0

    run = desk.submit(Fan(n=1))
    desk.plan()
    desk.settle(given(1), *desk.claim())
    broker = Broker()
    assert Reconciler(desk.machine, broker, Limits()).round() == Repairs(closed=1)
    assert (broker.relayed, broker.read) == (1, 1)
    assert desk.stage(run.run, 1).status == "open"


# messages


def sent(desk) -> list[Wakeup]:
    with desk.take() as messages:
        return [wakeup for _, wakeup in messages]


def test_every_due_task_is_promised_a_message_in_the_same_transaction(outbox_desk):
    """R06, R22, R40: submitted, planned, opened, given back: each time one message."""
    desk = outbox_desk
    run = desk.submit(Fan(n=2))
    desk.submit(Fan(n=2))
    assert sent(desk) == [Wakeup(TaskKey(run.run, 0, -1), 0)]
    desk.plan()
    assert sorted(sent(desk)) == [Wakeup(TaskKey(run.run, 0, n), 0) for n in (0, 1)]
    one, two = desk.claim()
    desk.settle(Released(), one)
    assert sent(desk) == [Wakeup(one.key, 1)]
    desk.store.give_back(desk.session, [(two.key, 1)])
    assert sent(desk) == [Wakeup(two.key, 1)]
    desk.complete(*desk.claim())
    assert sent(desk) == [Wakeup(TaskKey(run.run, 1, 0), 0)]


def test_messages_taken_by_a_relay_that_dies_are_sent_again(outbox_desk):
    """Fault 8, R22: duplicates, never loss."""
    desk = outbox_desk
    desk.submit(Line())

    def die_after_sending() -> None:
        with desk.take() as messages:
            assert len(messages) == 1
            raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        die_after_sending()
    assert len(sent(desk)) == 1
    assert sent(desk) == []


def test_relays_side_by_side_send_each_message_once(outbox_desk):
    """Fault 41."""
    desk = outbox_desk
    desk.submit(Wide(n=200))
    desk.plan()

    def relay() -> list[Wakeup]:
        mine: list[Wakeup] = []
        while True:
            with desk.take(9) as messages:
                if not messages:
                    return mine
                mine += [wakeup for _, wakeup in messages]

    taken = [wakeup for mine in at_once(*[relay] * 6) for wakeup in mine]
    assert len(taken) == len(set(taken)) == 201


def test_a_message_that_got_lost_is_sent_again(outbox_desk):
    """Fault 24, R22, R06: queued, published long ago, and nobody came."""
    desk = outbox_desk
    run = desk.submit(Line())
    lost = sent(desk)
    desk.advance(30)
    desk.store.heartbeat(desk.worker)
    assert desk.repair() == NOTHING
    desk.advance(32)
    assert desk.repair() == Repairs(republished=1)
    assert sent(desk) == lost == [Wakeup(TaskKey(run.run, 0, 0), 0)]
    assert desk.repair() == NOTHING


def test_a_message_that_waits_in_the_outbox_is_not_promised_twice(outbox_desk):
    """Fault 28: while the broker refuses, the outbox does not grow by itself."""
    desk = outbox_desk
    run = desk.submit(Line())
    for _ in range(3):
        desk.advance(61)
        desk.store.heartbeat(desk.worker)
        assert desk.repair() == NOTHING
    assert sent(desk) == [Wakeup(TaskKey(run.run, 0, 0), 0)]


def test_a_message_sent_again_for_a_running_task_runs_nothing_twice(outbox_desk):
    """R27, Fault 26: the claim fences it."""
    desk = outbox_desk
    desk.submit(Line())
    (wakeup,) = sent(desk)
    assert len(desk.store.claim_named([wakeup], desk.session)) == 1
    desk.advance(61)
    desk.store.heartbeat(desk.worker)
    assert desk.repair() == NOTHING
    assert desk.store.claim_named([wakeup], desk.session) == []


def test_a_repaired_task_gets_a_new_message(outbox_desk):
    """R24: lost, or waited for; the message is for the next attempt."""
    desk = outbox_desk
    run = desk.submit(Line())
    sent(desk)
    claim = desk.one()
    desk.advance(21)
    assert desk.repair().requeued == 1
    assert sent(desk) == [Wakeup(claim.key, 1)]
    desk.store.heartbeat(desk.worker)
    desk.settle(Again(timedelta(seconds=5), BROKEN, counted=False), desk.one())
    assert sent(desk) == []
    desk.advance(6)
    assert desk.repair().woken == 1
    assert sent(desk) == [Wakeup(TaskKey(run.run, 0, 0), 2)]


def test_a_poison_message_is_set_aside(desk):
    """Fault 29."""
    desk.store.quarantine("tasks-light", "m-1", b"\x00\xff{", "not a task message")
    assert desk.quarantined() == [("tasks-light", "m-1", b"\x00\xff{", "not a task message")]


def test_dropping_side_by_side_cancels_each_task_once(desk):
    """Fault 45: cancel against cancel."""
    run = desk.submit(Wide(n=100))
    desk.plan()
    dropped = at_once(*[partial(desk.store.drop_queued, run.run, 0, 30)] * 6)
    while more := desk.store.drop_queued(run.run, 0, 30):
        dropped.append(more)
    assert sum(dropped) == 100
