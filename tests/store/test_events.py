"""Events and results: what a job's history tells, and what is read in pages."""

from datetime import timedelta
from functools import partial

from core.states import Tally
from core.tasks import Again, Failed, Outcome, Payload, TaskError
from tests.store.desk import BROKEN, at_once, given
from tests.store.sample_jobs import Line, Wide


def numbers(desk, job_id: str) -> list[int]:
    return [event.number for event in desk.events(job_id)]


def test_events_are_numbered_without_gaps_while_many_workers_write(desk):
    """I7: failing settles of one job, from sixteen threads."""
    run = desk.submit(Wide(n=64))
    desk.plan()
    claims = desk.claim()
    at_once(
        *(
            partial(desk.settle, Failed(TaskError("Error", str(n))), *claims[n::16])
            for n in range(16)
        )
    )
    assert numbers(desk, run.job_id) == list(range(1, 4 + 64 + 1))
    assert desk.whats(run.job_id).count("task_failed") == 64


def test_events_of_many_jobs_in_one_batch_are_numbered_in_each(desk):
    """I7, R31: batches that touch the same jobs in other orders do not embrace."""
    runs = [desk.submit(Line(label=str(n))) for n in range(6)]
    claims = desk.claim()
    retry = Again(timedelta(0), BROKEN, counted=False)
    orders = [claims[n:] + claims[:n] for n in range(6)]
    for n in range(5):
        batches = [[Outcome(c, retry) for c in order[n : n + 2]] for order in orders]
        at_once(*(partial(desk.store.settle, desk.session, batch) for batch in batches))
        desk.repair()
        claims = desk.claim()
        orders = [claims[k:] + claims[:k] for k in range(6)]
    for run in runs:
        assert numbers(desk, run.job_id) == list(range(1, len(numbers(desk, run.job_id)) + 1))


def test_a_settle_that_is_refused_tells_nothing(desk):
    """I7, I4."""
    run = desk.submit(Line())
    claim = desk.one()
    desk.settle(Failed(BROKEN), claim)
    told = desk.events(run.job_id)
    desk.settle(Failed(BROKEN), claim)
    assert desk.events(run.job_id) == told


def test_two_runs_of_a_job_share_one_history(desk):
    """R35: numbered through, so a stream can resume across a resubmission."""
    first = desk.submit(Line())
    desk.fail(desk.one())
    desk.submit(Line())
    desk.work()
    told = numbers(desk, first.job_id)
    assert told == list(range(1, len(told) + 1))
    whats = desk.whats(first.job_id)
    assert (whats.count("job_failed"), whats.count("job_completed")) == (1, 1)


def test_results_are_read_in_pages(desk):
    """R42: in order, without the planning task and those that failed, from any place."""
    run = desk.submit(Wide(n=7))
    desk.plan()
    claims = desk.claim()
    desk.settle(Failed(BROKEN), claims[3])
    for claim in claims:
        desk.settle(given(10 * claim.key.idx), claim)
    page = partial(desk.store.results, run.run, 0)
    assert [idx for idx, _ in page(-1, 3)] == [0, 1, 2]
    assert [(idx, p.data) for idx, p in page(2, 3)] == [(4, b"40"), (5, b"50"), (6, b"60")]
    assert page(6, 3) == []
    assert len(page(-1, 100)) == 6


def test_a_stage_counts_how_its_tasks_ended(desk):
    """R43, R13."""
    run = desk.submit(Wide(n=6))
    desk.plan()
    claims = desk.claim(limit=3)
    desk.settle(given(1), claims[0], claims[1])
    desk.settle(Failed(BROKEN), claims[2])
    desk.store.drop_queued(run.run, 0, 2)
    assert desk.store.counts(run.run, 0) == Tally(completed=2, failed=1, cancelled=2)
    failures = [(f.index, f.error) for f in desk.store.failures(run.run, 0)]
    assert failures == [(2, "the line was cut"), (3, "cancelled"), (4, "cancelled")]


def test_ten_thousand_tasks_are_one_job_like_any_other(desk):
    """R42, R77, Fault 48: no list of them is ever in one message or one row."""
    run = desk.submit(Wide(n=10_000))
    desk.work()
    assert desk.store.counts(run.run, 0) == Tally(completed=10_000)
    after, seen = -1, 0
    while page := desk.store.results(run.run, 0, after, 3_000):
        after, seen = page[-1][0], seen + len(page)
    assert (after, seen) == (9_999, 10_000)
    assert len(desk.events(run.job_id)) == 6


def test_a_payload_may_be_any_json(desk):
    run = desk.submit(Wide(n=1))
    desk.plan()
    claim = desk.one()
    value = {
        "text": "日本 \U0001f30d \\u0041 'x' \"y\" %s $1 {}",
        "n": 1e-9,
        "big": 2**60,
        "no": None,
    }
    desk.settle(given(value), claim)
    assert desk.task(claim.key).result == value
    ((_, payload),) = desk.store.results(run.run, 0, -1, 1)
    assert isinstance(payload, Payload)
