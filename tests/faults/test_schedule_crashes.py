"""Wherever a scheduler or the sender of a batch dies, each tick and each job is submitted, once."""

import signal
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.invariants import violations
from core import CatchUp, Schedule
from core.batches import Order
from core.machine import CoreMachine
from core.registry import Registry
from core.schedules.desk import Schedules
from infrastructure.schedules import PostgresScheduleBook
from infrastructure.store import PostgresStore
from tests.support.fault_jobs.relay import Relay
from tests.support.fleet import Fleet
from tests.support.waiting import eventually

IN_TICKS = ("schedule.in_transaction", "schedule.after_commit")
IN_BATCHES = ("batch.in_transaction", "batch.between_chunks")

JOBS = 120


def overdue(fleet: Fleet) -> None:
    """A schedule that has slept for an hour and a half."""
    machine = CoreMachine(Registry.of(Relay), fleet.machine.store, fleet.machine.blobs)
    store = fleet.machine.store
    assert isinstance(store, PostgresStore)
    book = PostgresScheduleBook(fleet._database, store)
    minute = (book.now() - timedelta(minutes=20)).minute
    hourly = Schedule(f"{minute} * * * *", parameters={"legs": 2}, catch_up=CatchUp.LAST)
    Schedules(machine, book).create("s", "relay", hourly, "ada")
    fleet.ask(
        "update app.schedules set decided = decided - interval '90 minutes', look_at = decided returning 1"
    )


def ticks(fleet: Fleet) -> list[str]:
    rows = fleet.ask("select outcome from app.schedule_ticks where outcome <> 'missed' order by id")
    return [outcome for (outcome,) in rows]


@pytest.mark.parametrize("point", IN_TICKS)
def test_a_scheduler_that_dies_loses_no_tick_and_doubles_none(point: str, fleet: Fleet) -> None:
    """Fault 51, R129: before its commit nothing was, after it all of it."""
    overdue(fleet)
    doomed = fleet.start(crash=f"{point}:1", queues="jobs")
    assert doomed.died() == -signal.SIGKILL, doomed.told()
    assert ticks(fleet) == ([] if point == "schedule.in_transaction" else ["submitted"])
    for _ in range(2):
        fleet.start()
    eventually(lambda: ticks(fleet) == ["submitted"])
    ((run,),) = eventually(lambda: fleet.ask("select run_id from app.runs"))
    assert fleet.ended(run).result == Relay(legs=2).expected
    assert fleet.ask("select count(*) from app.runs") == [(1,)]
    assert violations(fleet.dsn) == []


def test_many_schedulers_submit_a_tick_once(fleet: Fleet) -> None:
    """R129."""
    for _ in range(4):
        fleet.start(queues="jobs", CM_SCHEDULE_SECONDS=0.02)
    eventually(lambda: fleet.ask("select count(*) from app.sessions") == [(4,)])
    overdue(fleet)
    eventually(lambda: ticks(fleet) == ["submitted"])
    looked = "select look_at > clock_timestamp() from app.schedules"
    eventually(lambda: fleet.ask(looked) == [(True,)])
    assert ticks(fleet) == ["submitted"]
    assert fleet.ask("select count(*) from app.runs") == [(1,)]


def send(services: Any) -> None:
    orders = [Order("relay", {"legs": 1, "label": str(n)}) for n in range(JOBS)]
    services.batches.submit(orders, "ada")


@pytest.mark.parametrize(
    ("point", "submitted"),
    [
        ("batch.in_transaction:1", 0),
        ("batch.in_transaction:2", 50),
        ("batch.between_chunks:1", 0),
        ("batch.between_chunks:2", 50),
    ],
)
def test_a_batch_whose_sender_dies_is_finished_by_a_worker(
    point: str, submitted: int, fleet: Fleet
) -> None:
    sender = fleet.doing(send, point)
    assert sender.died() == -signal.SIGKILL, sender.told()
    assert fleet.ask("select count(*) from app.runs") == [(submitted,)]
    fleet.ask("update app.batch_jobs set at = at - interval '5 minutes' returning 1")
    for _ in range(2):
        fleet.start(queues="jobs", CM_SCHEDULE_SECONDS=0.05)
    left = "select count(*) from app.batch_jobs where outcome <> 'submitted'"
    eventually(lambda: fleet.ask(left) == [(0,)], 60)
    assert fleet.ask("select count(*), count(distinct job_id) from app.runs") == [(JOBS, JOBS)]
