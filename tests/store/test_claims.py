"""Claiming: each attempt of a task has one owner, whoever asks, however often."""

from functools import partial

from core.queues import HEAVY, LIGHT
from core.tasks import NewTask, Payload, TaskKey, Wakeup
from tests.store.desk import at_once, given
from tests.store.sample_jobs import Fan, Line, Wide


def test_a_claim_gives_the_task_an_owner_and_starts_its_job(desk):
    run = desk.submit(Line())
    claim = desk.one()
    assert (claim.key, claim.attempt, claim.failures, claim.queue) == (
        TaskKey(run.run, 0, 0),
        1,
        0,
        LIGHT,
    )
    task = desk.task(claim.key)
    assert (task.status, task.attempt, task.owned) == ("processing", 1, True)
    assert desk.status(run.run) == "processing"
    assert desk.whats(run.job_id)[-1] == "job_started"


def test_a_job_starts_once_however_many_of_its_tasks_are_claimed(desk):
    run = desk.submit(Wide(n=4))
    desk.plan()
    for _ in range(4):
        desk.one()
    assert desk.whats(run.job_id).count("job_started") == 1


def test_a_claim_takes_no_more_than_it_was_asked_for_in_order(desk):
    run = desk.submit(Wide(n=7))
    desk.plan()
    assert [claim.key.idx for claim in desk.claim(limit=3)] == [0, 1, 2]
    assert [claim.key.idx for claim in desk.claim(limit=3)] == [3, 4, 5]
    assert [claim.key.idx for claim in desk.claim(limit=3)] == [6]
    assert desk.claim(limit=3) == []
    assert desk.statuses(run.run, 0)[1:] == ["processing"] * 7


def test_a_claim_stays_in_its_queue(desk):
    desk.submit(Line())
    assert desk.claim(HEAVY) == []
    assert len(desk.claim(LIGHT)) == 1


def test_one_claim_takes_tasks_of_many_jobs(desk):
    runs = [desk.submit(Line(label=str(n))) for n in range(5)]
    assert [claim.key.run for claim in desk.claim()] == [run.run for run in runs]
    assert {desk.status(run.run) for run in runs} == {"processing"}


def test_a_claim_carries_the_tasks_element(desk):
    desk.submit(Wide(n=3))
    desk.plan()
    assert [claim.arguments.data for claim in desk.claim()] == [b"0", b"1", b"2"]


def test_a_message_delivered_twice_is_claimed_once(desk):
    """R01, R27, Fault 23: the second delivery finds an attempt that is no longer due."""
    run = desk.submit(Line())
    wakeup = Wakeup(TaskKey(run.run, 0, 0), 0)
    first = desk.store.claim_named([wakeup], desk.session)
    assert [(claim.key, claim.attempt) for claim in first] == [(wakeup.key, 1)]
    assert desk.store.claim_named([wakeup], desk.session) == []
    assert desk.store.claim_named([wakeup], desk.new_worker().session) == []
    assert desk.task(wakeup.key).attempt == 1


def test_a_message_that_comes_twice_in_one_batch_is_claimed_once(desk):
    """R01."""
    run = desk.submit(Line())
    wakeup = Wakeup(TaskKey(run.run, 0, 0), 0)
    assert len(desk.store.claim_named([wakeup, wakeup], desk.session)) == 1
    assert desk.task(wakeup.key).attempt == 1


def test_a_message_delivered_to_many_workers_at_once_is_claimed_once(desk):
    """R01, Fault 23."""
    run = desk.submit(Wide(n=10))
    desk.plan()
    wakeups = [Wakeup(TaskKey(run.run, 0, n), 0) for n in range(10)]
    sessions = [desk.new_worker().session for _ in range(8)]
    claimed = at_once(*(partial(desk.store.claim_named, wakeups, s) for s in sessions))
    keys = [claim.key.idx for claims in claimed for claim in claims]
    assert sorted(keys) == list(range(10))


def test_a_message_for_a_task_that_has_ended_changes_nothing(desk):
    """R02, Fault 25: hours late, for a finished task."""
    run = desk.submit(Fan(n=2))
    desk.plan()
    claims = desk.claim()
    desk.complete(*claims)
    before = desk.events(run.job_id)
    late = [Wakeup(claim.key, attempt) for claim in claims for attempt in (0, 1)]
    assert desk.store.claim_named(late, desk.session) == []
    assert [desk.task(claim.key).status for claim in claims] == ["completed"] * 2
    assert desk.events(run.job_id) == before


def test_a_message_for_another_attempt_or_another_stage_matches_nothing(desk):
    """R17, R25: the row is the truth, whatever the message says."""
    run = desk.submit(Line())
    wrong = [
        Wakeup(TaskKey(run.run, 0, 0), 1),
        Wakeup(TaskKey(run.run, 0, 0), -1),
        Wakeup(TaskKey(run.run, 1, 0), 0),
        Wakeup(TaskKey(run.run, 0, 1), 0),
        Wakeup(TaskKey(run.run + 1, 0, 0), 0),
    ]
    assert desk.store.claim_named(wrong, desk.session) == []
    assert len(desk.store.claim_named([Wakeup(TaskKey(run.run, 0, 0), 0)], desk.session)) == 1


def test_a_task_given_back_is_due_for_its_next_attempt_only(desk):
    run = desk.submit(Line())
    key = TaskKey(run.run, 0, 0)
    (claim,) = desk.store.claim_named([Wakeup(key, 0)], desk.session)
    desk.store.give_back(desk.session, [(key, claim.attempt)])
    assert desk.store.claim_named([Wakeup(key, 0)], desk.session) == []
    (again,) = desk.store.claim_named([Wakeup(key, 1)], desk.session)
    assert (again.attempt, again.failures) == (2, 0)


def test_workers_that_claim_side_by_side_share_nothing(desk):
    """Fault 23, R59: 16 workers, 400 tasks, each claimed once."""
    desk.submit(Wide(n=400))
    desk.plan()

    def claim_all(session) -> list[TaskKey]:
        mine: list[TaskKey] = []
        while claims := desk.claim(LIGHT, 7, session):
            mine += [claim.key for claim in claims]
        return mine

    sessions = [desk.new_worker().session for _ in range(16)]
    claimed = [k for keys in at_once(*(partial(claim_all, s) for s in sessions)) for k in keys]
    assert len(claimed) == len(set(claimed)) == 400


def test_tasks_of_a_stage_that_is_still_being_planned_can_be_claimed(desk):
    run = desk.submit(Wide(n=2))
    planning = desk.one("jobs")
    assert desk.store.add_tasks(planning, desk.session, [NewTask(0, Payload(b"0"))])
    claim = desk.one()
    desk.complete(claim)
    assert desk.stage(run.run, 0).status == "expanding"
    assert desk.settle(given(0), claim) == set()
