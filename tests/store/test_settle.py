"""Settling: every way an attempt can end, and everyone who may not end it."""

from datetime import timedelta
from functools import partial

import pytest

from core.states import JobStatus
from core.tasks import (
    Again,
    Asked,
    Completed,
    Failed,
    Outcome,
    Payload,
    Released,
    TaskError,
    TaskKey,
)
from tests.store.desk import BROKEN, Task, at_once, given
from tests.store.sample_jobs import Line, Wide

AGAIN = Again(timedelta(seconds=30), BROKEN, counted=True)
LATER = Again(timedelta(seconds=30), BROKEN, counted=False)
ENDINGS = [given(1), Failed(BROKEN), AGAIN, LATER, Released(), Asked(Payload(b'"ok?"'))]


def claimed(desk):
    run = desk.submit(Line())
    return run, desk.one()


def test_a_completed_task_keeps_its_result(desk):
    run, claim = claimed(desk)
    assert desk.settle(given({"a": [1, None, "ü"]}), claim) == {claim.key}
    assert desk.task(claim.key) == Task(
        "completed", 1, 0, False, False, {"a": [1, None, "ü"]}, None
    )
    assert desk.store.results(run.run, 0, -1, 10)[0][0] == 0


def test_a_result_kept_in_a_blob_is_a_reference(desk):
    """R18."""
    run, claim = claimed(desk)
    desk.settle(Completed(Payload(ref="silver/coremachine/x.json")), claim)
    payload = Payload(ref="silver/coremachine/x.json")
    assert desk.store.results(run.run, 0, -1, 10) == [(0, payload)]


def test_a_failed_task_keeps_its_error_and_tells_it(desk):
    run, claim = claimed(desk)
    assert desk.settle(Failed(BROKEN), claim) == {claim.key}
    assert desk.task(claim.key) == Task("failed", 1, 1, False, False, None, BROKEN.as_dict())
    event = desk.events(run.job_id)[-1]
    assert (event.what, event.stage, event.idx, event.attempt) == ("task_failed", 0, 0, 1)
    assert event.data == {
        "type": "ConnectionError",
        "message": "the line was cut",
        "code": "task_failed",
    }


def test_a_task_tried_again_waits_and_its_attempt_counts(desk):
    """R24: the retry is part of the same transaction as the failure."""
    run, claim = claimed(desk)
    assert desk.settle(AGAIN, claim) == {claim.key}
    assert desk.task(claim.key) == Task("waiting", 1, 1, False, True, None, BROKEN.as_dict())
    event = desk.events(run.job_id)[-1]
    assert (event.what, event.attempt) == ("task_retried", 1)
    assert event.data == {"message": "the line was cut", "seconds": 30.0, "counted": True}
    assert desk.claim() == []


def test_a_task_that_asks_for_patience_costs_no_attempt(desk):
    """R23: one owner of retries, and RetryLater is none."""
    _, claim = claimed(desk)
    for attempt in range(1, 8):
        desk.settle(LATER, claim)
        assert desk.task(claim.key)[:3] == ("waiting", attempt, 0)
        desk.advance(31)
        assert desk.repair(dead_after=1e6).woken == 1
        claim = desk.one()
    assert (claim.attempt, claim.failures) == (8, 0)


def test_a_retry_is_due_when_its_time_has_come_and_not_before(desk):
    _, claim = claimed(desk)
    desk.settle(AGAIN, claim)
    desk.advance(10)
    assert desk.repair(dead_after=1e6).woken == 0
    assert desk.claim() == []
    desk.advance(21)
    assert desk.repair(dead_after=1e6).woken == 1
    again = desk.one()
    assert (again.attempt, again.failures) == (2, 1)


def test_a_released_task_is_due_at_once_and_nothing_is_told(desk):
    """R38, Fault 39: a worker that stops burns no attempt."""
    run, claim = claimed(desk)
    before = desk.events(run.job_id)
    assert desk.settle(Released(), claim) == {claim.key}
    assert desk.events(run.job_id) == before
    again = desk.one()
    assert (again.attempt, again.failures) == (2, 0)


def test_a_task_that_asked_waits_for_ever(desk):
    run, claim = claimed(desk)
    desk.settle(Asked(Payload(b'"good?"')), claim)
    assert desk.task(claim.key) == Task("waiting", 1, 0, False, True, "good?", None)
    assert desk.whats(run.job_id)[-1] == "decision_needed"
    desk.advance(1e8)
    assert desk.repair(dead_after=1e9).woken == 0


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: type(ending).__name__)
def test_an_attempt_ends_once(desk, ending):
    """R02, R41, I4: repeated by whoever lost the reply, it is accepted no second time."""
    run, claim = claimed(desk)
    assert desk.settle(ending, claim) == {claim.key}
    task, events = desk.task(claim.key), desk.events(run.job_id)
    assert desk.settle(ending, claim) == set()
    assert desk.settle(given("other"), claim) == set()
    assert desk.task(claim.key) == task
    assert desk.events(run.job_id) == events


def test_an_attempt_ended_by_sixteen_threads_is_accepted_from_one(desk):
    """R02, I4."""
    run, claim = claimed(desk)
    endings = [Failed(TaskError("Error", str(n))) for n in range(16)]
    accepted = at_once(*(partial(desk.settle, ending, claim) for ending in endings))
    assert sorted(map(len, accepted)) == [0] * 15 + [1]
    assert desk.whats(run.job_id).count("task_failed") == 1
    assert desk.task(claim.key).failures == 1


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: type(ending).__name__)
def test_a_zombie_cannot_end_what_was_taken_from_it(desk, ending):
    """Fault 40, R03, R26: stopped longer than its lease, it comes back too late."""
    run, claim = claimed(desk)
    desk.advance(30)
    other = desk.new_worker().session
    assert desk.repair().requeued == 1
    (fresh,) = desk.claim(session=other)
    events = desk.events(run.job_id)
    assert desk.settle(ending, claim) == set()
    assert desk.task(claim.key)[:4] == ("processing", 2, 1, True)
    assert desk.events(run.job_id) == events
    assert desk.settle(given("fresh"), fresh, session=other) == {fresh.key}
    assert desk.task(claim.key).result == "fresh"


def test_a_zombie_in_the_same_process_is_fenced_by_the_attempt(desk):
    """R03: session and task are the same, only the attempt tells them apart."""
    _, claim = claimed(desk)
    desk.settle(Released(), claim)
    fresh = desk.one()
    assert desk.settle(given("stale"), claim) == set()
    assert desk.settle(given("fresh"), fresh) == {fresh.key}
    assert desk.task(claim.key).result == "fresh"


def test_nobody_ends_a_task_of_another_session(desk):
    _, claim = claimed(desk)
    assert desk.settle(given(1), claim, session=desk.new_worker().session) == set()
    assert desk.task(claim.key).status == "processing"


def test_a_batch_with_one_stale_attempt_settles_the_others(desk):
    run = desk.submit(Wide(n=6))
    desk.plan()
    claims = desk.claim()
    desk.settle(Released(), claims[2])
    endings = [given(0), AGAIN, given("stale"), Failed(BROKEN), Released(), given(5)]
    outcomes = [Outcome(c, ending) for c, ending in zip(claims, endings, strict=True)]
    accepted = desk.store.settle(desk.session, outcomes)
    assert sorted(key.idx for key in accepted) == [0, 1, 3, 4, 5]
    assert desk.statuses(run.run, 0)[1:] == [
        "completed",
        "waiting",
        "queued",
        "failed",
        "queued",
        "completed",
    ]


def test_a_task_that_completes_after_its_job_ended_changes_nothing(desk):
    """R12: a final job stays as it is."""
    run, claim = claimed(desk)
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.CANCELLED)
    before = desk.finished(run.run), desk.events(run.job_id)
    desk.complete(claim)
    assert (desk.finished(run.run), desk.events(run.job_id)) == before
    assert desk.stage(run.run, 0).status == "cancelled"
    assert desk.stage(run.run, 1) is None
    desk.machine.repair_stages()
    assert (desk.finished(run.run).status, desk.finished(run.run).swept) == ("cancelled", True)


def test_a_task_swept_away_with_its_job_cannot_be_ended(desk):
    """R12, R37: what a cancelled job has running loses its fence."""
    run, claim = claimed(desk)
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.CANCELLED)
    desk.machine.sweep(run.run)
    assert desk.settle(given(1), claim) == set()
    assert not desk.store.renew(claim, desk.session, 0.5, "still here")
    assert desk.task(claim.key).status == "cancelled"


def test_phases_are_kept_under_the_task_and_found_by_its_next_attempt(desk):
    """R38: a retry resumes after the phase that was done."""
    _, claim = claimed(desk)
    assert desk.store.checkpoint(claim, "warp") is None
    desk.store.keep_checkpoint(claim, "warp", Payload(b"17"))
    desk.store.keep_checkpoint(claim, "cog", Payload(ref="silver/coremachine/x.json"))
    desk.settle(Released(), claim)
    again = desk.one()
    assert desk.store.checkpoint(again, "warp") == Payload(b"17")
    assert desk.store.checkpoint(again, "cog") == Payload(ref="silver/coremachine/x.json")
    assert desk.store.checkpoint(again, "other") is None


def test_a_phase_is_kept_by_its_owner_alone_and_the_last_word_counts(desk):
    """Fault 40: a zombie keeps no checkpoint."""
    _, claim = claimed(desk)
    desk.store.keep_checkpoint(claim, "warp", Payload(b"1"))
    desk.store.keep_checkpoint(claim, "warp", Payload(b"2"))
    assert desk.store.checkpoint(claim, "warp") == Payload(b"2")
    desk.settle(Released(), claim)
    desk.store.keep_checkpoint(claim, "late", Payload(b"3"))
    desk.one()
    desk.store.keep_checkpoint(claim, "late", Payload(b"3"))
    assert desk.store.checkpoint(claim, "late") is None


def test_settling_what_was_never_claimed_changes_nothing(desk):
    run = desk.submit(Line())
    key = TaskKey(run.run, 0, 0)
    (claim,) = desk.claim()
    desk.settle(Released(), claim)
    assert desk.settle(given(1), claim) == set()
    assert desk.task(key).status == "queued"
