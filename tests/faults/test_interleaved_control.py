"""Every order in which the statements of operators and workers reach one job: each race has one winner, always the same.

docs/explanation/who-wins.md tells the winners; the tests here are named after its rows.
"""

from types import SimpleNamespace

import pytest

from core.errors import Conflict, JobDeleting, JobEnded, JobNotFound, JobStillRunning
from core.ports import Limits
from core.queues import QueueName
from core.stages import Decision
from core.states import JobStatus
from core.tasks import NewTask, Payload, TaskKey
from core.upkeep.removal import Removal
from tests.faults.arranged import CLOSING, at, ends, nobody_failed, planned, settles
from tests.faults.stepped import Orders
from tests.store.desk import PostgresDesk, given
from tests.store.sample_jobs import Fan, Gated, Hasty, Wide

BY = "ada"
STEER = "control/lock_current_run"


@pytest.fixture
def orders(database: str) -> Orders:
    return Orders(database)


def verb(name: str):
    return lambda desk, at: getattr(desk.control, name)(at.job_id, by=BY).changed


def tidy(desk: PostgresDesk) -> None:
    """What the reconciler does, until it has nothing to do."""
    desk.machine.repair_stages()
    while desk.control.repair():
        pass


# Cancel


def test_cancel_against_complete(orders):
    """Fault 45: whoever has the run's row first ends it; a job that completed stays completed."""

    def check(desk, at, trace):
        cancelled = trace.results.get("cancels", False)
        assert desk.status(at.run) == ("cancelled" if cancelled else "completed")
        assert [type(e) for e in trace.errors.values()] == ([] if cancelled else [JobEnded])
        assert sum(w in ("job_cancelled", "job_completed") for w in desk.whats(at.job_id)) == 1
        if not trace.results["completes"]:
            assert desk.stage(at.run, 0).status == "cancelled"

    orders(
        lambda desk: planned(desk, Wide(n=1)),
        {"completes": ends(0, given(7)), "cancels": verb("cancel")},
        check,
        loud=("tasks/settle_tasks", *CLOSING, "jobs/lock_run", STEER, "tasks/drop_queued"),
        expected=(JobEnded,),
    )


def test_cancel_against_a_claim(orders):
    """Fault 45, R37: a task is the claimer's before the cancel, or nobody's."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.status(at.run) == "cancelled"
        desk.machine.sweep(at.run)  # a claim that was just being made is passed over by the first
        assert desk.statuses(at.run, 0)[1:] == ["cancelled"] * 2
        for claim in trace.results["claims"]:
            assert desk.settle(given(1), claim) == set()

    orders(
        lambda desk: planned(desk, Wide(n=2), claimed=0),
        {"claims": lambda desk, at: desk.claim(), "cancels": verb("cancel")},
        check,
        loud=(
            "tasks/claim_due",
            "jobs/start_runs",
            STEER,
            "stages/cancel_stages",
            "jobs/finish_run",
        ),
    )


def test_nothing_is_claimed_of_a_job_that_has_been_cancelled(orders):
    """R37: also between the cancel and its sweep, when the verb has died."""

    def cancels(desk, at):
        with desk.store.job_turn(at.job_id) as job:
            job.current.finish(JobStatus.CANCELLED)
        return desk.claim()

    def check(desk, at, trace):
        nobody_failed(trace)
        assert trace.results["cancels"] == []
        desk.machine.sweep(at.run)

    orders(
        lambda desk: planned(desk, Wide(n=2), claimed=0),
        {"cancels": cancels, "claims": lambda desk, at: desk.claim(limit=1)},
        check,
        loud=("tasks/claim_due", "jobs/start_runs", STEER, "jobs/finish_run"),
    )


def test_cancel_against_the_next_attempt(orders):
    """Fault 45: a task that becomes due again is dropped like any other."""

    def check(desk, at, trace):
        assert "cancels" in trace.results
        desk.machine.sweep(at.run)
        assert desk.statuses(at.run, 0) == ["cancelled"]
        assert desk.claim() == []

    def arrange(desk):
        run = desk.submit(Hasty())
        claim = desk.one()
        desk.conn.execute("update tasks set deadline = now() - interval '1 hour'")
        return at(run=run.run, job_id=run.job_id, claims=[claim], session=desk.session)

    orders(
        arrange,
        {
            "retries": lambda desk, at: desk.store.repair(Limits(dead_after=1e6)),
            "cancels": verb("cancel"),
            "claims": lambda desk, at: desk.claim(),
        },
        check,
        loud=("repair/take_back_tasks", "tasks/claim_due", STEER, "tasks/drop_queued"),
    )


def test_cancel_against_planning(orders):
    """R37: a planner writes before the cancel, or not at all."""

    def arrange(desk):
        run = desk.submit(Wide(n=2))
        (plan,) = desk.claim(QueueName.JOBS)
        return at(run=run.run, job_id=run.job_id, plan=plan, session=desk.session)

    def plans(desk, at):
        tasks = [NewTask(n, Payload(b"1")) for n in range(2)]
        added = desk.store.add_tasks(at.plan, at.session, tasks)
        return added, added and desk.store.open_planned(at.plan, at.session, 2)

    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.status(at.run) == "cancelled"
        desk.machine.sweep(at.run)
        assert set(desk.statuses(at.run, 0)) <= {"cancelled", "completed"}
        assert desk.finished(at.run).swept

    orders(
        arrange,
        {"plans": plans, "cancels": verb("cancel")},
        check,
        loud=("tasks/hold_planning", "stages/open_stage", STEER, "stages/cancel_stages"),
    )


def test_cancel_against_approve(orders):
    """A decision that is told to have been taken was taken before the cancel."""

    def arrange(desk):
        run = desk.submit(Gated())
        desk.work()
        return at(run=run.run, job_id=run.job_id)

    def approves(desk, at):
        desk.control.decide(at.job_id, "review", Decision(approved=True, by=BY))

    def check(desk, at, trace):
        assert "cancels" in trace.results
        assert desk.status(at.run) == "cancelled"
        whats = desk.whats(at.job_id)
        if "approves" in trace.results:
            assert whats.index("gate_approved") < whats.index("job_cancelled")
        else:
            assert "gate_approved" not in whats

    orders(
        arrange,
        {"approves": approves, "cancels": verb("cancel")},
        check,
        loud=(STEER, "tasks/decide_gate", "tasks/drop_queued", *CLOSING),
        expected=(Conflict,),
    )


# Pause and resume


def test_pause_against_a_claim(orders):
    """Fault 45: what was claimed before the pause may run; nothing is claimed after it."""

    def check(desk, at, trace):
        nobody_failed(trace)
        claimed = {claim.key for claim in trace.results["claims"]}
        assert desk.status(at.run) == "paused"
        assert desk.claim() == []
        tidy(desk)
        for key in desk.keys(at.run, 0)[1:]:
            assert desk.task(key).status == ("processing" if key in claimed else "waiting")
        desk.control.resume(at.job_id, by=BY)
        assert {c.key for c in desk.claim()} == set(desk.keys(at.run, 0)[1:]) - claimed

    orders(
        lambda desk: planned(desk, Wide(n=2), claimed=0),
        {"pauses": verb("pause"), "claims": lambda desk, at: desk.claim(limit=1)},
        check,
        loud=(
            "tasks/claim_due",
            "jobs/start_runs",
            STEER,
            "control/move_run",
            "control/hold_tasks",
        ),
    )


def test_nothing_is_claimed_of_a_job_that_has_been_paused(orders):
    """Also before anything is set aside, when the verb has died."""

    def pauses(desk, at):
        with desk.store.job_turn(at.job_id) as job:
            job.current.move(JobStatus.PAUSED)
        return desk.claim()

    def check(desk, at, trace):
        nobody_failed(trace)
        assert trace.results["pauses"] == []

    orders(
        lambda desk: planned(desk, Wide(n=2), claimed=0),
        {"pauses": pauses, "claims": lambda desk, at: desk.claim(limit=1)},
        check,
        loud=("tasks/claim_due", "jobs/start_runs", STEER, "control/move_run"),
    )


def test_pause_against_complete(orders):
    """Fault 45: a close that comes during a pause counts; the last one ends the job."""

    def check(desk, at, trace):
        assert trace.results["completes"]
        assert desk.status(at.run) == "completed"
        told = "job_paused" in desk.whats(at.job_id)
        assert told == bool(trace.results.get("pauses"))

    orders(
        lambda desk: planned(desk, Wide(n=1)),
        {"completes": ends(0, given(7)), "pauses": verb("pause")},
        check,
        loud=("tasks/settle_tasks", *CLOSING, "jobs/lock_run", STEER),
        expected=(JobEnded,),
    )


def test_pause_against_a_close_that_opens_the_next_stage(orders):
    """Fault 45: the next stage opens, and nobody begins it."""

    def check(desk, at, trace):
        nobody_failed(trace)
        tidy(desk)
        assert desk.status(at.run) == "paused"
        assert desk.stage(at.run, 1).status == "open"
        assert desk.claim() == []
        desk.control.resume(at.job_id, by=BY)
        desk.work()
        assert desk.status(at.run) == "completed"

    orders(
        lambda desk: planned(desk, Fan(n=1)),
        {"completes": ends(0, given(7)), "pauses": verb("pause")},
        check,
        loud=("tasks/settle_tasks", *CLOSING, STEER, "control/hold_tasks"),
    )


def test_pause_against_resume(orders):
    """Fault 45: they follow each other, and no task is forgotten in between."""

    def arrange(desk):
        job = planned(desk, Wide(n=2), claimed=0)
        desk.control.pause(job.job_id, by="bob")
        return job

    def check(desk, at, trace):
        nobody_failed(trace)
        tidy(desk)
        due = desk.keys(at.run, 0)[1:]
        left = [key for key in due if desk.task(key).status != "processing"]
        assert len(due) - len(left) == len(trace.results["claims"])
        paused = desk.status(at.run) == "paused"
        assert {desk.task(key).status for key in left} <= {"waiting" if paused else "queued"}
        if paused:
            desk.control.resume(at.job_id, by=BY)
        assert [claim.key for claim in desk.claim()] == left

    orders(
        arrange,
        {
            "resumes": verb("resume"),
            "pauses": verb("pause"),
            "claims": lambda desk, at: desk.claim(limit=1),
        },
        check,
        loud=(STEER, "control/hold_tasks", "control/release_tasks", "tasks/claim_due"),
    )


# Running again


def failed(desk: PostgresDesk) -> SimpleNamespace:
    run = desk.submit(Fan(n=2))
    desk.plan()
    claims = desk.claim()
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.FAILED)
    return at(run=run.run, job_id=run.job_id, claims=claims, session=desk.session, job=Fan(n=2))


def test_resubmit_against_resubmit_and_submit(orders):
    """Fault 46, R40: one new run, whoever asks for it; a submission finds it."""

    def check(desk, at, trace):
        assert {type(error) for error in trace.errors.values()} <= {JobStillRunning}
        assert desk.runs(at.job_id) == [(1, "failed"), (2, "queued")]
        acted = [name for name in ("one", "other") if name in trace.results]
        submitted = trace.results["submits"]
        assert len(acted) + submitted.is_new == 1
        assert submitted.run.number == 2

    orders(
        failed,
        {
            "one": verb("resubmit"),
            "other": verb("resubmit"),
            "submits": lambda desk, at: desk.machine.submit(at.job),
        },
        check,
        loud=("jobs/lock_job", "jobs/add_run"),
        expected=(JobStillRunning,),
    )


def test_resubmit_against_the_old_runs_last_attempt(orders):
    """Fault 46: the old attempt is the old run's; the new one takes over what it completed in time, or runs it."""

    def takes_over(desk, at):
        new = desk.control.resubmit(at.job_id, by=BY).run
        desk.plan()
        return new

    def check(desk, at, trace):
        nobody_failed(trace)
        new = trace.results["resubmits"].run
        statuses = desk.statuses(new, 0)[1:]
        assert statuses[1] == "queued"
        assert statuses[0] in ("completed", "queued")
        if statuses[0] == "completed":
            assert trace.results["settles"]
            assert desk.task(TaskKey(new, 0, 0)).result == 7
        desk.work()
        assert desk.finished(new).result in (1, 7 + 1)

    orders(
        failed,
        {
            "settles": settles(0, given(7)),
            "resubmits": takes_over,
            "sweeps": lambda desk, at: desk.machine.sweep(at.run),
        },
        check,
        loud=("tasks/settle_tasks", "tasks/drop_queued", STEER, "control/carry_tasks"),
    )


def test_resubmit_against_cancel(orders):
    """Fault 46: the cancel meets the old run, which has ended, or the new one."""

    def check(desk, at, trace):
        assert trace.results["resubmits"]
        runs = desk.runs(at.job_id)
        assert runs == [(1, "failed"), (2, "cancelled" if "cancels" in trace.results else "queued")]

    orders(
        failed,
        {"resubmits": verb("resubmit"), "cancels": verb("cancel")},
        check,
        loud=("jobs/lock_job", STEER, "jobs/add_run", "tasks/drop_queued"),
        expected=(JobEnded,),
    )


def test_replay_against_pause(orders):
    """Fault 46: the pause meets the old run, which has ended, or the new one."""

    def replays(desk, at):
        return desk.control.replay(at.job_id, "echo", by=BY).run.number

    def check(desk, at, trace):
        assert trace.results["replays"] == 2
        paused = "pauses" in trace.results
        assert desk.runs(at.job_id)[1] == (2, "paused" if paused else "queued")
        assert len(desk.claim(QueueName.JOBS)) == (0 if paused else 1)

    orders(
        failed,
        {"replays": replays, "pauses": verb("pause")},
        check,
        loud=("jobs/lock_job", STEER, "jobs/add_run", "control/hold_tasks"),
        expected=(JobEnded,),
    )


# Deleting


def test_delete_against_resubmit_and_submit(orders):
    """A job that is marked gets no new run; one that runs again is not marked."""

    def deletes(desk, at):
        return Removal(desk.machine).delete(at.job_id, by=BY).gone

    def check(desk, at, trace):
        if "deletes" in trace.results:
            assert trace.results["deletes"]
            assert "resubmits" not in trace.results
            assert desk.runs(at.job_id) in ([], [(1, "queued")])  # gone, or submitted anew
        else:
            assert desk.runs(at.job_id) == [(1, "failed"), (2, "queued")]

    orders(
        failed,
        {
            "deletes": deletes,
            "resubmits": verb("resubmit"),
            "submits": lambda desk, at: desk.machine.submit(at.job),
        },
        check,
        loud=("jobs/lock_job", STEER, "control/forget_tasks", "control/forget_job"),
        expected=(JobStillRunning, JobDeleting, JobNotFound),
    )


def test_delete_against_the_old_runs_last_attempt(orders):
    """Fault 46: the attempt is told that its task is gone, and leaves nothing behind."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.runs(at.job_id) == []
        assert desk.conn.execute("select count(*) from tasks").fetchone() == (0,)
        assert desk.conn.execute("select count(*) from events").fetchone() == (0,)

    orders(
        failed,
        {
            "settles": ends(0, given(7)),
            "deletes": lambda desk, at: Removal(desk.machine).delete(at.job_id, by=BY).gone,
        },
        check,
        loud=("tasks/settle_tasks", *CLOSING, STEER, "control/forget_tasks", "control/forget_job"),
    )
