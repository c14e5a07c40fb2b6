"""Submitting: one job per set of parameters, a run per attempt at it, nothing half written."""

from functools import partial
from uuid import uuid4

import pytest

from core.blobs import BlobRef
from core.errors import JobNotFound, JobStillRunning
from core.ports import NewRun
from core.queues import QueueName
from core.states import JobStatus
from core.tasks import Payload, TaskKey
from core.values import INLINE
from tests.store.desk import Stage, at_once
from tests.store.sample_jobs import Bulky, Diamond, Fan, Line, Urgent


def new_run(job: Line, **changes) -> NewRun:
    values = {
        "job_id": job.fingerprint,
        "job_type": job.job_type,
        "parameters": Payload(job.canonical.encode()),
        "plan": job.plan,
        "priority": 0,
        "request": uuid4(),
    }
    return NewRun(**values | changes)


def ended(desk, job, status: JobStatus):
    """A run of the job that has ended so."""
    run = desk.submit(job)
    with desk.store.turn(run.run) as turn:
        turn.finish(status)
    desk.machine.sweep(run.run)
    return run


def test_a_new_job_has_its_first_stage_open_with_one_task_due(desk):
    run = desk.submit(Line())
    assert (run.number, run.status, run.job_type) == (1, "queued", "line")
    assert desk.stage(run.run, 0) == Stage("open", 1, None)
    assert desk.stage(run.run, 1) is None
    assert desk.statuses(run.run, 0) == ["queued"]
    assert [(e.number, e.what) for e in desk.events(run.job_id)] == [
        (1, "job_submitted"),
        (2, "stage_opened"),
    ]


def test_a_fan_out_begins_with_a_task_that_plans_it(desk):
    run = desk.submit(Fan(n=3))
    assert desk.stage(run.run, 0) == Stage("expanding", 0, None)
    assert desk.keys(run.run, 0) == [TaskKey(run.run, 0, -1)]
    assert desk.claim(QueueName.LIGHT) == []
    assert [str(claim.key) for claim in desk.claim(QueueName.JOBS)] == [f"{run.run}-0-plan"]


def test_submitting_equal_parameters_finds_the_same_run(desk):
    """R40, R07: submitted again, whatever became of the first reply."""
    first = desk.machine.submit(Line(label="a"))
    again = desk.machine.submit(Line(label="a"))
    other = desk.machine.submit(Line(label="b"))
    assert first.is_new
    assert not again.is_new
    assert again.run.run == first.run.run
    assert other.run.job_id != first.run.job_id
    assert len(desk.events(first.run.job_id)) == 2


def test_fifty_submissions_at_once_make_one_run_with_one_task(desk):
    """Fault 47, R40."""
    many = at_once(*[partial(desk.machine.submit, Line(label="x"))] * 50)
    assert len({submission.run.run for submission in many}) == 1
    assert sum(submission.is_new for submission in many) == 1
    run = many[0].run
    assert desk.runs(run.job_id) == [(1, "queued")]
    assert len(desk.claim()) == 1


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_that_did_not_make_it_gets_a_new_run_and_keeps_its_history(desk, status):
    """R34, R35: the first run, its tasks and its events stay."""
    first = ended(desk, Line(), status)
    second = desk.machine.submit(Line())
    assert second.is_new
    assert second.run.number == 2
    assert second.run.job_id == first.job_id
    assert desk.runs(first.job_id) == [(1, status), (2, "queued")]
    assert desk.statuses(first.run, 0) == ["cancelled"]
    assert [e.number for e in desk.events(first.job_id)] == [1, 2, 3, 4, 5]
    assert desk.machine.submit(Line()).run.run == second.run.run


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS])
def test_a_job_that_is_done_runs_again_only_when_forced(desk, status):
    """R34."""
    first = ended(desk, Line(), status)
    assert desk.submit(Line()).run == first.run
    forced = desk.machine.submit(Line(), force=True)
    assert forced.is_new
    assert desk.runs(first.job_id) == [(1, status), (2, "queued")]


def test_a_job_that_runs_cannot_be_forced(desk):
    """R36: 409, and nothing has changed."""
    run = desk.submit(Line())
    with pytest.raises(JobStillRunning, match="it can be forced again once it has ended"):
        desk.submit(Line(), force=True)
    desk.claim()
    with pytest.raises(JobStillRunning) as refused:
        desk.submit(Line(), force=True)
    assert refused.value.status == 409
    assert desk.runs(run.job_id) == [(1, "processing")]


def test_a_request_repeated_after_a_lost_reply_finds_its_own_run(desk):
    """Fault 10: also a forced one, which would begin another run if it were a new request."""
    done = ended(desk, Line(), JobStatus.COMPLETED)
    new = new_run(Line())
    with desk.store.submit(new, force=True) as (first, turn):
        assert turn is not None
        turn.open(0)
    with desk.store.submit(new, force=True) as (again, turn):
        assert turn is None
    assert again.is_new
    assert again.run.run == first.run.run != done.run
    assert len(desk.runs(done.job_id)) == 2


def test_a_submission_that_dies_halfway_leaves_nothing(desk):
    """R06, R07: rows and wake-ups are one transaction."""
    job = Line()

    def die_halfway() -> None:
        with desk.store.submit(new_run(job), force=False) as (_, turn):
            turn.open(0)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        die_halfway()
    assert desk.claim() == []
    assert desk.runs(job.fingerprint) == []
    assert desk.events(job.fingerprint) == []
    assert desk.machine.submit(Line()).is_new


def test_large_parameters_and_results_are_kept_as_blobs(desk):
    """R18, R42: rows and messages carry a reference."""
    job = Bulky(text="x" * INLINE)
    run = desk.submit(job)
    ref = desk.store.run(run.run).parameters.ref
    assert desk.store.run(run.run).parameters.data is None
    assert ref == f"silver/coremachine/parameters/{run.job_id}.json"
    assert desk.blobs.read(BlobRef(ref)) == job.canonical.encode()
    desk.work()
    result = desk.finished(run.run)
    assert result.status == "completed"
    assert result.result == f"silver/coremachine/runs/{run.run}/0/0-1.json"
    assert len(desk.blobs.read(BlobRef(result.result))) == 2 * INLINE + 2


def test_small_parameters_are_kept_as_they_were(desk):
    job = Line(label='Grüße, 世界 \U0001f30d "quoted" \\ /')
    run = desk.submit(job)
    assert desk.machine.job(desk.store.run(run.run)) == job


def test_the_plan_is_stored_with_the_run(desk):
    """Fault 43: a running job keeps the plan it began with."""
    run = desk.submit(Diamond())
    assert list(desk.store.run(run.run).plan) == Diamond.plan


def test_a_job_of_higher_priority_is_claimed_first(desk):
    desk.submit(Line())
    urgent = desk.submit(Urgent())
    assert [claim.key.run for claim in desk.claim(limit=1)] == [urgent.run]


def test_task_ids_of_two_jobs_never_meet(desk):
    """R32, R33: an id is made of numbers that are never used twice, so it cannot be too long."""
    runs = [desk.submit(Line(label=str(n))).run for n in range(20)]
    ids = [str(claim.key) for claim in desk.claim()]
    assert len(set(ids)) == len(set(runs)) == 20
    assert [TaskKey.parse(text).run for text in ids] == runs


def test_a_run_that_is_not_there_is_named(desk):
    with pytest.raises(JobNotFound, match="There is no run 987654"):
        desk.store.run(987654)
    with pytest.raises(JobNotFound, match="987654"), desk.store.turn(987654):
        pass
