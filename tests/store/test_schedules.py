"""Schedules: one run per tick, whoever runs the scheduler, whenever it dies, however long it was away."""

from datetime import timedelta
from itertools import pairwise

import pytest

from core import CatchUp, Context, JobBase, Overlap, single
from core.machine import CoreMachine
from core.registry import Registry
from core.schedules.desk import Schedules
from infrastructure.database import sql
from tests.store.desk import at_once
from tests.store.sample_jobs import Line
from tests.store.scheduled import BY, HOUR, hourly, often, outcomes, runs, schedules_of


@pytest.fixture
def schedules(desk) -> Schedules:
    return schedules_of(desk)


def test_a_tick_submits_the_job_and_stands_in_the_history(desk, schedules):
    schedules.create("s", "line", often(schedules), BY)
    assert schedules.scheduler.round() == 0
    desk.advance(HOUR)
    assert schedules.scheduler.round() == 1
    assert schedules.scheduler.round() == 0
    (tick,) = schedules.history("s").ticks
    assert (tick.outcome, tick.run, tick.manual) == ("submitted", 1, False)
    assert tick.job_id == Line().fingerprint
    assert (tick.tick.second, tick.tick.microsecond) == (0, 0)
    assert runs(desk) == [(1, "queued")]


def test_every_tick_is_a_new_run_of_the_job(desk, schedules):
    schedules.create("s", "line", often(schedules), BY)
    for _ in range(3):
        desk.advance(HOUR)
        schedules.scheduler.round()
        desk.work()
    assert runs(desk) == [(n, "completed") for n in (1, 2, 3)]


def test_a_tick_among_the_parameters_makes_a_job_of_each(desk, schedules):
    schedules.create("s", "line", often(schedules, parameters={"label": "{tick}"}), BY)
    desk.advance(HOUR)
    schedules.scheduler.round()
    (tick,) = schedules.history("s").ticks
    assert tick.job_id == Line(label=tick.tick.strftime("%Y-%m-%dT%H:%M:00Z")).fingerprint


def test_a_tick_that_finds_its_job_begins_nothing_and_says_so(desk, schedules):
    """Equal parameters are one job, also where each tick is named: like the hours of a day that all say the day."""
    alike = often(schedules, parameters={"label": "{tick:%%}"})
    schedules.create("s", "line", alike, BY)
    for _ in range(2):
        desk.advance(HOUR)
        schedules.scheduler.round()
        desk.work()
    last, first = schedules.history("s").ticks
    assert (first.job_id, first.reason) == (last.job_id, None)
    assert last.reason == "the job existed already; nothing new was begun"


def test_two_schedulers_at_once_submit_a_tick_once(desk, schedules):
    """R129, fault 51."""
    for name in "abcdefgh":
        schedules.create(name, "line", often(schedules, parameters={"label": name}), BY)
    desk.advance(HOUR)
    others = [schedules_of_same_book(schedules) for _ in range(4)]
    decided = at_once(*[each.scheduler.round for each in others])
    assert sum(decided) == 8
    for name in "abcdefgh":
        assert runs(desk, name) == [(1, "queued")]
        assert outcomes(schedules, name) == ["submitted"]


def schedules_of_same_book(schedules: Schedules) -> Schedules:
    return Schedules(schedules.machine, schedules.book)


# overlap


def test_a_tick_is_skipped_while_the_run_before_is_running(desk, schedules):
    schedules.create("s", "line", often(schedules), BY)
    for _ in range(2):
        desk.advance(HOUR)
        schedules.scheduler.round()
    assert runs(desk) == [(1, "queued")]
    last = schedules.history("s").ticks[0]
    assert (last.outcome, last.job_id) == ("skipped", None)
    assert last.reason == f"the job before, {Line().fingerprint}, is queued"
    desk.work()
    desk.advance(HOUR)
    schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "skipped", "submitted"]


def test_a_tick_is_skipped_while_somebody_else_runs_the_job(desk, schedules):
    schedules.create("s", "line", often(schedules), BY)
    desk.submit(Line())
    desk.advance(HOUR)
    schedules.scheduler.round()
    assert outcomes(schedules) == ["skipped"]
    assert "can be forced again" in (schedules.history("s").ticks[0].reason or "")


@pytest.mark.parametrize("label", ["", "{tick}"])
def test_ticks_queue_for_the_run_before_and_go_in_order(desk, schedules, label):
    queue = often(schedules, overlap=Overlap.QUEUE, parameters={"label": label})
    schedules.create("s", "line", queue, BY)
    for _ in range(3):
        desk.advance(HOUR)
        schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "waiting", "waiting"]
    desk.work()
    assert schedules.scheduler.round() == 1
    assert outcomes(schedules) == ["submitted", "submitted", "waiting"]
    desk.work()
    schedules.scheduler.round()
    desk.work()
    ticks = [tick.tick for tick in reversed(schedules.history("s").ticks)]
    assert outcomes(schedules) == ["submitted"] * 3
    assert ticks == sorted(ticks)


def test_no_more_ticks_wait_than_the_backlog_holds(desk, schedules):
    queue = often(schedules, overlap=Overlap.QUEUE, backlog=2)
    schedules.create("s", "line", queue, BY)
    for _ in range(5):
        desk.advance(HOUR)
        schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "waiting", "waiting", "skipped", "skipped"]
    assert schedules.history("s").ticks[0].reason == "2 ticks wait already"


def test_runs_of_different_ticks_may_overlap_when_that_is_allowed(desk, schedules):
    allow = often(schedules, overlap=Overlap.ALLOW, parameters={"label": "{tick}"})
    schedules.create("s", "line", allow, BY)
    for _ in range(2):
        desk.advance(HOUR)
        schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "submitted"]


# catching up


def test_after_downtime_nothing_is_made_up_for_by_default(desk, schedules):
    """Fault 51, R129: three hours without a scheduler, and what was left out is told."""
    schedules.create("s", "line", hourly(schedules), BY)
    desk.advance(3 * HOUR)
    schedules.scheduler.round()
    (missed,) = schedules.history("s").ticks
    assert missed.outcome == "missed"
    first = (missed.tick - timedelta(hours=2)).isoformat()
    assert missed.reason == (f"no scheduler ran when it came; so was every tick from {first} on")
    assert runs(desk) == []


def test_a_tick_that_has_just_come_counts_although_others_were_missed(desk, schedules):
    schedules.create("s", "line", often(schedules), BY)
    desk.advance(3 * HOUR)
    schedules.scheduler.round()
    assert outcomes(schedules) == ["missed", "submitted"]


def test_the_last_tick_is_made_up_for(desk, schedules):
    """Fault 51."""
    schedules.create("s", "line", hourly(schedules, catch_up=CatchUp.LAST), BY)
    desk.advance(3 * HOUR)
    schedules.scheduler.round()
    missed, made_up = reversed(schedules.history("s").ticks)
    assert (missed.outcome, made_up.outcome) == ("missed", "submitted")
    assert made_up.tick - missed.tick == timedelta(hours=1)
    assert runs(desk) == [(1, "queued")]


def test_all_ticks_are_made_up_for_as_many_as_the_backlog_holds(desk, schedules):
    """Fault 51: the oldest ones are left out, and told."""
    every = hourly(
        schedules,
        catch_up=CatchUp.ALL,
        overlap=Overlap.ALLOW,
        backlog=4,
        parameters={"label": "{tick}"},
    )
    schedules.create("s", "line", every, BY)
    desk.advance(6 * HOUR)
    assert schedules.scheduler.round() == 4
    assert outcomes(schedules) == ["missed"] + ["submitted"] * 4
    ticks = [tick.tick for tick in reversed(schedules.history("s").ticks)]
    assert [b - a for a, b in pairwise(ticks)] == [timedelta(hours=1)] * 4


def test_a_scheduler_that_dies_halfway_loses_nothing_and_doubles_nothing(desk, schedules):
    """Fault 51: the line in the history and the job are one transaction."""
    schedules.create("s", "line", often(schedules), BY)
    desk.advance(HOUR)

    def die_halfway() -> None:
        with schedules.book.turn(schedules.book.find("s").number) as turn:
            assert turn is not None
            schedules.scheduler._act(turn)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        die_halfway()
    assert runs(desk) == []
    assert schedules.history("s").ticks == []
    assert schedules.scheduler.round() == 1
    assert runs(desk) == [(1, "queued")]


# failing


class Picky(JobBase):
    """Changes its mind about its parameters, as a deployment does."""

    label: str = ""

    def model_post_init(self, context: object) -> None:
        if PICKY:
            raise TypeError("this release is broken")

    @single
    def only(self, ctx: Context) -> int:
        return 1


PICKY: list[bool] = []


def test_a_tick_whose_job_refuses_it_fails_and_others_go_on(desk):
    schedules = schedules_of(desk, Picky)
    schedules.create("a", "picky", often(schedules), BY)
    schedules.create("b", "line", often(schedules), BY)
    PICKY.append(True)
    try:
        desk.advance(HOUR)
        schedules.scheduler.round()
    finally:
        PICKY.clear()
    assert (outcomes(schedules, "a"), outcomes(schedules, "b")) == (["failed"], ["submitted"])
    assert "this release is broken" in (schedules.history("a").ticks[0].reason or "")


def test_a_scheduler_that_does_not_know_the_job_leaves_it_to_others(desk):
    """A worker may have other packages than the one that was asked, or a module that fails to import."""
    knows = schedules_of(desk, Picky)
    knows.create("s", "picky", often(knows, catch_up=CatchUp.LAST), BY)
    desk.advance(HOUR)
    ignorant = Schedules(CoreMachine(Registry.of(Line), desk.store, desk.blobs), knows.book)
    assert ignorant.scheduler.round() == 0
    assert not ignorant.get("s").installed
    assert knows.scheduler.round() == 1


def test_a_schedule_that_makes_no_sense_here_does_not_stop_the_others(postgres_desk):
    """Its time zone is known to the system that stored it, and not to this one."""
    schedules = schedules_of(postgres_desk)
    for name in "ab":
        schedules.create(name, "line", often(schedules, parameters={"label": name}), BY)
    postgres_desk.conn.execute("update schedules set zone = 'Mars/Olympus' where name = 'a'")
    postgres_desk.advance(HOUR)
    assert schedules.scheduler.round() == 1
    assert outcomes(schedules, "b") == ["submitted"]


# the guard


UNGUARDED = {
    "schedules/take_schedule": (b"for update skip locked", b""),
    "schedules/take_tick": (b"on conflict (schedule_id, tick, manual) do nothing", b""),
}


def race(desk, monkeypatch, *removed: str) -> tuple[int, list[tuple[int, str]]]:
    """A scheduler falls asleep before it decides, and wakes when another's run has ended."""
    schedules = schedules_of(desk)
    schedules.create("s", "line", often(schedules), BY)
    desk.advance(HOUR)
    without = {name: sql(name).replace(*UNGUARDED[name]) for name in removed}
    monkeypatch.setattr("infrastructure.schedules.sql", lambda name: without.get(name) or sql(name))
    number = schedules.book.find("s").number
    with schedules.book.turn(number) as early:
        assert early is not None
        late = schedules_of_same_book(schedules)
        with late.book.turn(number) as turn:
            decided = 0 if turn is None else int(late.scheduler._act(turn))
        desk.work()
        decided += int(schedules.scheduler._act(early))
    return decided, runs(desk)


def test_the_row_lock_keeps_the_second_scheduler_out(postgres_desk, monkeypatch):
    assert race(postgres_desk, monkeypatch) == (1, [(1, "queued")])


def test_without_the_row_lock_the_unique_tick_still_does(postgres_desk, monkeypatch):
    """R129: both think that they decide, one writes the tick, and only that one submits."""
    found = race(postgres_desk, monkeypatch, "schedules/take_schedule")
    assert found == (2, [(1, "completed")])


def test_without_both_guards_a_tick_runs_twice(postgres_desk, monkeypatch):
    """The two tests above can fail."""
    change, key = "alter table schedule_ticks", "schedule_ticks_schedule_id_tick_manual_key"
    postgres_desk.conn.execute(f"{change} drop constraint {key}")
    try:
        found = race(postgres_desk, monkeypatch, *UNGUARDED)
    finally:
        postgres_desk.conn.execute("truncate schedule_ticks")
        postgres_desk.conn.execute(f"{change} add unique (schedule_id, tick, manual)")
    assert found == (2, [(1, "completed"), (2, "queued")])


def test_ticks_are_moments_of_the_database(postgres_desk):
    """R129: this process's clock may be wrong."""
    schedules = schedules_of(postgres_desk)
    (before,) = postgres_desk._row("select clock_timestamp()")
    now = schedules.book.now()
    (after,) = postgres_desk._row("select clock_timestamp()")
    assert before <= now <= after
