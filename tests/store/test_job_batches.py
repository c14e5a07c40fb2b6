"""Batches: all or nothing at the door, everything that was let in is submitted, and one handle to watch."""

import time
from contextlib import suppress

import pytest

from core import Context, JobBase, single
from core.batches import FORGOTTEN, Batches, Order
from core.errors import BatchNotFound, InvalidParameters
from core.memory.batches import MemoryBatchBook
from core.memory.store import MemoryStore
from core.registry import Registry
from core.states import JobStatus
from core.watching.watch import NoMeter, Watch
from infrastructure.batches import PostgresBatchBook
from tests.store.desk import at_once
from tests.store.sample_jobs import Line

BY = "ada"


def batches_of(desk) -> Batches:
    if isinstance(desk.store, MemoryStore):
        return Batches(desk.machine, MemoryBatchBook(desk.store))
    return Batches(desk.machine, PostgresBatchBook(desk.pool, desk.store))


@pytest.fixture
def batches(desk) -> Batches:
    return batches_of(desk)


def lines(count: int, *, force: bool = False) -> list[Order]:
    return [Order("line", {"label": str(n)}, force) for n in range(count)]


def statuses(batches: Batches, batch: int) -> list[str]:
    return [job.status for job in batches.jobs(batch, limit=1000).jobs]


def test_many_jobs_are_submitted_in_one_call(desk, batches):
    view = batches.submit(lines(120), BY, "autumn")
    assert (view.total, view.counts, view.done, view.name) == (
        120,
        {"queued": 120},
        False,
        "autumn",
    )
    assert view.created_by == BY
    jobs = batches.jobs(view.batch_id, limit=200).jobs
    assert [job.index for job in jobs] == list(range(120))
    assert [job.job_id for job in jobs] == [Line(label=str(n)).fingerprint for n in range(120)]
    assert all(job.is_new and job.run == 1 for job in jobs)


def test_a_batch_is_watched_until_all_of_it_has_ended(desk, batches):
    batch = batches.submit(lines(4), BY).batch_id
    desk.complete(*desk.claim(limit=4))
    desk.complete(*desk.claim(limit=2))
    half = batches.get(batch)
    assert (half.counts, half.progress) == ({"completed": 2, "processing": 2}, 0.5)
    desk.work()
    whole = batches.get(batch)
    assert (whole.counts, whole.progress, whole.done) == ({"completed": 4}, 1.0, True)


def test_one_wrong_job_keeps_all_out_and_is_named_by_its_place(desk, batches):
    orders = [*lines(2), Order("line", {"label": 5}), Order("lime", {}), Order("line", {"x": 1})]
    with pytest.raises(
        InvalidParameters, match="3 of 5 jobs are not right; nothing was"
    ) as refused:
        batches.submit(orders, BY)
    assert [error["loc"] for error in refused.value.errors] == [
        ("body", "jobs", 2, "parameters", "label"),
        ("body", "jobs", 3, "job_type"),
        ("body", "jobs", 4, "parameters", "x"),
    ]
    assert batches.page().batches == []
    assert desk.runs(Line(label="0").fingerprint) == []


def test_wrong_jobs_are_left_out_when_that_is_wanted(batches):
    view = batches.submit([*lines(2), Order("line", {"label": 5})], BY, skip_invalid=True)
    assert (view.counts, view.progress) == ({"queued": 2, "invalid": 1}, 0.3333)
    (wrong,) = batches.jobs(view.batch_id, status="invalid").jobs
    assert (wrong.index, wrong.job_id) == (2, None)
    assert "label" in (wrong.reason or "")


def test_who_watches_hears_of_every_job_of_a_batch(desk, batches):
    heard: list[str] = []

    class Listening(NoMeter):
        def job_submitted(self, job_type: str) -> None:
            heard.append(job_type)

    desk.machine.watch = Watch(meter=Listening())
    batches.submit(lines(3), BY)
    assert heard == ["line"] * 3


class Brittle(JobBase):
    """Its code fails before it can say what is wrong."""

    label: str = ""

    def model_post_init(self, context: object) -> None:
        raise TypeError("this release is broken")

    @single
    def only(self, ctx: Context) -> int:
        return 1


def test_a_job_whose_code_fails_keeps_no_other_out(desk, batches):
    desk.machine.registry = Registry.of(Line, Brittle)
    view = batches.submit([*lines(2), Order("brittle", {})], BY, skip_invalid=True)
    (wrong,) = batches.jobs(view.batch_id, status="invalid").jobs
    assert wrong.reason == "TypeError: this release is broken"
    assert view.counts == {"queued": 2, "invalid": 1}


def test_a_batch_of_nothing_but_wrong_jobs_is_refused(batches):
    with pytest.raises(InvalidParameters):
        batches.submit([Order("lime", {})], BY, skip_invalid=True)


def test_equal_jobs_are_one_and_those_that_exist_are_found(desk, batches):
    desk.submit(Line(label="0"))
    view = batches.submit([*lines(2), *lines(2)], BY)
    jobs = batches.jobs(view.batch_id).jobs
    assert len({job.job_id for job in jobs}) == 2
    assert [job.is_new for job in jobs] == [False, True, False, False]
    assert len(desk.claim()) == 2


def test_a_job_that_runs_already_is_refused_when_it_is_forced_and_others_go_on(desk, batches):
    desk.submit(Line(label="0"))
    view = batches.submit(lines(3, force=True), BY)
    assert view.counts == {"queued": 2, "refused": 1}
    (refused,) = batches.jobs(view.batch_id, status="refused").jobs
    assert "can be forced again" in (refused.reason or "")


def test_a_job_counts_as_it_stands_now(desk, batches):
    """A job that failed and was submitted again is no longer a failure of its batch."""
    batch = batches.submit(lines(1), BY).batch_id
    run = desk.submit(Line(label="0"))
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.FAILED)
    desk.machine.sweep(run.run)
    assert batches.get(batch).counts == {"failed": 1}
    desk.submit(Line(label="0"))
    desk.work()
    assert batches.get(batch).counts == {"completed": 1}


def test_a_batch_whose_sender_died_is_finished_by_another(desk, batches, monkeypatch):
    """What was accepted is submitted; what was submitted is not submitted again."""

    def die(batch: int) -> int:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(batches, "go_on", die)
        with suppress(RuntimeError):
            batches.submit(lines(70), BY)
    (line,) = batches.page().batches
    batches._chunk(line.batch_id)
    assert batches.get(line.batch_id).counts == {"queued": 50, "due": 20}
    assert batches.round() == 0
    desk.advance(FORGOTTEN + 1)
    assert batches.round() == 20
    assert batches.round() == 0
    assert batches.get(line.batch_id).counts == {"queued": 70}
    assert all(desk.runs(Line(label=str(n)).fingerprint) == [(1, "queued")] for n in range(70))


def test_several_who_go_on_with_a_batch_submit_each_job_once(desk, batches, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(batches, "go_on", lambda batch: 0)
        batch = batches.submit(lines(200), BY).batch_id
    others = [batches_of_same_book(batches) for _ in range(4)]
    counts = at_once(*[lambda each=each: each.go_on(batch) for each in others])
    assert sum(counts) == 200
    assert statuses(batches, batch) == ["queued"] * 200
    assert all(job.is_new for job in batches.jobs(batch, limit=500).jobs)


def batches_of_same_book(batches: Batches) -> Batches:
    return Batches(batches.machine, batches.book)


def test_batches_with_the_same_jobs_do_not_embrace(desk, batches):
    """Each locks the jobs of a chunk in the same order."""
    there, back = lines(50), lines(50)[::-1]
    acts = [lambda o=orders: batches.submit(o, BY) for orders in (there, back) * 3]
    views = at_once(*acts)
    assert all(view.counts == {"queued": 50} for view in views)
    assert len(desk.claim(limit=1000)) == 50


def test_batches_and_their_jobs_come_in_pages(batches):
    numbers = [batches.submit(lines(3), BY, f"b{n}").batch_id for n in range(3)]
    first = batches.page(limit=2)
    assert [line.batch_id for line in first.batches] == [numbers[2], numbers[1]]
    assert [line.batch_id for line in batches.page(first.next).batches] == [numbers[0]]
    page = batches.jobs(numbers[0], limit=2)
    assert (page.next, [job.index for job in batches.jobs(numbers[0], 1).jobs]) == (1, [2])


def test_a_batch_that_is_not_there_is_named(batches):
    for act in (batches.get, batches.jobs):
        with pytest.raises(BatchNotFound, match="no batch 987"):
            act(987)


@pytest.mark.alone
def test_five_hundred_jobs_take_a_few_seconds(postgres_desk):
    began = time.perf_counter()
    view = batches_of(postgres_desk).submit(lines(500), BY)
    took = time.perf_counter() - began
    print(f"500 jobs in {took:.2f} s")
    assert view.counts == {"queued": 500}
    assert took < 20  # 1.2 s on an idle machine; eight with a load of fourteen


def test_a_cancelled_batch_ends_what_it_began_and_leaves_what_it_found(desk, batches):
    found = desk.submit(Line(label="0"))
    batch = batches.submit(lines(4), BY).batch_id
    desk.complete(*desk.claim(limit=1))
    done = batches.cancel(batch, by=BY)
    assert (done.cancelled, done.left) == (3, 1)
    assert desk.status(found.run) == "processing"
    assert batches.get(batch).counts == {"processing": 1, "cancelled": 3}
    assert batches.cancel(batch, by=BY).cancelled == 0


def test_what_a_cancelled_batch_had_not_begun_is_not_begun_any_more(desk, batches, monkeypatch):
    """Its sender died; whoever would have gone on finds nothing to do."""
    monkeypatch.setattr(batches, "go_on", lambda batch: 0)
    batch = batches.submit(lines(3), BY).batch_id
    monkeypatch.undo()
    assert batches.cancel(batch, by=BY, reason="wrong year").cancelled == 3
    assert batches.go_on(batch) == 0
    assert [job.reason for job in batches.jobs(batch).jobs] == ["wrong year"] * 3
