"""Every order in which the statements of those who want one task, or lose it, reach the database."""

from types import SimpleNamespace

import pytest

from core.ports import Limits
from core.stages import Decision
from core.tasks import TaskKey, Wakeup
from tests.faults.arranged import FAILED, at, nobody_failed, planned, settles
from tests.faults.stepped import Orders
from tests.store.desk import PostgresDesk, given
from tests.store.sample_jobs import Gated, Line, Wide


@pytest.fixture
def orders(database: str) -> Orders:
    return Orders(database)


# Who owns a task


def test_two_claim_the_same_tasks(orders):
    """R01, I4: no task has two owners, and none is left out by both."""

    def claims(desk, at):
        return [claim.key.idx for claim in desk.claim(limit=2, session=desk.session)]

    def check(desk, at, trace):
        nobody_failed(trace)
        one, other = trace.results["one"], trace.results["other"]
        assert not set(one) & set(other)
        assert {0, 1} <= {*one, *other}
        assert {desk.task(TaskKey(at.run, 0, idx)).attempt for idx in (*one, *other)} == {1}
        assert desk.whats(at.job_id).count("job_started") == 1

    orders(
        lambda desk: planned(desk, Wide(n=3), claimed=0),
        {"one": claims, "other": claims},
        check,
        loud=("tasks/claim_due", "jobs/start_runs"),
    )


def test_a_message_that_comes_twice_while_the_first_one_runs(orders):
    """R01, R02: both see the task due; the attempt lets one of them in."""

    def claims(desk, at):
        return [claim.attempt for claim in desk.store.claim_named([at.wakeup], desk.session)]

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(trace.results.values()) == [[], [1]]
        assert desk.task(at.wakeup.key)[:2] == ("processing", 1)

    def arrange(desk):
        return at(wakeup=Wakeup(TaskKey(desk.submit(Line()).run, 0, 0), 0))

    orders(
        arrange,
        {"one": claims, "other": claims},
        check,
        loud=("tasks/claim_named", "jobs/start_runs"),
    )


def test_a_cancelled_run_between_a_claim_and_an_outcome(orders):
    """Fault 45: whoever writes a task's row first has won; an outcome that was accepted stays."""

    def check(desk, at, trace):
        nobody_failed(trace)
        settled, claimed = trace.results["settles"], trace.results["claims"]
        first, second = (desk.task(TaskKey(at.run, 0, idx)) for idx in (0, 1))
        assert first.status == ("completed" if settled else "cancelled")
        assert (first.result == 7) == bool(settled)
        assert second.status in (("processing", "cancelled") if claimed else ("cancelled",))
        assert [first.status, second.status].count("cancelled") == trace.results["cancels"]
        assert second.owned == (second.status == "processing")
        desk.store.drop_queued(at.run, None, 500)
        assert desk.task(TaskKey(at.run, 0, 1)).status == "cancelled"

    orders(
        lambda desk: planned(desk, Wide(n=2), claimed=1),
        {
            "settles": settles(0, given(7)),
            "cancels": lambda desk, at: desk.store.drop_queued(at.run, None, 500),
            "claims": lambda desk, at: desk.claim(session=desk.session),
        },
        check,
        loud=("tasks/settle_tasks", "tasks/drop_queued", "tasks/claim_due"),
    )


def lease_lost(desk: PostgresDesk) -> SimpleNamespace:
    run = desk.submit(Line())
    claims = [desk.one()]
    desk.conn.execute("update sessions set seen = seen - interval '1 hour'")
    return at(run=run.run, claims=claims, session=desk.session)


def test_a_lost_lease_between_the_old_owner_and_the_next(orders):
    """Fault 40, R03, R26: the outcome counts, or the task runs again, never both."""

    def check(desk, at, trace):
        nobody_failed(trace)
        settled, claimed = trace.results["old"], trace.results["next"]
        task = desk.task(at.claims[0].key)
        assert trace.results["repair"].requeued == (0 if settled else 1)
        if settled:
            assert (task.status, task.attempt, task.result, claimed) == ("completed", 1, 7, [])
        else:
            expected = ("processing", 2) if claimed else ("queued", 1)
            assert (task.status, task.attempt) == expected
            assert task.result is None

    orders(
        lease_lost,
        {
            "old": settles(0, given(7)),
            "repair": lambda desk, at: desk.store.repair(Limits(dead_after=60)),
            "next": lambda desk, at: desk.claim(session=desk.session),
        },
        check,
        loud=("tasks/settle_tasks", "repair/take_back_tasks", "tasks/claim_due"),
    )


def test_a_task_given_back_while_its_outcome_is_written(orders):
    """Fault 16: the audit takes a claim for a stray that the slot is just ending."""

    def gives_back(desk, at):
        claim = at.claims[0]
        return desk.store.give_back(at.session, [(claim.key, claim.attempt)])

    def check(desk, at, trace):
        nobody_failed(trace)
        settled, given_back = bool(trace.results["settles"]), trace.results["gives back"]
        assert settled + given_back == 1
        task = desk.task(at.claims[0].key)
        assert task.status == ("completed" if settled else "queued")
        assert task.failures == 0

    orders(
        lambda desk: planned(desk, Line()),
        {"settles": settles(0, given(1)), "gives back": gives_back},
        check,
        loud=("tasks/settle_tasks", "tasks/give_back"),
    )


def test_an_outcome_written_twice_at_once(orders):
    """Fault 16: the first try has committed after all, or is still about to."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(map(len, trace.results.values())) == [0, 1]
        failures = [e for e in desk.events(at.job_id) if e.what == "task_failed"]
        assert len(failures) == 1

    orders(
        lambda desk: planned(desk, Line()),
        {"first": settles(0, FAILED), "again": settles(0, FAILED)},
        check,
        loud=("tasks/settle_tasks", "events/add_events"),
    )


def test_a_gate_approved_and_rejected_at_once(orders):
    """R85: a person's decision is taken once, and the other one is told."""

    def decides(approved):
        return lambda desk, at: desk.store.decide_gate(
            at.key, Decision(approved=approved, by="somebody")
        )

    def arrange(desk):
        run = desk.submit(Gated()).run
        desk.complete(desk.one())
        desk.work()
        return at(run=run, key=TaskKey(run, 1, 0))

    def check(desk, at, trace):
        nobody_failed(trace)
        assert sorted(trace.results.values()) == [False, True]
        expected = "completed" if trace.results["approves"] else "failed"
        assert desk.task(at.key).status == expected

    orders(
        arrange,
        {"approves": decides(True), "rejects": decides(False)},
        check,
        loud=("tasks/decide_gate", "events/add_events"),
    )
