"""What the tests of schedules share: schedules on a desk, and the means to see what they did."""

from datetime import timedelta

from core import JobBase, Schedule
from core.machine import CoreMachine
from core.memory.schedules import MemoryScheduleBook
from core.memory.store import MemoryStore
from core.registry import Registry
from core.schedules.desk import Schedules
from infrastructure.schedules import PostgresScheduleBook
from tests.store.sample_jobs import ALL, Line

HOUR = 3600
BY = "ada"


def schedules_of(desk, *jobs: type[JobBase]) -> Schedules:
    registry = Registry.of(*ALL, *jobs)
    machine = CoreMachine(registry, desk.store, desk.blobs)
    if isinstance(desk.store, MemoryStore):
        return Schedules(machine, MemoryScheduleBook(desk.store))
    return Schedules(machine, PostgresScheduleBook(desk.pool, desk.store))


def often(schedules: Schedules, **more) -> Schedule:
    """Its ticks have just come whenever an hour passes; that real minutes pass meanwhile does not matter."""
    return hourly(schedules, 2, **more)


def hourly(schedules: Schedules, ago: int = 20, **more) -> Schedule:
    """It ticked so many minutes ago, and every hour before."""
    minute = (schedules.book.now() - timedelta(minutes=ago)).minute
    return Schedule(f"{minute} * * * *", **more)


def outcomes(schedules: Schedules, name: str = "s") -> list[str]:
    return [str(tick.outcome) for tick in reversed(schedules.history(name, limit=500).ticks)]


def runs(desk, label: str = "") -> list[tuple[int, str]]:
    return desk.runs(Line(label=label).fingerprint)
