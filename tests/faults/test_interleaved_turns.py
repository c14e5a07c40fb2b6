"""Every order in which the statements of those who end, submit, cancel and repair let waiting runs in."""

from types import SimpleNamespace

import pytest

from core.states import JobStatus
from tests.faults.arranged import at, nobody_failed
from tests.faults.stepped import Orders
from tests.store.desk import PostgresDesk
from tests.store.limited_jobs import Brief, Pairs, SharedOne, SharedOther, Turns
from tests.store.sample_jobs import Line, Wide

TAKES = ("admission/next_waiting", "admission/lock_lane", "admission/admit_run")
ENDS = ("jobs/finish_run", "admission/find_freed", *TAKES)
SUBMITS = ("jobs/add_run", *TAKES)


@pytest.fixture
def orders(database: str) -> Orders:
    return Orders(database)


def ending(n: int, status: JobStatus = JobStatus.COMPLETED):
    """Ends the n-th run and hands over."""

    def act(desk: PostgresDesk, at: SimpleNamespace) -> None:
        with desk.store.turn(at.runs[n].run) as turn:
            if turn.run.status.is_final:
                return
            turn.finish(status)
        desk.machine.admitter.ended(at.runs[n].run)

    return act


def submitting(job, **order):
    return lambda desk, at: desk.submit(job, **order)


def rounds(desk: PostgresDesk, at: SimpleNamespace) -> int:
    return desk.machine.admitter.round()


def running(desk: PostgresDesk) -> int:
    query = "select count(*) from runs where admitted and finished_at is null"
    return desk.conn.execute(query).fetchone()[0]


def let_in_once(desk: PostgresDesk, *runs) -> None:
    for run in runs:
        assert desk.whats(run.job_id).count("job_admitted") <= 1


def lined_up(job, count: int):
    def arrange(desk: PostgresDesk) -> SimpleNamespace:
        return at(runs=[desk.submit(job(label=str(n))) for n in range(count)])

    return arrange


def test_an_end_beside_a_more_urgent_submission(orders):
    """Both find the turn free, and each another run to give it to: one of the two gets it."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert running(desk) == 1
        let_in_once(desk, *at.runs, trace.results["submits"])

    orders(
        lined_up(Turns, 2),
        {"ends": ending(0), "submits": submitting(Turns(label="urgent"), priority=9)},
        check,
        loud=("jobs/finish_run", "jobs/add_run", "admission/next_waiting", "admission/admit_run"),
        limit=100,
    )


def test_an_end_beside_a_submission_never_loses_the_hand_over(orders):
    """Neither saw the other before it committed, so the later one sees both."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert running(desk) == 1

    orders(
        lined_up(Turns, 1),
        {"ends": ending(0), "submits": submitting(Turns(label="next"))},
        check,
        loud=SUBMITS + ENDS,
        limit=60,
    )


def test_two_ends_at_once(orders):
    def check(desk, at, trace):
        nobody_failed(trace)
        assert running(desk) == 2
        let_in_once(desk, *at.runs)
        assert [desk.stage(run.run, 0) is not None for run in at.runs] == [True] * 4 + [False]

    orders(
        lined_up(Pairs, 5),
        {"one": ending(0), "other": ending(1)},
        check,
        loud=ENDS,
        limit=60,
    )


def test_two_job_types_that_share_a_key(orders):
    """The lock of the key, for each holds the lock of its own type alone."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert running(desk) == 1

    orders(
        lambda desk: at(),
        {"one": submitting(SharedOne()), "other": submitting(SharedOther())},
        check,
        loud=SUBMITS,
        limit=60,
    )


def test_a_waiting_run_is_cancelled_while_its_turn_comes(orders):
    """Fault 45: whoever locks the row first has won; the turn goes to the next, or stays with the winner's end."""

    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.status(at.runs[1].run) == "cancelled"
        assert desk.whats(at.runs[1].job_id)[-1] == "job_cancelled"
        assert running(desk) == 1
        assert desk.stage(at.runs[2].run, 0) is not None

    orders(
        lined_up(Turns, 3),
        {"ends": ending(0), "cancels": ending(1, JobStatus.CANCELLED)},
        check,
        loud=ENDS,
        limit=60,
    )


def test_the_reconciler_beside_the_end_it_heals(orders):
    def check(desk, at, trace):
        nobody_failed(trace)
        assert running(desk) == 1
        let_in_once(desk, *at.runs)

    orders(lined_up(Turns, 3), {"ends": ending(0), "repairs": rounds}, check, loud=ENDS, limit=60)


def test_the_last_two_dependencies_end_at_once(orders):
    """Each sees the other still running, unless it looks after its commit."""

    def arrange(desk: PostgresDesk) -> SimpleNamespace:
        runs = [desk.submit(Line(label=str(n))) for n in range(2)]
        last = desk.submit(Wide(), after=[run.job_id for run in runs])
        return at(runs=runs, last=last)

    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.stage(at.last.run, 0) is not None
        let_in_once(desk, at.last)

    orders(arrange, {"one": ending(0), "other": ending(1)}, check, loud=ENDS, limit=60)


def test_a_dependency_ends_while_the_job_after_it_is_submitted(orders):
    def check(desk, at, trace):
        nobody_failed(trace)
        assert desk.stage(trace.results["submits"].run, 0) is not None

    def submits(desk, at):
        return desk.submit(Wide(), after=[at.runs[0].job_id])

    orders(
        lined_up(Line, 1),
        {"ends": ending(0), "submits": submits},
        check,
        loud=(*SUBMITS, *ENDS, "admission/add_dependencies"),
        limit=60,
    )


def test_a_run_ends_in_the_moment_its_time_is_up(orders):
    """One end, whichever came first."""

    def arrange(desk: PostgresDesk) -> SimpleNamespace:
        run = desk.submit(Brief())
        desk.conn.execute("update runs set deadline = now() - interval '1 second'")
        return at(runs=[run])

    def check(desk, at, trace):
        nobody_failed(trace)
        expired = trace.results["expires"]
        assert desk.status(at.runs[0].run) == ("failed" if expired else "completed")

    orders(
        arrange,
        {"ends": ending(0), "expires": lambda desk, at: desk.machine.expire()},
        check,
        loud=("jobs/lock_run", "jobs/finish_run", "admission/is_overdue"),
    )
