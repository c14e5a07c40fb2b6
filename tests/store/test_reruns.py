"""Resubmit, replay and retry: a new run takes over what held, and only the rest runs again."""

import pytest

from core.errors import (
    JobStillRunning,
    NotReplayable,
    PlanChanged,
    StageNotFound,
    TaskNotFound,
)
from core.plan import Carried
from core.queues import QueueName
from core.results import Failure
from core.stages import Decision
from core.tasks import Payload, TaskKey
from tests.store.desk import BROKEN, Desk, Stage, given
from tests.store.sample_jobs import (
    Chain,
    Choosy,
    Diamond,
    Fan,
    Gated,
    Line,
    Tolerant,
    Unplannable,
    Wide,
)

BY = "ada"


def half_failed(desk: Desk, n: int = 4, bad: int = 1):
    """A fan-out of which one task failed, and the later ones never came to run."""
    run = desk.submit(Fan(n=n))
    desk.plan()
    claims = desk.claim(limit=bad + 1)
    desk.complete(*claims[:bad], value=100)
    desk.fail(claims[bad])
    assert desk.status(run.run) == "failed"
    return run


def carried(desk: Desk, run: int) -> list[str | None]:
    def told(c: Carried | None) -> str | None:
        return None if c is None else "whole" if c.whole else "part"

    return [told(stage.carried) for stage in desk.store.run(run).plan]


# Resubmit


def test_only_the_failed_part_of_a_stage_runs_again(desk):
    """R34, R35: successful tasks of the failed stage are taken over with their results."""
    old = half_failed(desk)
    new = desk.control.resubmit(old.job_id, by=BY).run
    assert (new.number, new.status) == (2, "queued")
    desk.plan()
    assert desk.stage(new.run, 0) == Stage("open", 4, None)
    assert [claim.key.idx for claim in desk.claim()] == [1, 2, 3]
    assert desk.statuses(new.run, 0) == ["completed", "completed", *["processing"] * 3]
    taken = desk.task(TaskKey(new.run, 0, 0))
    assert (taken.status, taken.attempt, taken.failures, taken.result) == ("completed", 0, 0, 100)


def test_a_resubmitted_job_ends_with_the_results_of_both_runs(desk):
    old = half_failed(desk)
    new = desk.control.resubmit(old.job_id, by=BY).run
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 100 + 1 + 2 + 3)
    assert desk.runs(old.job_id) == [(1, "failed"), (2, "completed")]
    whats = desk.whats(old.job_id)
    assert whats[whats.index("job_failed") + 1 :][:3] == [
        "job_submitted",
        "job_resubmitted",
        "stage_opened",
    ]


def test_stages_that_held_are_taken_over_whole_and_not_copied(desk):
    run = desk.submit(Diamond())
    desk.complete(desk.one())
    left, right = desk.claim()
    desk.complete(left, value=20)
    desk.fail(right)
    new = desk.control.resubmit(run.job_id, by=BY).run
    assert carried(desk, new.run) == ["whole", "whole", "part", None]
    assert [desk.keys(new.run, stage) for stage in (0, 1)] == [[], []]
    assert desk.stage(new.run, 1) == Stage("closed", 1, "ok")
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 20 + 3)
    told = [e for e in desk.events(run.job_id) if e.what == "stage_carried"]
    assert [(e.stage, e.data["name"], e.data["from"]) for e in told] == [
        (0, "start", run.run),
        (1, "left", run.run),
    ]


def test_what_is_taken_over_can_be_taken_over_again(desk):
    """R35: through any number of runs, whichever of them a result comes from."""
    run = desk.submit(Diamond())
    desk.complete(desk.one(), value=5)
    for number in range(3):
        (claim,) = [c for c in right_now(desk) if c.key.stage == 2]
        desk.fail(claim)
        run = desk.control.resubmit(run.job_id, by=BY).run
        assert run.number == number + 2
    assert desk.store.run(run.run).plan[0].home(run.run) < run.run - 1
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", 6 + 7)


def right_now(desk: Desk):
    desk.plan()
    claims = desk.claim()
    for claim in claims:
        if claim.key.stage == 1:
            desk.complete(claim, value=6)
    return claims


def test_a_failed_stage_can_fail_and_be_resubmitted_again(desk):
    old = half_failed(desk)
    second = desk.control.resubmit(old.job_id, by=BY).run
    desk.plan()
    one, two = desk.claim(limit=2)
    desk.complete(one, value=200)
    desk.fail(two)
    third = desk.control.resubmit(old.job_id, by=BY).run
    desk.work()
    assert desk.finished(third.run)[:2] == ("completed", 100 + 200 + 2 + 3)
    assert second.number + 1 == third.number


def test_a_run_that_was_cancelled_while_it_took_over_is_resubmitted_from_the_one_before(desk):
    old = half_failed(desk)
    desk.control.resubmit(old.job_id, by=BY)
    desk.control.cancel(old.job_id, by=BY)
    third = desk.control.resubmit(old.job_id, by=BY).run
    assert third.plan[0].carried == Carried(run=old.run)
    desk.work()
    assert desk.finished(third.run)[:2] == ("completed", 106)


def test_from_the_start_nothing_is_taken_over(desk):
    old = half_failed(desk)
    new = desk.control.resubmit(old.job_id, by=BY, from_start=True).run
    assert carried(desk, new.run) == [None, None]
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 6)


def test_a_cancelled_job_goes_on_where_it_was(desk):
    run = desk.submit(Fan(n=3))
    desk.plan()
    desk.complete(*desk.claim(limit=1), value=50)
    desk.claim(limit=1)
    desk.control.cancel(run.job_id, by=BY)
    new = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 50 + 1 + 2)


def test_a_job_that_ended_with_errors_runs_its_failed_tasks_again_when_forced(desk):
    run = desk.submit(Tolerant(n=4))
    desk.work()
    new = desk.control.resubmit(run.job_id, by=BY, force=True).run
    assert carried(desk, new.run) == ["part", None]
    desk.plan()
    claims = desk.claim()
    assert [claim.key.idx for claim in claims] == [1, 3]
    desk.complete(*claims, value=9)
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", {"halves": [0, 9, 1, 9], "failed": []})


def test_a_job_that_completed_runs_again_whole_when_forced(desk):
    """R34: also when its output was deleted."""
    run = desk.submit(Line())
    desk.work()
    new = desk.control.resubmit(run.job_id, by=BY, force=True).run
    assert carried(desk, new.run) == [None, None]
    desk.work()
    assert desk.status(new.run) == "completed"


def test_a_stage_whose_tolerated_failures_held_is_taken_over_with_them(desk):
    run = desk.submit(Tolerant(n=4))
    desk.plan()
    claims = desk.claim()
    desk.complete(*claims[:3], value=1)
    desk.fail(claims[3])
    desk.fail(desk.one())
    desk.repair()
    while claims := desk.claim():
        desk.fail(*claims)
    new = desk.control.resubmit(run.job_id, by=BY).run
    assert carried(desk, new.run) == ["whole", "part"]
    desk.work()
    assert desk.finished(new.run)[:2] == (
        "completed_with_errors",
        {"halves": [1, 1, 1], "failed": [3]},
    )


def test_a_failed_planning_is_planned_again(desk):
    run = desk.submit(Unplannable())
    desk.plan()
    assert desk.status(run.run) == "failed"
    new = desk.control.resubmit(run.job_id, by=BY).run
    assert carried(desk, new.run) == [None]
    desk.plan()
    assert desk.status(new.run) == "failed"


def test_phases_of_tasks_that_are_due_again_keep_their_checkpoints(desk):
    """R38: a task that failed in its third phase does not begin with its first."""
    run = desk.submit(Line())
    claim = desk.one()
    desk.store.keep_checkpoint(claim, "warp", Payload(b'"done"'))
    desk.fail(claim)
    desk.control.resubmit(run.job_id, by=BY)
    desk.plan()
    again = desk.one()
    assert again.key.run != claim.key.run
    assert desk.store.checkpoint(again, "warp") == Payload(b'"done"')


def test_lineage_leads_into_the_run_that_made_it(desk):
    run = desk.submit(Chain(n=3))
    desk.plan()
    desk.complete(*desk.claim(), value=4)
    desk.plan()
    desk.fail(*desk.claim())
    new = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    traces = [[f"{run.run}-0-{idx}", 4] for idx in range(3)]
    assert desk.finished(new.run)[:2] == ("completed", traces)


def test_a_skipped_branch_stays_skipped(desk):
    run = desk.submit(Choosy())
    desk.complete(desk.one(), value=3)
    desk.plan()
    desk.fail(desk.one())
    new = desk.control.resubmit(run.job_id, by=BY).run
    assert carried(desk, new.run) == ["whole", "whole", "whole", "part"]
    assert [desk.stage(new.run, n).verdict for n in (1, 2)] == ["skipped", "skipped"]
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 3)


def test_a_rejected_gate_asks_again_and_an_approved_one_stays_approved(desk):
    run = desk.submit(Gated())
    desk.work()
    desk.control.decide(run.job_id, "review", Decision(approved=False, by=BY))
    second = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    assert desk.task(TaskKey(second.run, 1, 0)).status == "waiting"
    desk.control.decide(run.job_id, "review", Decision(approved=True, by="bob"))
    desk.fail(desk.one())
    third = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    assert desk.finished(third.run)[:2] == ("completed", "bob")


def test_an_attempt_of_the_old_run_moves_nothing_in_the_new_one(desk):
    """Fault 46: the old attempt still runs when its job is resubmitted."""
    run = desk.submit(Fan(n=2))
    desk.plan()
    _, slow = desk.claim()
    desk.control.cancel(run.job_id, by=BY)
    new = desk.control.resubmit(run.job_id, by=BY).run
    assert desk.settle(given(7), slow) == set()
    assert not desk.store.renew(slow, desk.session, 0.5, "")
    desk.plan()
    assert [claim.key.idx for claim in desk.claim()] == [0, 1]
    assert desk.task(TaskKey(new.run, 0, 1)).result is None


def test_a_running_job_is_not_run_again(desk):
    """R36."""
    run = desk.submit(Line())
    with pytest.raises(JobStillRunning, match="cancel it first"):
        desk.control.resubmit(run.job_id, by=BY, force=True)
    assert desk.runs(run.job_id) == [(1, "queued")]


def test_a_job_type_with_other_stages_runs_from_the_start_only(desk, monkeypatch):
    old = half_failed(desk)
    monkeypatch.setattr(Fan, "plan", [*Fan.plan, *Line.plan])
    with pytest.raises(PlanChanged, match="from the start"):
        desk.control.resubmit(old.job_id, by=BY)
    assert desk.runs(old.job_id) == [(1, "failed")]


# Replay


def test_a_stage_and_what_depends_on_it_are_replayed(desk):
    run = desk.submit(Diamond())
    desk.work()
    new = desk.control.replay(run.job_id, "left", by=BY).run
    assert carried(desk, new.run) == ["whole", None, "whole", None]
    claim = desk.one()
    assert claim.key == TaskKey(new.run, 1, 0)
    desk.complete(claim, value=40)
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 43)


def test_the_first_stage_replayed_is_everything(desk):
    run = desk.submit(Fan(n=2))
    desk.work()
    new = desk.control.replay(run.job_id, "echo", by=BY).run
    assert carried(desk, new.run) == [None, None]
    desk.work()
    assert desk.status(new.run) == "completed"


def test_a_replayed_fan_out_over_a_fan_out_reads_the_old_results(desk):
    run = desk.submit(Chain(n=2))
    desk.work()
    new = desk.control.replay(run.job_id, "trace", by=BY).run
    desk.work()
    assert desk.finished(new.run)[:2] == (
        "completed",
        [[f"{run.run}-0-0", 0], [f"{run.run}-0-1", 2]],
    )


def test_replay_from_behind_what_failed_is_refused(desk):
    old = half_failed(desk)
    with pytest.raises(NotReplayable, match="total depends on echo"):
        desk.control.replay(old.job_id, "total", by=BY)
    assert desk.runs(old.job_id) == [(1, "failed")]


def test_a_stage_that_is_not_there_is_refused_with_the_nearest(desk):
    old = half_failed(desk)
    with pytest.raises(StageNotFound, match="Did you mean 'total'"):
        desk.control.replay(old.job_id, "totl", by=BY)


# Retry of one task


def test_one_failed_task_is_retried_and_the_others_stay_as_they_are(desk):
    run = desk.submit(Tolerant(n=6))
    desk.plan()
    claims = desk.claim()
    desk.complete(*(c for c in claims if c.key.idx % 2 == 0), value=1)
    desk.fail(*(c for c in claims if c.key.idx % 2))
    desk.work()
    assert desk.status(run.run) == "completed_with_errors"
    new = desk.control.retry(run.job_id, TaskKey(run.run, 0, 3), by=BY).run
    desk.plan()
    (claim,) = desk.claim()
    assert claim.key == TaskKey(new.run, 0, 3)
    desk.complete(claim, value=30)
    desk.work()
    end = desk.finished(new.run)
    assert end[:2] == ("completed_with_errors", {"halves": [1, 1, 30, 1], "failed": [1, 5]})
    assert list(desk.store.failures(new.run, 0)) == [
        Failure(1, BROKEN.message),
        Failure(5, BROKEN.message),
    ]


def test_with_one_task_come_those_that_never_ran(desk):
    """Where no failure is tolerated, the others were dropped: without them the stage could not hold."""
    old = half_failed(desk)
    new = desk.control.retry(old.job_id, TaskKey(old.run, 0, 1), by=BY).run
    desk.work()
    assert desk.finished(new.run)[:2] == ("completed", 106)


def test_a_task_that_was_taken_over_is_retried_under_the_id_it_has(desk):
    run = desk.submit(Tolerant(n=2))
    desk.work()
    second = desk.control.replay(run.job_id, "report", by=BY).run
    desk.work()
    assert desk.status(second.run) == "completed_with_errors"
    third = desk.control.retry(run.job_id, TaskKey(run.run, 0, 1), by=BY).run
    desk.plan()
    (claim,) = desk.claim()
    assert claim.key == TaskKey(third.run, 0, 1)


def test_a_task_of_another_run_is_not_retried(desk):
    old = half_failed(desk)
    desk.control.resubmit(old.job_id, by=BY)
    desk.plan()
    desk.fail(*desk.claim(limit=1))
    for key in (TaskKey(old.run, 0, 1), TaskKey(old.run, 7, 0), TaskKey(999, 0, 0)):
        with pytest.raises(TaskNotFound):
            desk.control.retry(old.job_id, key, by=BY)


def test_a_failed_planning_is_retried_by_its_own_id(desk):
    run = desk.submit(Unplannable())
    desk.plan()
    new = desk.control.retry(run.job_id, TaskKey(run.run, 0, -1), by=BY).run
    assert [claim.key for claim in desk.claim(QueueName.JOBS)] == [TaskKey(new.run, 0, -1)]


def test_a_stage_of_no_tasks_that_was_cancelled_is_begun_again(desk):
    run = desk.submit(Wide(n=0))
    desk.control.cancel(run.job_id, by=BY)
    new = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    assert desk.status(new.run) == "completed"


def test_pages_of_a_large_stage_are_taken_over_one_by_one_and_may_be_repeated(desk):
    """R09: a planner that died in between is simply repeated."""
    old = half_failed(desk, n=5, bad=2)
    desk.control.resubmit(old.job_id, by=BY)
    (plan,) = desk.claim(QueueName.JOBS)
    took = Carried(run=old.run)

    def carry(after: int) -> int | None:
        return desk.store.carry_tasks(plan, desk.session, took, after, 2)

    assert (carry(-1), carry(1), carry(1), carry(3), carry(4)) == (1, 3, 3, 4, None)
    assert desk.statuses(plan.key.run, 0)[1:] == ["completed"] * 2 + ["queued"] * 3
    desk.store.give_back(desk.session, [(plan.key, plan.attempt)])
    assert carry(-1) is None
    desk.work()
    assert desk.status(plan.key.run) == "completed"
