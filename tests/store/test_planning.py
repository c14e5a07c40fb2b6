"""Planning: a stage's tasks are written once each, come from where they say, or are left out."""

from functools import partial

import pytest

from core.errors import BadResult
from core.states import Tally
from core.tasks import Completed, NewTask, Payload, Released, TaskKey
from tests.store import sample_jobs as jobs
from tests.store.desk import Stage, Task
from tests.store.sample_jobs import Chain, Choosy, Fan, Fickle, Unplannable, Wide


def fan(desk, n: int = 3):
    run = desk.submit(Fan(n=n))
    desk.plan()
    return run, desk.claim()


def test_a_planner_that_fails_fails_its_stage(desk):
    """R11: the stage never opened, and its job does not hang."""
    run = desk.submit(Unplannable())
    desk.work()
    assert desk.stage(run.run, 0) == Stage("closed", 0, "failed")
    end = desk.finished(run.run)
    assert (end.status, end.error["message"]) == ("failed", "the catalogue is empty")
    assert end.error["task"] == f"{run.run}-0-plan"


def test_planning_resumed_after_a_crash_neither_repeats_nor_misses_a_task(desk):
    """R06, R09, Fault 48: chunks already written are written no second time."""
    run = desk.submit(Wide(n=4))
    planning = desk.one("jobs")
    written = [NewTask(0, Payload(b"0")), NewTask(1, Payload(b"1"))]
    assert desk.store.add_tasks(planning, desk.session, written)
    early = desk.claim()
    desk.complete(*early)
    assert desk.stage(run.run, 0).status == "expanding"
    desk.settle(Released(), planning)
    desk.plan()
    assert [key.idx for key in desk.keys(run.run, 0)] == [-1, 0, 1, 2, 3]
    assert desk.stage(run.run, 0) == Stage("open", 4, None)
    desk.complete(*desk.claim())
    assert desk.stage(run.run, 0) == Stage("closed", 4, "ok")


def test_a_planner_that_was_given_up_writes_nothing(desk):
    """Fault 40: every write of a plan is fenced by its claim."""
    run = desk.submit(Wide(n=2))
    planning = desk.one("jobs")
    desk.settle(Released(), planning)
    fresh = desk.one("jobs")
    assert not desk.store.add_tasks(planning, desk.session, [NewTask(7)])
    assert desk.store.copy_tasks(planning, desk.session, 0, -1, 10) is None
    assert not desk.store.open_planned(planning, desk.session, None)
    other = desk.new_worker().session
    assert not desk.store.add_tasks(fresh, other, [NewTask(7)])
    assert desk.keys(run.run, 0) == [TaskKey(run.run, 0, -1)]
    assert desk.stage(run.run, 0).status == "expanding"


def test_a_list_that_changed_between_two_plannings_is_an_error(desk):
    """R09: the number of tasks is checked before the stage can close."""
    jobs.ANSWERS.clear()
    run = desk.submit(Fickle())
    planning = desk.one("jobs")
    written = [NewTask(n, Payload(b"0")) for n in range(5)]
    desk.store.add_tasks(planning, desk.session, written)
    with pytest.raises(BadResult, match="`each` must give the same list"):
        desk.store.open_planned(planning, desk.session, 4)
    assert desk.stage(run.run, 0).status == "expanding"
    assert desk.task(planning.key).status == "processing"
    desk.settle(Released(), planning)
    desk.work()
    end = desk.finished(run.run)
    assert (end.status, end.error["code"]) == ("failed", "bad_result")


def test_a_plan_is_opened_once(desk):
    run = desk.submit(Wide(n=1))
    planning = desk.one("jobs")
    desk.store.add_tasks(planning, desk.session, [NewTask(0, Payload(b"0"))])
    assert desk.store.open_planned(planning, desk.session, 1)
    assert not desk.store.open_planned(planning, desk.session, 1)
    assert desk.whats(run.job_id).count("stage_planned") == 1
    assert desk.task(planning.key)[:3] == ("completed", 1, 0)


def test_the_planning_task_gives_no_result(desk):
    run, claims = fan(desk)
    desk.complete(*claims, value=5)
    assert [idx for idx, _ in desk.store.results(run.run, 0, -1, 10)] == [0, 1, 2]
    assert desk.store.counts(run.run, 0) == Tally(completed=3)


# lineage


def test_a_fan_out_over_a_fan_out_knows_where_each_task_came_from(desk):
    run = desk.submit(Chain(n=3))
    desk.work()
    assert desk.finished(run.run).result == [
        [f"{run.run}-0-0", 0],
        [f"{run.run}-0-1", 2],
        [f"{run.run}-0-2", 4],
    ]


def test_lineage_survives_failures_in_between(desk):
    """R43: a task that failed has no successor, and the others keep their places."""
    run = desk.submit(Chain(n=5))
    desk.plan()
    claims = desk.claim()
    desk.fail(claims[1], claims[3])
    for claim in (claims[0], claims[2], claims[4]):
        desk.complete(claim, value=10 * claim.key.idx)
    desk.plan()
    assert [key.idx for key in desk.keys(run.run, 1)] == [-1, 0, 2, 4]
    assert desk.stage(run.run, 1) == Stage("open", 3, None)
    desk.work()
    end = desk.finished(run.run)
    assert end.status == "completed_with_errors"
    assert end.result == [[f"{run.run}-0-{idx}", 10 * idx] for idx in (0, 2, 4)]


def test_copying_goes_page_by_page_and_can_be_repeated(desk):
    """R09, R48: copied again after a crash, no task is there twice."""
    run = desk.submit(Chain(n=5))
    desk.plan()
    desk.complete(*desk.claim(), value=7)
    planning = desk.one("jobs")
    copy = partial(desk.store.copy_tasks, planning, desk.session, (planning.key.run, 0))
    assert (copy(-1, 2), copy(1, 2), copy(3, 2), copy(4, 2)) == (1, 3, 4, None)
    assert (copy(-1, 3), copy(2, 3)) == (2, 4)
    assert desk.store.open_planned(planning, desk.session, None)
    assert [key.idx for key in desk.keys(run.run, 1)] == [-1, 0, 1, 2, 3, 4]
    claims = desk.claim()
    assert [(claim.key.idx, claim.attempt) for claim in claims] == [(n, 1) for n in range(5)]
    assert {claim.arguments.data for claim in claims} == {b"7"}


def test_copying_a_large_result_copies_its_reference(desk):
    """R18."""
    desk.submit(Chain(n=1))
    desk.plan()
    desk.end(Completed(Payload(ref="silver/coremachine/big.json")), desk.one())
    desk.plan()
    assert desk.one().arguments == Payload(ref="silver/coremachine/big.json")


# what is left out


def test_a_stage_that_is_not_wanted_is_skipped_with_those_that_read_it(desk):
    """R13: skipped counts as ended."""
    run = desk.submit(Choosy(wanted=False))
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", 3)
    assert desk.stage(run.run, 1) == Stage("closed", 1, "skipped")
    assert desk.stage(run.run, 2) == Stage("closed", 0, "skipped")
    assert desk.stage(run.run, 3) == Stage("closed", 1, "ok")
    assert desk.statuses(run.run, 1) == ["completed", "skipped"]
    assert desk.whats(run.job_id).count("stage_skipped") == 1


def test_a_stage_that_is_wanted_runs(desk):
    run = desk.submit(Choosy(wanted=True))
    desk.work()
    assert desk.stage(run.run, 2) == Stage("closed", 1, "ok")
    assert desk.task(TaskKey(run.run, 2, 0)) == Task("completed", 1, 0, False, False, 31, None)
    assert "stage_skipped" not in desk.whats(run.job_id)


def test_nothing_of_a_whole_stage_is_completed_when_it_was_dropped(desk):
    """R13: a stage of cancelled tasks is no success."""
    run, claims = fan(desk)
    desk.settle(Released(), *claims)
    assert desk.store.drop_queued(run.run, 0, 2) == 2
    assert desk.store.drop_queued(run.run, 0, 2) == 1
    assert desk.store.drop_queued(run.run, 0, 2) == 0
    assert desk.machine.close(run.run, 0)
    assert desk.status(run.run) == "failed"
    assert desk.finished(run.run).error is None
