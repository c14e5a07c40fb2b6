"""Every verb on every status of a job and of a task: one table, and everything else is told why not."""

from collections.abc import Callable

import pytest

from core.control.desk import Done
from core.control.verbs import RULINGS, Ruling, Verb
from core.errors import Conflict, JobEnded, JobNotFound, JobStillRunning, NeedsForce, TaskNotFailed
from core.stages import Decision
from core.states import JobStatus, TaskStatus
from core.tasks import TaskKey
from core.upkeep.removal import Removal
from tests.store.desk import Desk, at_once
from tests.store.sample_jobs import Choosy, Diamond, Gated, Line, Tolerant, Wide

BY = "ada"
YES = Decision(approved=True, by=BY)


def arranged(desk: Desk, status: JobStatus) -> str:
    """A job of that status; its id. Where a status allows it, it has a task that failed."""
    match status:
        case JobStatus.QUEUED:
            return desk.submit(Line()).job_id
        case JobStatus.PROCESSING:
            run = desk.submit(Line())
            desk.claim()
            return run.job_id
        case JobStatus.PAUSED:
            run = desk.submit(Line())
            desk.claim()
            desk.control.pause(run.job_id, by=BY)
            return run.job_id
        case JobStatus.COMPLETED:
            run = desk.submit(Line())
            desk.work()
            return run.job_id
        case JobStatus.COMPLETED_WITH_ERRORS:
            run = desk.submit(Tolerant())
            desk.work()
            return run.job_id
        case JobStatus.FAILED:
            run = desk.submit(Line())
            desk.fail(desk.one())
            return run.job_id
        case JobStatus.CANCELLED:
            run = desk.submit(Line())
            desk.control.cancel(run.job_id, by=BY)
            return run.job_id


def failed_task(desk: Desk, job_id: str) -> TaskKey:
    run = current(desk, job_id)
    keys = desk.keys(run, 0)
    return next((key for key in keys if desk.task(key).status == "failed"), TaskKey(run, 0, 0))


def current(desk: Desk, job_id: str) -> int:
    with desk.store.job_turn(job_id) as job:
        return job.current.run.run


ACTS: dict[Verb, Callable[[Desk, str], object]] = {
    Verb.CANCEL: lambda desk, job: desk.control.cancel(job, by=BY),
    Verb.PAUSE: lambda desk, job: desk.control.pause(job, by=BY),
    Verb.RESUME: lambda desk, job: desk.control.resume(job, by=BY),
    Verb.RESUBMIT: lambda desk, job: desk.control.resubmit(job, by=BY),
    Verb.REPLAY: lambda desk, job: desk.control.replay(job, first_stage(desk, job), by=BY),
    Verb.RETRY: lambda desk, job: desk.control.retry(job, failed_task(desk, job), by=BY),
    Verb.DELETE: lambda desk, job: Removal(desk.machine).delete(job, by=BY),
}


def first_stage(desk: Desk, job_id: str) -> str:
    return desk.store.run(current(desk, job_id)).plan[0].name


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("verb", ACTS)
def test_every_verb_on_every_status_of_a_job(desk, verb, status):
    """R36, R151: what a verb comes to stands in one table; a refusal says the state and what to do."""
    job_id = arranged(desk, status)
    assert desk.status(current(desk, job_id)) == status
    before = desk.events(job_id)
    ruling = RULINGS[verb][status]
    if ruling in (Ruling.REFUSED, Ruling.FORCED):
        expected = JobStillRunning if not status.is_final else JobEnded
        with pytest.raises(NeedsForce if ruling is Ruling.FORCED else expected) as refused:
            ACTS[verb](desk, job_id)
        assert job_id in str(refused.value)
        assert f"is {status}" in str(refused.value)
        assert desk.events(job_id) == before
        return
    done = ACTS[verb](desk, job_id)
    if isinstance(done, Done):
        assert done.changed == (ruling is Ruling.ACTS)
        assert done.message
        assert (desk.events(job_id) == before) == (ruling is Ruling.DONE)
        assert desk.status(done.run.run) == done.run.status


@pytest.mark.parametrize("verb", [v for v in ACTS if v not in (Verb.REPLAY, Verb.RETRY)])
def test_no_verb_invents_a_job(desk, verb):
    with pytest.raises(JobNotFound):
        ACTS[verb](desk, "ab" * 32)


def test_no_replay_and_no_retry_invents_a_job(desk):
    with pytest.raises(JobNotFound):
        desk.control.replay("ab" * 32, "first", by=BY)
    with pytest.raises(JobNotFound):
        desk.control.retry("ab" * 32, TaskKey(1, 0, 0), by=BY)


@pytest.mark.parametrize("status", TaskStatus)
def test_a_retry_on_every_status_of_a_task(desk, status):
    """Only what failed is tried again; everything else is told how it stands."""
    job_id, key = job_with_task(desk, status)
    if status is TaskStatus.FAILED:
        assert desk.control.retry(job_id, key, by=BY).changed
        return
    refused = TaskNotFailed if desk.store.run(key.run).status.is_final else JobStillRunning
    with pytest.raises(refused, match=f"is {status}" if refused is TaskNotFailed else "has ended"):
        desk.control.retry(job_id, key, by=BY)


def job_with_task(desk: Desk, status: TaskStatus) -> tuple[str, TaskKey]:
    match status:
        case TaskStatus.QUEUED:
            run = desk.submit(Line())
            return run.job_id, TaskKey(run.run, 0, 0)
        case TaskStatus.PROCESSING:
            run = desk.submit(Line())
            return run.job_id, desk.one().key
        case TaskStatus.WAITING:
            run = desk.submit(Gated())
            desk.work()
            return run.job_id, TaskKey(run.run, 1, 0)
        case TaskStatus.COMPLETED:
            run = desk.submit(Diamond())
            desk.complete(desk.one())
            desk.fail(desk.claim()[0])
            return run.job_id, TaskKey(run.run, 0, 0)
        case TaskStatus.FAILED:
            run = desk.submit(Line())
            claim = desk.one()
            desk.fail(claim)
            return run.job_id, claim.key
        case TaskStatus.CANCELLED:
            run = desk.submit(Wide())
            desk.plan()
            desk.fail(*desk.claim(limit=1))
            return run.job_id, TaskKey(run.run, 0, 2)
        case TaskStatus.SKIPPED:
            return skipped(desk)


def skipped(desk: Desk) -> tuple[str, TaskKey]:
    """A job that failed behind a stage that was left out."""
    run = desk.submit(Choosy())
    desk.complete(desk.one(), value=3)
    desk.plan()
    desk.fail(desk.one())
    return run.job_id, TaskKey(run.run, 1, 0)


def test_of_operators_who_press_the_same_button_one_acts_and_all_are_told(desk):
    """Two operators at once: one changes something, the other learns that it is done."""
    job_id = arranged(desk, JobStatus.PROCESSING)
    for act in ("pause", "resume", "cancel"):
        verb = getattr(desk.control, act)
        done = at_once(*[lambda n=n, verb=verb: verb(job_id, by=f"operator {n}") for n in range(6)])
        assert sorted(one.changed for one in done) == [False] * 5 + [True], act
    assert desk.whats(job_id)[-3:] == ["job_paused", "job_resumed", "job_cancelled"]


def test_of_operators_who_resubmit_at_once_one_begins_a_run(desk):
    job_id = arranged(desk, JobStatus.FAILED)

    def resubmits() -> bool:
        try:
            return desk.control.resubmit(job_id, by=BY).changed
        except Conflict:
            return False

    assert sorted(at_once(*[resubmits] * 6)) == [False] * 5 + [True]
    assert desk.runs(job_id) == [(1, "failed"), (2, "queued")]


def test_a_gate_is_settled_by_the_name_of_its_stage(desk):
    run = desk.submit(Gated())
    desk.work()
    done = desk.control.decide(run.job_id, "review", YES)
    assert done.message == "review is approved by ada."
    desk.work()
    assert desk.status(run.run) == "completed"


@pytest.mark.parametrize("status", [s for s in JobStatus if s.is_final])
def test_a_gate_of_a_job_that_has_ended_is_closed(desk, status):
    with pytest.raises(JobEnded, match="gates are closed"):
        desk.control.decide(arranged(desk, status), "first", YES)
