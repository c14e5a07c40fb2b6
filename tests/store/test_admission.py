"""Letting runs in: turns by key, rates, limits and dependencies, handed over exactly once."""

from functools import partial

import pytest

from core.admission.terms import EVERYTHING, Limit, Rate, UnknownDependency
from core.errors import BadInput
from core.queues import LIGHT
from core.states import JobStatus
from tests.store.desk import Desk, at_once
from tests.store.limited_jobs import Paced, PacedKeys, Pairs, SharedOne, SharedOther, Turns
from tests.store.sample_jobs import Line, Wide

SUCCESS = {"after_success": True}


def started(desk: Desk, *runs) -> list[bool]:
    """Which of the runs have been let in: those whose first stage is there."""
    return [desk.stage(run.run, 0) is not None for run in runs]


def finish(desk: Desk, run, status: JobStatus = JobStatus.COMPLETED) -> None:
    """End the run as a person would, whatever it is doing."""
    with desk.store.turn(run.run) as turn:
        turn.finish(status)
    desk.machine.sweep(run.run)


def turns(desk: Desk, count: int, job=Turns, **more) -> list:
    return [desk.submit(job(label=str(n), **more)) for n in range(count)]


# priorities


def test_a_submission_may_say_its_own_priority(desk):
    desk.submit(Line(label="a"))
    high = desk.submit(Line(label="b"), priority=100)
    low = desk.submit(Line(label="c"), priority=-100)
    order = [claim.key.run for claim in (desk.one(), desk.one(), desk.one())]
    assert (order[0], order[2]) == (high.run, low.run)
    with pytest.raises(BadInput, match="from -100 to 100"):
        desk.submit(Line(label="d"), priority=101)


# keys


def test_of_runs_with_equal_keys_one_runs_and_the_others_wait(desk):
    first, second, third = turns(desk, 3)
    other = desk.submit(Turns(collection="lakes"))
    assert started(desk, first, second, third, other) == [True, False, False, True]
    assert [desk.status(run.run) for run in (second, third)] == ["queued", "queued"]
    assert desk.whats(second.job_id) == ["job_submitted"]


@pytest.mark.parametrize("how", ["complete", "fail", "cancel"])
def test_whoever_ends_hands_over_to_the_next(desk, how):
    first, second, third = turns(desk, 3)
    if how == "cancel":
        finish(desk, first, JobStatus.CANCELLED)
    else:
        getattr(desk, how)(desk.one())
    assert started(desk, second, third) == [True, False]
    assert desk.whats(second.job_id)[:3] == ["job_submitted", "job_admitted", "stage_opened"]
    admitted = desk.events(second.job_id)[1]
    assert admitted.data["key"] == "turns:hills"
    assert admitted.data["waited"] >= 0
    desk.work()
    assert [desk.status(run.run) for run in (second, third)] == ["completed", "completed"]


def test_the_next_is_the_most_urgent_and_among_equals_the_oldest(desk):
    first = desk.submit(Turns(label="0"))
    waiting = [
        desk.submit(Turns(label=label), priority=p)
        for label, p in zip("abc", (1, 5, 5), strict=True)
    ]
    order = []
    finish(desk, first)
    while (now := [run for run in waiting if started(desk, run)[0] and run not in order]) != []:
        assert len(now) == 1
        order += now
        finish(desk, now[0])
    assert order == [waiting[1], waiting[2], waiting[0]]


def test_a_key_may_let_several_run(desk):
    runs = turns(desk, 4, Pairs)
    assert started(desk, *runs) == [True, True, False, False]
    finish(desk, runs[0])
    assert started(desk, *runs) == [True, True, True, False]


def test_a_shared_key_is_one_for_all_job_types(desk):
    one, other = desk.submit(SharedOne()), desk.submit(SharedOther())
    own = desk.submit(Turns(collection="geo"))
    assert started(desk, one, other, own) == [True, False, True]
    finish(desk, one)
    assert started(desk, other) == [True]


def test_a_key_of_nothing_is_no_key(desk):
    runs = turns(desk, 2, collection=None)
    assert started(desk, *runs) == [True, True]


def test_a_run_that_waits_can_be_cancelled(desk):
    first, second, third = turns(desk, 3)
    finish(desk, second, JobStatus.CANCELLED)
    assert desk.finished(second.run)[:1] == ("cancelled",)
    assert desk.finished(second.run).swept
    finish(desk, first)
    assert started(desk, second, third) == [False, True]
    again = desk.machine.submit(Turns(label="1"))
    assert (again.is_new, again.waits, again.run.number) == (True, True, 2)


def test_a_hand_over_that_was_missed_is_made_good(desk):
    """The ender died between its commit and its look."""
    first, second, third = turns(desk, 3)
    with desk.store.turn(first.run) as turn:
        turn.finish(JobStatus.COMPLETED)
    assert started(desk, second, third) == [False, False]
    desk.machine.repair_stages()
    assert started(desk, second, third) == [True, False]
    assert desk.machine.admitter.round() == 0


def test_a_submission_that_died_before_it_looked_is_let_in(desk, monkeypatch):
    monkeypatch.setattr(desk.machine.admitter, "submitted", lambda run: False)
    run = desk.submit(Turns())
    assert started(desk, run) == [False]
    assert desk.machine.admitter.round() == 1
    assert started(desk, run) == [True]


def test_twenty_submissions_at_once_never_run_two_at_a_time(desk):
    runs = [
        s.run
        for s in at_once(*(partial(desk.machine.submit, Turns(label=str(n))) for n in range(20)))
    ]
    for left in range(20, 0, -1):
        now = [run for run in runs if started(desk, run)[0] and desk.status(run.run) == "queued"]
        assert len(now) == 1, left
        finish(desk, now[0])
    assert {desk.status(run.run) for run in runs} == {"completed"}


def test_two_ends_at_once_let_exactly_two_in(desk):
    runs = turns(desk, 6, Pairs)
    at_once(*(partial(finish, desk, run) for run in runs[:2]), *[desk.machine.admitter.round] * 4)
    assert started(desk, *runs) == [True] * 4 + [False] * 2
    for run in runs[2:4]:
        assert desk.whats(run.job_id).count("job_admitted") == 1


# rates and limits


def test_starts_of_a_job_type_keep_to_its_rate(desk):
    runs = turns(desk, 5, Paced)
    assert started(desk, *runs) == [True, True, False, False, False]
    assert desk.machine.admitter.round() == 0
    desk.advance(31)
    assert desk.machine.admitter.round() == 1
    desk.advance(3600)
    assert desk.machine.admitter.round() == 2
    assert started(desk, *runs) == [True] * 5


def test_starts_of_a_key_keep_to_its_rate(desk):
    runs = [desk.submit(PacedKeys(host=h, label=str(n))) for h in "ab" for n in range(2)]
    assert started(desk, *runs) == [True, False, True, False]
    desk.advance(61)
    assert desk.machine.admitter.round() == 2


def test_an_operator_limits_how_many_of_a_job_type_run(desk):
    desk.machine.set_limit("line", Limit(max_running=1), by="ada")
    runs = turns(desk, 3, Line)
    assert started(desk, *runs) == [True, False, False]
    finish(desk, runs[0])
    assert started(desk, *runs) == [True, True, False]
    desk.machine.set_limit("line", Limit(max_running=0), by="ada")
    finish(desk, runs[1])
    assert started(desk, *runs) == [True, True, False]
    desk.machine.set_limit("line", Limit(), by="ada")
    assert started(desk, *runs) == [True, True, True]
    assert desk.store.limit("line") == Limit()


def test_an_operators_rate_takes_the_place_of_the_job_types_own(desk):
    desk.machine.set_limit("paced", Limit(rate=Rate.of("3/minute")), by="ada")
    assert started(desk, *turns(desk, 4, Paced)) == [True, True, True, False]
    assert desk.store.limit("paced") == Limit(rate=Rate(count=3, seconds=60))


def test_a_stopped_job_type_does_not_stand_in_the_way_of_another(desk):
    """The first in line for a shared key may not start at all; the next one does."""
    desk.machine.set_limit("shared_one", Limit(max_running=0), by="ada")
    stopped, other = desk.submit(SharedOne(), priority=9), desk.submit(SharedOther())
    assert started(desk, stopped, other) == [False, True]


# dependencies


def test_a_job_starts_when_those_it_comes_after_have_ended(desk):
    one, two = desk.submit(Line(label="1")), desk.submit(Line(label="2"))
    last = desk.submit(Wide(), after=[one.job_id, two.job_id])
    finish(desk, one)
    assert started(desk, last) == [False]
    finish(desk, two, JobStatus.FAILED)
    assert started(desk, last) == [True]


def test_a_job_whose_dependencies_have_ended_already_starts_at_once(desk):
    one = desk.submit(Line())
    finish(desk, one)
    assert started(desk, desk.submit(Wide(), after=[one.job_id], **SUCCESS)) == [True]


def test_a_job_that_needs_success_is_cancelled_without_it_and_so_are_those_after_it(desk):
    one = desk.submit(Line())
    two = desk.submit(Line(label="2"), after=[one.job_id], **SUCCESS)
    three = desk.submit(Line(label="3"), after=[two.job_id], **SUCCESS)
    four = desk.submit(Line(label="4"), after=[three.job_id])
    finish(desk, one, JobStatus.FAILED)
    assert [desk.status(run.run) for run in (two, three)] == ["cancelled", "cancelled"]
    error = desk.finished(two.run).error
    assert error is not None
    assert error["code"] == "dependency_failed"
    assert error["message"] == f"cancelled: job {one.job_id}, whose success it needs, ended failed"
    assert desk.events(two.job_id)[-1].data["code"] == "dependency_failed"
    assert started(desk, four) == [True]


def test_a_job_after_one_that_had_failed_is_cancelled_at_once(desk):
    one = desk.submit(Line())
    finish(desk, one, JobStatus.FAILED)
    two = desk.submit(Line(label="2"), after=[one.job_id], **SUCCESS)
    assert desk.status(two.run) == "cancelled"


def test_it_waits_for_the_run_there_was_and_for_no_later_one(desk):
    one = desk.submit(Line())
    two = desk.submit(Wide(), after=[one.job_id])
    finish(desk, one, JobStatus.FAILED)
    assert started(desk, two) == [True]
    assert desk.submit(Line()).number == 2


def test_a_thousand_jobs_in_a_row_fall_together(desk):
    """A chain is walked, not climbed: no depth is too much."""
    before = desk.submit(Line()).job_id
    for n in range(300):
        before = desk.submit(Line(label=f"c{n}"), after=[before], **SUCCESS).job_id
    finish(desk, desk.submit(Line()), JobStatus.FAILED)
    assert desk.runs(before) == [(1, "cancelled")]


def test_a_release_that_was_missed_is_made_good(desk):
    one, bad = desk.submit(Line()), desk.submit(Line(label="bad"))
    free = desk.submit(Wide(label="a"), after=[one.job_id])
    doomed = desk.submit(Wide(label="b"), after=[bad.job_id], **SUCCESS)
    for run, status in ((one, JobStatus.COMPLETED), (bad, JobStatus.CANCELLED)):
        with desk.store.turn(run.run) as turn:
            turn.finish(status)
    assert desk.machine.admitter.round() == 1
    assert started(desk, free) == [True]
    assert desk.status(doomed.run) == "cancelled"


def test_unknown_jobs_are_refused_by_name_and_nothing_is_written(desk):
    known, unknown = desk.submit(Line()).job_id, "f" * 64
    with pytest.raises(UnknownDependency, match=f"no job {unknown} to wait for"):
        desk.submit(Wide(), after=[known, unknown])
    assert desk.runs(Wide().fingerprint) == []


def test_a_job_cannot_wait_for_itself(desk):
    run = desk.submit(Line())
    for force in (False, True):
        with pytest.raises(BadInput, match="cannot wait for itself"):
            desk.submit(Line(), after=[run.job_id], force=force)


def test_a_circle_is_refused(desk):
    """Only a job that is there already can be waited for, so only it can be asked to close a circle."""
    one = desk.submit(Line(label="1"))
    two = desk.submit(Line(label="2"), after=[one.job_id])
    three = desk.submit(Line(label="3"), after=[two.job_id])
    with pytest.raises(Exception, match="which waits for it") as refused:
        desk.submit(Line(label="1"), after=[three.job_id])
    assert (refused.value.code, refused.value.status) == ("dependency_cycle", 409)


def test_a_forced_run_after_one_that_waited_for_the_run_before_is_no_circle(desk):
    one = desk.submit(Line(label="1"))
    two = desk.submit(Line(label="2"), after=[one.job_id])
    finish(desk, one)
    forced = desk.submit(Line(label="1"), force=True, after=[two.job_id])
    finish(desk, two)
    assert started(desk, forced) == [True]


def test_an_order_that_comes_too_late_is_refused_and_a_repeated_one_is_not(desk):
    one, other = desk.submit(Line(label="1")), desk.submit(Line(label="2"))
    run = desk.submit(Wide(), after=[one.job_id])
    assert desk.submit(Wide(), after=[one.job_id]).run == run.run
    with pytest.raises(Exception, match="leave `after` away") as refused:
        desk.submit(Wide(), after=[other.job_id])
    assert (refused.value.code, refused.value.status) == ("already_submitted", 409)
    finish(desk, one)
    finish(desk, run)
    assert desk.submit(Wide(), after=[other.job_id]).run == run.run


def test_a_dependency_does_not_take_a_turn_while_it_waits(desk):
    slow = desk.submit(Line())
    held = desk.submit(Turns(label="a"), after=[slow.job_id], priority=9)
    free = desk.submit(Turns(label="b"))
    assert started(desk, held, free) == [False, True]
    finish(desk, slow)
    assert started(desk, held) == [False]
    finish(desk, free)
    assert started(desk, held) == [True]


def test_nothing_of_a_waiting_run_can_be_claimed(desk):
    turns(desk, 3)
    assert len(desk.claim(LIGHT)) == 1
    with desk.store.admitting(EVERYTHING) as turn:
        assert turn is None


# what people do to runs that wait


def test_a_waiting_run_that_is_cancelled_by_a_person_lets_others_in(desk):
    first, second, third = turns(desk, 3)
    desk.control.cancel(second.job_id, by="ada")
    assert desk.status(second.run) == "cancelled"
    desk.control.cancel(first.job_id, by="ada")
    assert started(desk, second, third) == [False, True]


def test_a_waiting_run_that_is_paused_keeps_nobody_from_going_first(desk):
    first, second, third = turns(desk, 3)
    desk.control.pause(second.job_id, by="ada")
    finish(desk, first)
    assert started(desk, second, third) == [False, True]
    desk.control.resume(second.job_id, by="ada")
    assert desk.status(second.run) == "queued"
    assert started(desk, second) == [False]
    finish(desk, third)
    assert started(desk, second) == [True]


def test_a_run_that_is_resumed_when_its_turn_has_come_starts_at_once(desk):
    first, second = turns(desk, 2)
    desk.control.pause(second.job_id, by="ada")
    finish(desk, first)
    desk.control.resume(second.job_id, by="ada")
    assert started(desk, second) == [True]


def test_a_resubmitted_run_takes_its_turn_like_any_other(desk):
    first, second = turns(desk, 2)
    desk.fail(desk.one())
    assert started(desk, second) == [True]
    again = desk.control.resubmit(first.job_id, by="ada").run
    assert (again.number, started(desk, again)) == (2, [False])
    finish(desk, second)
    assert started(desk, again) == [True]


def test_a_run_that_was_let_in_is_told_once_however_often_it_is_looked_for(desk):
    (first,) = turns(desk, 1)
    for _ in range(3):
        assert not desk.machine.admitter.submitted(first.run)
    assert desk.whats(first.job_id).count("job_admitted") == 1


def test_a_submission_in_somebody_elses_transaction_is_let_in_after_its_commit(postgres_desk):
    """Until then nobody sees the run, so nobody could count it."""
    desk = postgres_desk
    with desk.pool.transaction() as conn:
        inside = desk.machine.over(desk.store.within(conn))
        runs = [inside.submit(Turns(label=str(n))).run for n in range(2)]
    assert started(desk, *runs) == [False, False]
    assert desk.machine.admitter.round() == 1
    assert started(desk, *runs) == [True, False]


def test_a_deleted_job_leaves_nobody_waiting(postgres_desk):
    """Whoever needed its success is told that it is gone."""
    desk = postgres_desk
    one = desk.submit(Line())
    free = desk.submit(Wide(label="a"), after=[one.job_id])
    doomed = desk.submit(Wide(label="b"), after=[one.job_id], **SUCCESS)
    desk.conn.execute("delete from tasks where run_id = %s", [one.run])
    desk.conn.execute("delete from stages where run_id = %s", [one.run])
    desk.conn.execute("delete from events where run_id = %s", [one.run])
    desk.conn.execute("delete from runs where run_id = %s", [one.run])
    desk.conn.execute("delete from jobs where run_id = %s", [one.run])
    assert desk.machine.admitter.round() == 1
    assert started(desk, free) == [True]
    assert desk.finished(doomed.run).error["message"].endswith("was deleted")
