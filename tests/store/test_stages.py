"""Stages: planned, worked on, closed by the last of many, and what opens then."""

from functools import partial

import pytest

from core.errors import JobNotFound
from core.states import Tally, Verdict
from core.tasks import Failed, TaskKey
from tests.store.desk import BROKEN, Stage, at_once, given
from tests.store.sample_jobs import (
    Diamond,
    Fan,
    Line,
    Tolerant,
    Wide,
)


def fan(desk, n: int = 3):
    run = desk.submit(Fan(n=n))
    desk.plan()
    return run, desk.claim()


def test_a_stage_closes_with_its_last_task_and_the_next_one_opens(desk):
    run, claims = fan(desk)
    desk.complete(*claims[:2])
    assert desk.stage(run.run, 0) == Stage("open", 3, None)
    assert desk.stage(run.run, 1) is None
    desk.complete(claims[2])
    assert desk.stage(run.run, 0) == Stage("closed", 3, "ok")
    assert desk.stage(run.run, 1) == Stage("open", 1, None)


def test_a_job_ends_with_its_last_stage_and_has_its_result(desk):
    run = desk.submit(Fan(n=4))
    desk.work()
    end = desk.finished(run.run)
    assert (end.status, end.result, end.error, end.swept) == ("completed", 6, None, True)
    assert desk.whats(run.job_id) == [
        "job_submitted",
        "stage_opened",
        "job_started",
        "stage_planned",
        "stage_closed",
        "stage_opened",
        "stage_closed",
        "job_completed",
    ]


def test_the_closing_event_tells_how_the_tasks_ended(desk):
    run = desk.submit(Tolerant(n=4))
    desk.work()
    closed = next(e for e in desk.events(run.job_id) if e.what == "stage_closed")
    assert closed.data == {
        "name": "halve",
        "verdict": "errors",
        "completed": 2,
        "failed": 2,
        "cancelled": 0,
        "skipped": 0,
    }


def test_a_fan_out_at_the_end_gives_its_job_no_single_result(desk):
    run = desk.submit(Wide(n=2))
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", None)


def test_a_fan_out_over_nothing_closes_at_once(desk):
    """R10, Fault 48: zero tasks, and the fan-in gets an empty list."""
    run = desk.submit(Fan(n=0))
    desk.plan()
    assert desk.stage(run.run, 0) == Stage("closed", 0, "ok")
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", 0)


def test_a_fan_out_of_one_is_a_fan_out(desk):
    """Fault 48."""
    run = desk.submit(Fan(n=1))
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", 0)


def test_the_last_of_many_workers_turns_out_the_lights(desk):
    """R02, R41: sixteen end the last sixteen tasks at the same time; one of them closes the stage."""
    for _ in range(10):
        run = desk.submit(Fan(n=16), force=bool(_))
        desk.plan()
        claims = desk.claim()
        at_once(*(partial(desk.complete, claim) for claim in claims))
        assert desk.stage(run.run, 0) == Stage("closed", 16, "ok")
        assert desk.keys(run.run, 1) == [TaskKey(run.run, 1, 0)]
        desk.work()
        whats = desk.whats(run.job_id)[-8:]
        assert (whats.count("stage_closed"), whats.count("job_completed")) == (2, 1)


def test_only_one_of_sixteen_closers_finds_the_switch(desk):
    """R02, Fault 41: all see that nothing is open; the close is a compare-and-set."""
    run, claims = fan(desk)
    desk.settle(given(1), *claims)
    closed = at_once(*[partial(desk.machine.close, run.run, 0)] * 16)
    assert sorted(closed) == [False] * 15 + [True]
    assert len(desk.keys(run.run, 1)) == 1


def test_a_stage_with_an_open_task_is_not_closed(desk):
    """I1, whoever asks, wherever they look first."""
    run, claims = fan(desk)
    desk.settle(given(1), *claims[:2])
    for near in ([], [0], [1], [2], [5000]):
        assert not desk.store.maybe_done(run.run, 0, near)
        assert not desk.machine.close(run.run, 0, frozenset(near))
    with desk.store.closing(run.run, 0) as closing:
        assert closing is None


@pytest.mark.parametrize("near", [[], [0], [299], [0, 130, 299]])
def test_an_open_task_is_found_in_any_neighbourhood(desk, near):
    """I1: the bucket gate is a short cut, never the answer."""
    run = desk.submit(Wide(n=300))
    desk.plan()
    claims = desk.claim()
    desk.settle(given(1), *claims[:200], *claims[201:])
    assert not desk.store.maybe_done(run.run, 0, near)
    desk.settle(given(1), claims[200])
    assert desk.store.maybe_done(run.run, 0, near)


def test_the_last_task_fails_and_the_stage_closes_all_the_same(desk):
    """R11, Fault 49: the failure path counts like the other."""
    run, claims = fan(desk)
    desk.complete(*claims[:2])
    desk.fail(claims[2])
    assert desk.stage(run.run, 0) == Stage("closed", 3, "failed")
    end = desk.finished(run.run)
    assert end.status == "failed"
    assert end.error == {**BROKEN.as_dict(), "stage": "echo", "task": f"{run.run}-0-2"}
    assert desk.stage(run.run, 1) is None


def test_when_every_task_fails_the_job_fails(desk):
    """R14, Fault 49: nothing completed is never a success, however much is tolerated."""
    run = desk.submit(Tolerant(n=2))
    desk.plan()
    desk.fail(*desk.claim())
    assert desk.stage(run.run, 0) == Stage("closed", 2, "failed")
    assert desk.status(run.run) == "failed"


def test_a_failure_in_a_stage_that_tolerates_none_stops_what_has_not_begun(desk):
    """R14: fail fast; the cancelled ones count as ended (R13)."""
    run = desk.submit(Fan(n=6))
    desk.plan()
    one, two = desk.claim(limit=2)
    desk.fail(one)
    assert desk.statuses(run.run, 0)[1:] == ["failed", "processing", *["cancelled"] * 4]
    assert desk.stage(run.run, 0).status == "open"
    desk.complete(two)
    assert desk.stage(run.run, 0) == Stage("closed", 6, "failed")
    assert desk.status(run.run) == "failed"
    assert desk.store.counts(run.run, 0) == Tally(completed=1, failed=1, cancelled=4)


def test_the_first_failure_is_the_jobs_error(desk):
    run = desk.submit(Fan(n=3))
    desk.plan()
    claims = desk.claim()
    desk.settle(given(1), claims[0])
    desk.settle(Failed(BROKEN), claims[2])
    desk.end(Failed(BROKEN), claims[1])
    assert desk.finished(run.run).error["task"] == f"{run.run}-0-2"


def test_tolerated_failures_let_the_job_go_on_with_errors(desk):
    """R43, R14: the fan-in is told who failed."""
    run = desk.submit(Tolerant(n=4))
    desk.work()
    end = desk.finished(run.run)
    assert end.status == "completed_with_errors"
    assert end.result == {"halves": [0, 1], "failed": [1, 3]}
    assert [(f.index, f.error) for f in desk.store.failures(run.run, 0)] == [
        (1, "1 is odd"),
        (3, "3 is odd"),
    ]
    assert end.error is None


def test_more_failures_than_are_tolerated_fail_the_job(desk):
    """R14: the share is counted once, when the stage closes."""
    run = desk.submit(Tolerant(n=4))
    desk.plan()
    claims = desk.claim()
    desk.complete(claims[0])
    desk.fail(*claims[1:])
    assert desk.stage(run.run, 0) == Stage("closed", 4, "failed")
    assert desk.status(run.run) == "failed"


def test_stages_that_do_not_need_each_other_are_open_side_by_side(desk):
    run = desk.submit(Diamond())
    desk.complete(desk.one())
    assert desk.stage(run.run, 1) == desk.stage(run.run, 2) == Stage("open", 1, None)
    desk.complete(desk.one())
    assert desk.stage(run.run, 3) is None
    desk.complete(desk.one())
    assert desk.stage(run.run, 3) == Stage("open", 1, None)


def test_two_branches_that_close_together_open_their_successor_once(desk):
    """R02, Fault 49: the race of a DAG, two hundred times."""
    for n in range(200):
        run = desk.submit(Diamond(label=str(n)))
        desk.complete(desk.one())
        left, right = desk.claim()
        desk.settle(given(1), left, right)
        closed = at_once(
            partial(desk.machine.close, run.run, 1), partial(desk.machine.close, run.run, 2)
        )
        assert closed == [True, True]
        assert desk.keys(run.run, 3) == [TaskKey(run.run, 3, 0)]
        assert desk.whats(run.job_id).count("stage_opened") == 4
        desk.complete(desk.one())
        assert desk.status(run.run) == "completed"


def test_two_branches_that_fail_together_fail_their_job_once(desk):
    """R31, Fault 45: nobody waits for a lock that the other one holds."""
    for n in range(50):
        run = desk.submit(Diamond(label=str(n)))
        desk.complete(desk.one())
        left, right = desk.claim()
        desk.settle(Failed(BROKEN), left, right)
        closed = at_once(
            partial(desk.machine.close, run.run, 1), partial(desk.machine.close, run.run, 2)
        )
        assert True in closed
        assert desk.status(run.run) == "failed"
        assert desk.whats(run.job_id).count("job_failed") == 1
        ended = {desk.stage(run.run, 1).status, desk.stage(run.run, 2).status}
        assert ended <= {"closed", "cancelled"}


def test_a_failed_branch_cancels_the_other(desk):
    run = desk.submit(Diamond())
    desk.complete(desk.one())
    left, right = desk.claim()
    desk.fail(left)
    assert desk.status(run.run) == "failed"
    assert desk.stage(run.run, 2) == Stage("cancelled", 1, None)
    assert desk.task(right.key).status == "cancelled"
    assert desk.settle(given(1), right) == set()
    assert desk.finished(run.run).swept


def test_a_close_that_dies_halfway_has_not_happened(desk):
    """Fault 6: nothing is half built, and another closes."""
    run, claims = fan(desk)
    desk.settle(given(1), *claims)
    before = desk.events(run.job_id)

    def die_halfway() -> None:
        with desk.store.closing(run.run, 0) as closing:
            closing.turn.close(0, Verdict.OK, closing.tally)
            closing.turn.open(1)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        die_halfway()
    assert desk.stage(run.run, 0) == Stage("open", 3, None)
    assert desk.stage(run.run, 1) is None
    assert desk.events(run.job_id) == before
    assert desk.claim() == []
    assert desk.machine.close(run.run, 0)
    assert len(desk.claim()) == 1


def test_a_turn_that_dies_halfway_has_not_happened(desk):
    run = desk.submit(Line())

    def die_halfway() -> None:
        with desk.store.turn(run.run) as turn:
            turn.skip(1)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        die_halfway()
    assert desk.stage(run.run, 1) is None
    with pytest.raises(JobNotFound), desk.store.turn(999_999):
        pass


def test_a_closed_stage_is_closed_for_good(desk):
    """I2, R02: later askers find nothing to do."""
    run, claims = fan(desk)
    desk.complete(*claims)
    before = desk.events(run.job_id)
    assert not desk.machine.close(run.run, 0)
    with desk.store.closing(run.run, 0) as closing:
        assert closing is None
    assert desk.events(run.job_id) == before
