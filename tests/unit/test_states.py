"""The state machine: whatever happens in whatever order, a job ends once, and stays ended."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.states import (
    JOB_MOVES,
    STAGE_MOVES,
    TASK_MOVES,
    Advance,
    Finish,
    JobStatus,
    StageStatus,
    Step,
    Tally,
    TaskStatus,
    Verdict,
    Wait,
    decide,
    judge,
)

TABLES = [(JobStatus, JOB_MOVES), (StageStatus, STAGE_MOVES), (TaskStatus, TASK_MOVES)]
FINAL_JOBS = {
    JobStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED,
    JobStatus.CANCELLED,
}
counts = st.integers(0, 1_000)
tallies = st.builds(Tally, counts, counts, counts, counts)
shares = st.floats(0, 1)


@st.composite
def plans(draw, largest: int = 7) -> list[Step]:
    """Any graph whose stages wait for, and read, earlier ones."""

    def some(n: int) -> tuple[int, ...]:
        return tuple(sorted(draw(st.sets(st.integers(0, n - 1), max_size=3)))) if n else ()

    return [Step(after=some(n), reads=some(n)) for n in range(draw(st.integers(1, largest)))]


@pytest.mark.parametrize(("statuses", "moves"), TABLES)
def test_every_status_has_its_moves_and_they_lead_to_statuses(statuses, moves):
    """R15: one table for each; nothing else assigns a status."""
    assert set(moves) == set(statuses)
    assert set(itertools.chain(*moves.values())) <= set(statuses)


@pytest.mark.parametrize(("statuses", "moves"), TABLES)
def test_nothing_moves_to_where_it_is(statuses, moves):
    """R15: a second processing is a lost claim, not a move."""
    assert all(status not in moves[status] for status in statuses)


@pytest.mark.parametrize(("statuses", "moves"), TABLES)
def test_a_final_status_is_one_that_nothing_leaves(statuses, moves):
    """R12."""
    assert {s for s in statuses if s.is_final} == {s for s in statuses if not moves[s]}


@pytest.mark.parametrize(("statuses", "moves"), TABLES)
def test_every_status_can_still_end(statuses, moves):
    """R14: nothing is stuck for ever."""
    for status in statuses:
        reached = {status}
        while new := set().union(*(moves[s] for s in reached)) - reached:
            reached |= new
        assert any(s.is_final for s in reached)


def test_the_final_statuses_are_those_users_know():
    assert {s for s in JobStatus if s.is_final} == FINAL_JOBS
    assert {s for s in StageStatus if s.is_final} == {StageStatus.CLOSED, StageStatus.CANCELLED}
    assert {s for s in TaskStatus if not s.is_final} == {
        TaskStatus.QUEUED,
        TaskStatus.PROCESSING,
        TaskStatus.WAITING,
    }


def test_every_way_a_task_ends_is_tallied():
    """R13: completed, failed, cancelled and skipped are all ended."""
    assert {s for s in TaskStatus if s.is_final} == set(Tally.__dataclass_fields__)


@given(tallies)
def test_a_total_counts_every_way_to_end(tally):
    """R13."""
    parts = (tally.completed, tally.failed, tally.cancelled, tally.skipped)
    assert tally.total == sum(parts)


@given(tallies, shares)
def test_a_stage_of_which_nothing_succeeded_is_no_success(tally, tolerated):
    """R14: however much is tolerated."""
    bad = tally.failed + tally.cancelled
    if bad and not tally.completed:
        assert judge(tally, tolerated) is Verdict.FAILED


@given(tallies)
def test_without_tolerance_one_failure_is_enough(tally):
    bad = tally.failed + tally.cancelled
    verdict = judge(tally, 0)
    assert (verdict is Verdict.FAILED) == (bad > 0)


@given(tallies, shares, shares)
def test_more_tolerance_never_makes_a_verdict_worse(tally, one, other):
    low, high = sorted((one, other))
    if judge(tally, low) is not Verdict.FAILED:
        assert judge(tally, high) is judge(tally, low)


@given(st.integers(1, 1_000), st.integers(0, 1_000))
def test_the_share_of_failures_decides(completed, failed):
    """R14: exactly at the limit is tolerated."""
    tally = Tally(completed=completed, failed=failed)
    share = failed / tally.total
    wanted = Verdict.ERRORS if failed else Verdict.OK
    assert judge(tally, share) is wanted
    if failed:
        assert judge(tally, share / 2) is Verdict.FAILED


@pytest.mark.parametrize(
    ("tally", "verdict"),
    [
        (Tally(), Verdict.OK),
        (Tally(completed=3), Verdict.OK),
        (Tally(skipped=1), Verdict.SKIPPED),
        (Tally(failed=1), Verdict.FAILED),
        (Tally(cancelled=1), Verdict.FAILED),
    ],
)
def test_a_stage_is_judged_by_how_its_tasks_ended(tally, verdict):
    """R10, R11: a stage of no tasks at all is done."""
    assert judge(tally, 0) is verdict


@given(plans(), st.data())
def test_every_history_of_a_job_ends_in_one_final_status(plan, data):
    """R14, R15, R02: stages close in any order with any verdict; the job ends exactly once."""
    status, ended, running, opened = JobStatus.PROCESSING, {}, set(), []
    for _ in range(4 * len(plan) + 4):
        match decide(status, plan, ended, running):
            case Advance(to_open, to_skip):
                assert not {*to_open, *to_skip} & {*ended, *running}
                opened += [*to_open, *to_skip]
                running |= set(to_open)
                ended |= dict.fromkeys(to_skip, Verdict.SKIPPED)
            case Wait():
                assert running
                closing = data.draw(st.sampled_from(sorted(running)))
                running.discard(closing)
                ended[closing] = data.draw(st.sampled_from(Verdict))
            case Finish(final):
                status = final
                break
    assert status.is_final
    assert len(opened) == len(set(opened))
    assert decide(status, plan, ended, running) == Wait()
    failed = Verdict.FAILED in ended.values()
    assert (status is JobStatus.FAILED) == failed
    if not failed:
        assert set(ended) == set(range(len(plan)))
        assert (status is JobStatus.COMPLETED_WITH_ERRORS) == (Verdict.ERRORS in ended.values())


@given(plans(), st.data())
def test_a_stage_opens_only_after_all_it_waits_for(plan, data):
    """R03: no stage starts before its predecessors exist."""
    ended = data.draw(
        st.dictionaries(st.integers(0, len(plan) - 1), st.sampled_from(Verdict), max_size=len(plan))
    )
    rest = sorted(set(range(len(plan))) - set(ended))
    running = data.draw(st.sets(st.sampled_from(rest))) if rest else set()
    match decide(JobStatus.PROCESSING, plan, ended, running):
        case Advance(opened, skipped):
            for n in (*opened, *skipped):
                assert set(plan[n].after + plan[n].reads) <= set(ended)
            for n in skipped:
                assert any(ended[r] is Verdict.SKIPPED for r in plan[n].reads)
            for n in opened:
                assert not any(ended[r] is Verdict.SKIPPED for r in plan[n].reads)


@given(st.sampled_from(sorted(FINAL_JOBS)), plans(), st.data())
def test_an_ended_job_is_left_alone(status, plan, data):
    """R12: whatever its stages say afterwards."""
    ended = data.draw(st.dictionaries(st.integers(0, len(plan) - 1), st.sampled_from(Verdict)))
    assert decide(JobStatus(status), plan, ended, set()) == Wait()


@given(plans(), st.data())
def test_who_closes_first_makes_no_difference(plan, data):
    """R02: two branches that close in either order open the same stages."""
    verdicts = [data.draw(st.sampled_from([Verdict.OK, Verdict.ERRORS])) for _ in plan]

    def opened_by(order) -> set[int]:
        ended, running, opened = {}, set(), set()
        while True:
            match decide(JobStatus.PROCESSING, plan, ended, running):
                case Advance(now, skipped):
                    opened |= {*now, *skipped}
                    running |= set(now)
                case Wait():
                    closing = order(running)
                    running.discard(closing)
                    ended[closing] = verdicts[closing]
                case Finish(_):
                    return opened

    assert opened_by(min) == opened_by(max) == set(range(len(plan)))


def test_a_failed_stage_ends_the_job_while_others_still_run():
    """R11, Fault 49."""
    plan = [Step(), Step(), Step(after=(0, 1))]
    assert decide(JobStatus.PROCESSING, plan, {0: Verdict.FAILED}, {1}) == Finish(JobStatus.FAILED)


def test_a_stage_that_reads_what_was_skipped_is_skipped_and_one_that_only_follows_it_is_not():
    plan = [Step(), Step(reads=(0,)), Step(after=(0,))]
    decided = decide(JobStatus.PROCESSING, plan, {0: Verdict.SKIPPED}, set())
    assert decided == Advance(open=(2,), skip=(1,))
