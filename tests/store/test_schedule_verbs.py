"""Schedules as people handle them, and as job classes bring them."""

from functools import partial

import pytest

from core import CatchUp, Context, JobBase, Overlap, Schedule, single
from core.errors import (
    BadInput,
    InvalidParameters,
    JobStillRunning,
    ScheduleExists,
    ScheduleNotFound,
    ScheduleOfClass,
    UnknownJobType,
)
from core.machine import CoreMachine
from core.registry import Registry
from core.schedules.book import Owner
from core.schedules.desk import Schedules
from tests.store.desk import at_once
from tests.store.sample_jobs import Line
from tests.store.scheduled import BY, HOUR, hourly, often, outcomes, runs, schedules_of


@pytest.fixture
def schedules(desk) -> Schedules:
    return schedules_of(desk)


# what people do


def test_a_schedule_is_shown_as_it_was_made(schedules):
    made = Schedule("0 3 * * *", "Europe/Berlin", {"label": "x"}, Overlap.QUEUE, CatchUp.LAST, 5)
    view = schedules.create("nightly", "line", made, BY)
    assert view == schedules.get("nightly")
    assert (view.cron, view.time_zone, view.parameters) == (
        "0 3 * * *",
        "Europe/Berlin",
        {"label": "x"},
    )
    assert (view.overlap, view.catch_up, view.backlog) == ("queue", "last", 5)
    assert (view.owner, view.created_by, view.paused, view.installed) == ("person", BY, False, True)
    assert [view.next] == schedules.next_ticks("nightly", 1)[1]
    assert len(schedules.next_ticks("nightly", 5)[1]) == 5


def test_what_makes_no_sense_is_refused(schedules):
    with pytest.raises(BadInput, match="no name of a schedule"):
        schedules.create("Not So", "line", often(schedules), BY)
    with pytest.raises(UnknownJobType, match="lime"):
        schedules.create("s", "lime", often(schedules), BY)
    with pytest.raises(InvalidParameters, match="colour"):
        schedules.create("s", "line", often(schedules, parameters={"colour": 1}), BY)
    schedules.create("s", "line", often(schedules), BY)
    with pytest.raises(ScheduleExists, match="PUT changes it"):
        schedules.create("s", "line", often(schedules), BY)
    assert len(schedules.page().schedules) == 1


@pytest.mark.parametrize("verb", ["get", "history", "pause", "resume", "trigger", "delete"])
def test_a_schedule_that_is_not_there_is_named(schedules, verb):
    act = getattr(schedules, verb)
    with pytest.raises(ScheduleNotFound, match="no schedule 'nightly'"):
        act("nightly") if verb in ("get", "history") else act("nightly", BY)


def test_schedules_come_in_pages_by_name(schedules):
    for name in ("b", "a", "c.x", "c-x", "c"):
        schedules.create(name, "line", often(schedules), BY)
    first = schedules.page(limit=3)
    second = schedules.page(first.next, limit=3)
    assert [s.name for s in first.schedules] == ["a", "b", "c"]
    assert [s.name for s in second.schedules] == ["c-x", "c.x"]
    assert (first.next, second.next) == ("c", None)


def test_a_paused_schedule_does_nothing_and_does_not_catch_up(desk, schedules):
    schedules.create("s", "line", often(schedules, catch_up=CatchUp.LAST), BY)
    assert schedules.pause("s", BY).changed
    again = schedules.pause("s", "grace")
    assert not again.changed
    assert again.schedule.paused_by == BY
    desk.advance(3 * HOUR)
    assert schedules.scheduler.round() == 0
    assert schedules.get("s").next is None
    assert schedules.resume("s", BY).changed
    assert not schedules.resume("s", BY).changed
    assert schedules.scheduler.round() == 0
    assert outcomes(schedules) == []


def test_a_paused_schedule_catches_up_when_it_is_told_to(desk, schedules):
    schedules.create("s", "line", often(schedules, catch_up=CatchUp.LAST), BY)
    schedules.pause("s", BY)
    desk.advance(3 * HOUR)
    schedules.resume("s", BY, catch_up=True)
    schedules.scheduler.round()
    assert outcomes(schedules) == ["missed", "submitted"]


def test_a_person_may_trigger_a_schedule_also_while_it_is_paused(desk, schedules):
    schedules.create("s", "line", Schedule("0 0 1 1 *"), BY)
    schedules.pause("s", BY)
    tick = schedules.trigger("s", "grace")
    assert (tick.outcome, tick.manual, tick.by, tick.run) == ("submitted", True, "grace", 1)
    assert schedules.history("s").ticks[0].job_id == tick.job_id == Line().fingerprint
    with pytest.raises(JobStillRunning, match="does not run twice at a time"):
        schedules.trigger("s", "grace")
    assert len(schedules.history("s").ticks) == 1
    desk.work()
    assert schedules.trigger("s", "grace").run == 2


def test_two_operators_who_press_the_button_at_once_start_one_run(desk, schedules):
    schedules.create("s", "line", Schedule("0 0 1 1 *"), BY)

    def press() -> bool:
        try:
            return schedules.trigger("s", BY).outcome == "submitted"
        except JobStillRunning:
            return False

    assert sorted(at_once(press, press)) == [False, True]
    assert runs(desk) == [(1, "queued")]


def test_a_triggered_run_waits_where_runs_queue(desk, schedules):
    schedules.create("s", "line", Schedule("0 0 1 1 *", overlap=Overlap.QUEUE), BY)
    assert schedules.trigger("s", BY).outcome == "submitted"
    assert schedules.trigger("s", BY).outcome == "waiting"
    desk.work()
    schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "submitted"]


def test_another_time_begins_at_the_change(desk, schedules):
    schedules.create("s", "line", hourly(schedules, catch_up=CatchUp.LAST), BY)
    desk.advance(3 * HOUR)
    other = hourly(schedules, 30, catch_up=CatchUp.LAST)
    verdict = schedules.change("s", "line", other, "grace")
    assert (verdict.changed, verdict.schedule.changed_by) == (True, "grace")
    assert schedules.scheduler.round() == 0
    assert outcomes(schedules) == []
    same = schedules.change("s", "line", other, BY)
    assert not same.changed


def test_other_parameters_leave_the_time_alone(desk, schedules):
    time = hourly(schedules, catch_up=CatchUp.LAST)
    schedules.create("s", "line", time, BY)
    desk.advance(3 * HOUR)
    changed = Schedule(time.cron, catch_up=CatchUp.LAST, parameters={"label": "new"})
    schedules.change("s", "line", changed, BY)
    schedules.scheduler.round()
    assert runs(desk, "new") == [(1, "queued")]


def test_a_deleted_schedule_leaves_its_history_and_its_name(desk, schedules):
    schedules.create("s", "line", often(schedules, overlap=Overlap.QUEUE), BY)
    for _ in range(2):
        desk.advance(HOUR)
        schedules.scheduler.round()
    schedules.delete("s", BY)
    with pytest.raises(ScheduleNotFound):
        schedules.get("s")
    assert outcomes(schedules) == ["submitted", "skipped"]
    assert schedules.history("s").ticks[0].reason == "the schedule was deleted"
    desk.work()
    desk.advance(HOUR)
    assert schedules.scheduler.round() == 0
    schedules.create("s", "line", often(schedules), BY)
    desk.advance(HOUR)
    schedules.scheduler.round()
    assert outcomes(schedules) == ["submitted", "skipped", "submitted"]


def test_history_comes_in_pages_the_last_first(desk, schedules):
    allow = often(schedules, overlap=Overlap.ALLOW, parameters={"label": "{tick}"})
    schedules.create("s", "line", allow, BY)
    for _ in range(5):
        desk.advance(HOUR)
        schedules.scheduler.round()
    first = schedules.history("s", limit=3)
    second = schedules.history("s", first.next, 3)
    ticks = [tick.tick for page in (first, second) for tick in page.ticks]
    assert len(set(ticks)) == 5
    assert ticks == sorted(ticks, reverse=True)
    assert second.next is None


# schedules of classes


def scheduled(*wanted: Schedule) -> type[JobBase]:
    class Clocked(JobBase, schedule=wanted):
        """Submitted by itself."""

        label: str = ""

        @single
        def only(self, ctx: Context) -> int:
            return 1

    return Clocked


def deploy(desk, book, *wanted: Schedule) -> Schedules:
    """What a process that starts with this class does."""
    machine = CoreMachine(Registry.of(scheduled(*wanted)), desk.store, desk.blobs)
    deployed = Schedules(machine, book)
    deployed.sync()
    return deployed


def test_a_class_brings_its_schedules(desk, schedules):
    night = Schedule("0 3 * * *", "Europe/Berlin", {"label": "{tick}"}, name="night")
    deployed = deploy(desk, schedules.book, Schedule("@hourly"), night)
    assert [s.name for s in deployed.page().schedules] == ["clocked", "clocked.night"]
    assert {s.owner for s in deployed.page().schedules} == {Owner.CLASS}
    assert deployed.sync() == 0


def test_a_deployment_changes_and_removes_what_the_class_says(desk, schedules):
    deploy(desk, schedules.book, Schedule("@hourly"), Schedule("@daily", name="b"))
    now = deploy(desk, schedules.book, Schedule("@weekly"))
    assert [(s.name, s.cron) for s in now.page().schedules] == [("clocked", "@weekly")]
    back = deploy(desk, schedules.book, Schedule("@weekly"), Schedule("@daily", name="b"))
    assert len(back.page().schedules) == 2


def test_the_pause_of_an_operator_survives_a_deployment(desk, schedules):
    first = deploy(desk, schedules.book, often(schedules))
    first.pause("clocked", BY)
    second = deploy(desk, schedules.book, Schedule("@hourly"))
    assert (second.get("clocked").cron, second.get("clocked").paused_by) == ("@hourly", BY)
    desk.advance(HOUR)
    assert second.scheduler.round() == 0


def test_a_deployment_leaves_alone_what_it_does_not_know(desk, schedules):
    """Other packages, a broken module, schedules of people."""
    deploy(desk, schedules.book, Schedule("@hourly"))
    schedules.create("clocked.b", "line", often(schedules), BY)
    assert schedules.sync() == 0
    assert [s.name for s in schedules.page().schedules] == ["clocked", "clocked.b"]
    taken = deploy(desk, schedules.book, Schedule("@hourly"), Schedule("@daily", name="b"))
    assert taken.get("clocked.b").owner is Owner.PERSON


def test_what_a_class_says_only_the_class_can_change(desk, schedules):
    deployed = deploy(desk, schedules.book, Schedule("@hourly"))
    with pytest.raises(ScheduleOfClass, match="belongs to the class of job clocked"):
        deployed.delete("clocked", BY)
    with pytest.raises(ScheduleOfClass):
        deployed.change("clocked", "clocked", Schedule("@daily"), BY)
    assert schedules.delete("clocked", BY).changed  # its class is not installed where this is asked


def test_many_processes_that_start_at_once_agree(desk, schedules):
    acts = [partial(deploy, desk, schedules.book, Schedule("@hourly")) for _ in range(6)]
    at_once(*acts)
    assert [s.name for s in schedules.page().schedules] == ["clocked"]
