"""Whole runs and whole stages have their time, on the store's clock, and are told of it once."""

from functools import partial

import pytest

from tests.store.desk import at_once
from tests.store.limited_jobs import Brief, BriefStage


def whats(desk, run, what: str) -> list:
    return [event for event in desk.events(run.job_id) if event.what == what]


def test_a_run_that_takes_too_long_fails_and_its_tasks_are_taken_away(desk):
    run = desk.submit(Brief())
    claim = desk.one()
    desk.advance(20)
    assert desk.machine.expire() == 0
    desk.advance(60)
    assert desk.machine.expire() == 1
    end = desk.finished(run.run)
    assert (end.status, end.error["code"], end.swept) == ("failed", "job_timeout", True)
    assert desk.task(claim.key).status == "cancelled"
    assert (claim.key, claim.attempt) not in desk.store.heartbeat(desk.worker)
    desk.complete(claim)
    assert whats(desk, run, "job_failed")[0].data["code"] == "job_timeout"
    assert desk.machine.expire() == 0


def test_many_who_look_end_a_late_run_once(desk):
    run = desk.submit(Brief())
    desk.advance(90)
    assert sum(at_once(*[desk.machine.expire] * 8)) == 1
    assert len(whats(desk, run, "job_failed")) == 1


def test_a_run_that_ended_in_time_stays_as_it_is(desk):
    run = desk.submit(Brief())
    desk.work()
    desk.advance(90)
    assert desk.machine.expire() == 0
    assert desk.status(run.run) == "completed"


def test_time_that_a_run_waits_does_not_count(desk):
    first = desk.submit(BriefStage())
    run = desk.submit(Brief(), after=[first.job_id])
    desk.advance(300)
    desk.machine.expire()
    assert desk.status(run.run) == "queued"
    assert desk.stage(run.run, 0) is not None


@pytest.mark.parametrize(
    ("done", "verdict", "status"), [(2, "errors", "processing"), (1, "failed", "failed")]
)
def test_what_a_late_stage_has_not_done_counts_as_failed(desk, done, verdict, status):
    run = desk.submit(BriefStage())
    desk.plan()
    claims = desk.claim()
    desk.complete(*claims[:done])
    desk.advance(90)
    assert desk.machine.expire() == 1
    assert desk.stage(run.run, 0).verdict == verdict
    assert desk.status(run.run) == status
    assert desk.statuses(run.run, 0).count("cancelled") == 4 - done
    assert whats(desk, run, "stage_timed_out")[0].data == {"name": "echo", "seconds": 60.0}
    if status == "failed":
        error = desk.finished(run.run).error
        assert (error["code"], error["stage"]) == ("stage_timeout", "echo")
    else:
        desk.work()
        assert desk.status(run.run) == "completed_with_errors"


def test_a_stage_that_could_not_even_be_planned_in_time_fails(desk):
    run = desk.submit(BriefStage())
    desk.advance(90)
    assert sum(at_once(*[partial(desk.machine.expire)] * 6)) == 1
    assert desk.stage(run.run, 0).verdict == "failed"
    assert desk.finished(run.run).error["code"] == "stage_timeout"
    assert len(whats(desk, run, "stage_timed_out")) == 1


def test_a_stage_whose_expiry_died_halfway_is_closed_by_the_next_round(desk):
    run = desk.submit(BriefStage())
    desk.plan()
    desk.claim()
    desk.advance(90)
    real, desk.store.drop_overdue = desk.store.drop_overdue, lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        desk.machine.expire()
    desk.store.drop_overdue = real
    assert desk.stage(run.run, 0).status == "open"
    assert desk.machine.expire() == 0
    assert desk.stage(run.run, 0).verdict == "failed"
    assert len(whats(desk, run, "stage_timed_out")) == 1


def test_time_that_a_run_is_paused_does_not_count(desk):
    run = desk.submit(Brief())
    desk.control.pause(run.job_id, by="ada")
    desk.advance(300)
    assert desk.machine.expire() == 0
    desk.control.resume(run.job_id, by="ada")
    assert desk.machine.expire() == 0
    desk.work()
    assert desk.status(run.run) == "completed"


def test_time_that_a_stage_is_paused_does_not_count(desk):
    run = desk.submit(BriefStage())
    desk.control.pause(run.job_id, by="ada")
    desk.advance(300)
    assert desk.machine.expire() == 0
    desk.control.resume(run.job_id, by="ada")
    assert desk.machine.expire() == 0
    desk.advance(90)
    assert desk.machine.expire() == 1
    assert desk.finished(run.run).error["code"] == "stage_timeout"
