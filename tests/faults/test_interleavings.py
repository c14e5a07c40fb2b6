"""Every order in which the statements of two or three workers close stages, and begin runs and plans."""

from types import SimpleNamespace
from typing import Any

import pytest

from core import Context, JobBase, fan_in, fan_out, single
from core.errors import JobStillRunning
from core.queues import QueueName
from core.states import JobStatus
from core.tasks import NewTask, Payload, TaskKey
from tests.faults.arranged import CLOSING, FAILED, at, closes, ends, nobody_failed, planned
from tests.faults.stepped import Orders
from tests.store.desk import BROKEN, PostgresDesk, given
from tests.store.sample_jobs import Diamond, Fan, Line, Tolerant, Wide
from tests.support.interleave import Broken, pause


class Forked(JobBase):
    """One branch that can fail at once, and one that has to be planned."""

    def numbers(self) -> list[int]:
        return [1, 2]

    @single
    def left(self, ctx: Context) -> int:
        return 1

    @fan_out(each=numbers, after=())
    def right(self, ctx: Context, i: int) -> int:
        return i

    @fan_in(right, left)
    def join(self, ctx: Context, rights: list[int], left: int) -> int:
        return sum(rights) + left


@pytest.fixture
def orders(database: str) -> Orders:
    return Orders(database)


# Closing


def test_the_last_task_fails_while_the_last_but_one_completes(orders):
    """Fault 49, R11: one of the two closes, and what is tolerated is applied once."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(trace.results.values()) == [False, True]
        assert desk.stage(at.run, 0)[::2] == ("closed", "errors")
        desk.work()
        assert desk.status(at.run) == "completed_with_errors"
        assert desk.finished(at.run).result == {"halves": [1], "failed": [1]}

    orders(
        lambda desk: planned(desk, Tolerant(n=2)),
        {"completes": ends(0, given(1)), "fails": ends(1, FAILED)},
        check,
        loud=("tasks/settle_tasks", *CLOSING),
    )


def test_the_last_task_fails_where_none_may(orders):
    """Fault 49, R14: what nobody has begun is dropped, and the job fails once."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(trace.results.values()) == [False, True]
        assert desk.statuses(at.run, 0)[1:] == ["completed", "failed", "cancelled"]
        assert desk.status(at.run) == "failed"
        assert desk.finished(at.run).error["message"] == BROKEN.message

    orders(
        lambda desk: planned(desk, Wide(n=3), claimed=2),
        {"completes": ends(0, given(1)), "fails": ends(1, FAILED)},
        check,
        loud=("tasks/settle_tasks", "tasks/drop_queued", *CLOSING),
    )


def all_settled(desk: PostgresDesk) -> SimpleNamespace:
    at = planned(desk, Fan(n=2))
    desk.settle(given(1), *at.claims)
    return at


def test_two_who_close_a_stage(orders):
    """R02, Fault 41: one of them finds the switch."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(trace.results.values()) == [False, True]
        assert desk.keys(at.run, 1) == [TaskKey(at.run, 1, 0)]
        assert desk.whats(at.job_id).count("stage_closed") == 1

    orders(
        all_settled,
        {"one": closes(0), "other": closes(0)},
        check,
        loud=(*CLOSING, "jobs/lock_run", "stages/close_stage"),
    )


def branches_settled(desk: PostgresDesk, left: Any, right: Any) -> SimpleNamespace:
    job = Diamond()
    run = desk.submit(job)
    desk.complete(desk.one())
    for claim, ending in zip(desk.claim(), (left, right), strict=True):
        desk.settle(ending, claim)
    return at(run=run.run, job_id=run.job_id)


def test_two_branches_close_and_their_successor_opens(orders):
    """Fault 49: whoever is second sees both, and opens what waits for both."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert trace.results == {"left": True, "right": True}
        assert desk.keys(at.run, 3) == [TaskKey(at.run, 3, 0)]
        assert desk.whats(at.job_id).count("stage_opened") == 4

    orders(
        lambda desk: branches_settled(desk, given(1), given(2)),
        {"left": closes(1), "right": closes(2)},
        check,
        loud=(*CLOSING, "jobs/lock_run", "stages/close_stage"),
    )


def test_two_branches_fail(orders):
    """R31, Fault 49: the job fails once, and nobody waits for somebody who waits for them."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert True in trace.results.values()
        assert desk.status(at.run) == "failed"
        ends = [desk.stage(at.run, stage).status for stage in (1, 2)]
        assert sorted(ends) == ["cancelled", "closed"]
        assert desk.whats(at.job_id).count("job_failed") == 1

    orders(
        lambda desk: branches_settled(desk, FAILED, FAILED),
        {"left": closes(1), "right": closes(2)},
        check,
        loud=("stages/lock_stage", "jobs/lock_run", "stages/get_closable", "stages/cancel_stages"),
    )


def test_a_branch_fails_while_the_other_is_planned(orders):
    """Fault 45: a stage that opens after its job failed is cancelled all the same."""

    def arrange(desk):
        run = desk.submit(Forked())
        (plan,) = desk.claim(QueueName.JOBS)
        (left,) = desk.claim()
        desk.settle(FAILED, left)
        return at(run=run.run, plan=plan, session=desk.session)

    def plans(desk, at):
        if desk.store.add_tasks(at.plan, at.session, [NewTask(0), NewTask(1)]):
            return desk.store.open_planned(at.plan, at.session, 2)
        return None

    def check(desk, at, trace):
        nobody_failed(trace)
        assert trace.results["fails"]
        assert desk.status(at.run) == "failed"
        assert desk.stage(at.run, 1).status == "cancelled"
        desk.machine.sweep(at.run)
        assert desk.finished(at.run).swept

    orders(
        arrange,
        {"fails": closes(0), "plans": plans},
        check,
        loud=(
            "stages/lock_stage",
            "stages/cancel_stages",
            "events/add_events",
            "tasks/hold_planning",
            "stages/open_stage",
        ),
    )


# Runs and plans


def test_a_new_run_beside_the_old_runs_last_attempt(orders):
    """Fault 46, R12, R130: the old attempt belongs to an older run and moves nothing in the new one."""

    def arrange(desk):
        job = Diamond()
        run = desk.submit(job)
        desk.complete(desk.one())
        _, right = desk.claim()
        with desk.store.turn(run.run) as turn:
            turn.finish(JobStatus.FAILED)
        return at(job=job, run=run.run, job_id=run.job_id, claims=[right], session=desk.session)

    def old(desk, at):
        accepted = desk.settle(given(7), at.claims[0], session=at.session)
        return bool(accepted), desk.machine.close(at.run, 2)

    def check(desk, at, trace):
        nobody_failed(trace)
        accepted, closed = trace.results["old"]
        assert not closed
        assert desk.task(at.claims[0].key).status == ("completed" if accepted else "cancelled")
        new = trace.results["new"]
        assert (new.is_new, new.run.number) == (True, 2)
        assert desk.runs(at.job_id) == [(1, "failed"), (2, "queued")]
        assert desk.stage(at.run, 2).status == "cancelled"
        assert [desk.keys(new.run.run, stage) for stage in range(4)] == [
            [TaskKey(new.run.run, 0, 0)], [], [], [],
        ]  # fmt: skip
        assert desk.task(TaskKey(new.run.run, 0, 0))[:2] == ("queued", 0)

    orders(
        arrange,
        {
            "old": old,
            "new": lambda desk, at: desk.machine.submit(at.job),
            "sweeps": lambda desk, at: desk.machine.sweep(at.run),
        },
        check,
        loud=(
            "tasks/settle_tasks",
            "stages/is_done",
            "stages/lock_stage",
            "jobs/lock_job",
            "tasks/drop_queued",
        ),
    )


def test_a_job_is_forced_by_two_at_once(orders):
    """Fault 46, R40: one new run; the other one is told that it is running."""

    def arrange(desk):
        job = Line()
        desk.submit(job)
        desk.work()
        return at(job=job, job_id=job.fingerprint)

    def forces(desk, at):
        return desk.machine.submit(at.job, force=True)

    def check(desk, at, trace):
        assert list(map(type, trace.errors.values())) == [JobStillRunning]
        assert [submission.run.number for submission in trace.results.values()] == [2]
        assert desk.runs(at.job_id) == [(1, "completed"), (2, "queued")]

    orders(
        arrange,
        {"one": forces, "other": forces},
        check,
        loud=("jobs/lock_job", "jobs/get_current_run", "jobs/add_run"),
        expected=(JobStillRunning,),
    )


def test_a_planner_that_was_given_up_beside_the_one_that_took_over(orders):
    """Fault 40, R09: one of them opens the stage, with each task once."""

    def arrange(desk):
        run = desk.submit(Wide(n=2))
        (plan,) = desk.claim(QueueName.JOBS)
        return at(run=run.run, job_id=run.job_id, plan=plan, session=desk.session)

    def plans(desk, claim, session):
        tasks = [NewTask(n, Payload(b"1")) for n in range(2)]
        added = desk.store.add_tasks(claim, session, tasks)
        return added and desk.store.open_planned(claim, session, 2)

    def second(desk, at):
        desk.store.give_back(at.session, [(at.plan.key, at.plan.attempt)])
        return any(plans(desk, c, desk.session) for c in desk.claim(QueueName.JOBS))

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sum(trace.results.values()) <= 1
        desk.plan()  # the second one found the row locked, and left it to a third
        assert desk.stage(at.run, 0) == ("open", 2, None)
        assert desk.statuses(at.run, 0) == ["completed", "queued", "queued"]

    orders(
        arrange,
        {"first": lambda desk, at: plans(desk, at.plan, at.session), "second": second},
        check,
        loud=("tasks/hold_planning", "tasks/give_back", "tasks/claim_due"),
    )


def test_failures_of_many_jobs_written_in_opposite_order(orders):
    """R31: a stranger stops both batches halfway; nobody waits for somebody who waits for them."""

    def arrange(desk):
        jobs = [planned(desk, Wide(n=2, label=str(n))) for n in range(3)]
        claims = [claim for job in jobs for claim in job.claims]
        middle = sorted(job.job_id for job in jobs)[1]
        return at(claims=claims, session=desk.session, middle=middle)

    def fails(*numbers):
        return lambda desk, at: desk.settle(
            FAILED, *(at.claims[n] for n in numbers), session=at.session
        )

    def holds(desk, at):
        pause()  # as everybody does before a first statement
        with desk.pool.transaction() as conn:
            conn.execute("select from app.jobs where job_id = %s for update", [at.middle])
            pause()

    def check(desk, at, trace):
        nobody_failed(trace)
        assert [len(trace.results[name]) for name in ("one", "other")] == [3, 3]
        assert {desk.task(claim.key).status for claim in at.claims} == {"failed"}

    orders(
        arrange,
        {"holds": holds, "one": fails(0, 2, 4), "other": fails(5, 3, 1)},
        check,
        loud=("tasks/settle_tasks", "events/add_events"),
        limit=60,
    )


def test_closing_before_the_commit_is_caught(orders):
    """The earlier shape: completed and checked in one transaction, so that each still sees the other open."""

    def ends_at_once(n):
        def act(desk, at):
            with desk.pool.transaction():
                closed = ends(n, given(1))(desk, at)
                pause()  # the commit
            return closed

        return act

    def check(desk, at, trace):
        assert True in trace.results.values()

    with pytest.raises(Broken):
        orders(
            lambda desk: planned(desk, Fan(n=2)),
            {"one": ends_at_once(0), "other": ends_at_once(1)},
            check,
            loud=("tasks/settle_tasks", *CLOSING),
        )
