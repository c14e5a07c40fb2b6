"""What is done again and again, whoever does it: a worker's threads, or a host that comes by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from triggers.wiring import Services

DELETE_EVERY = 2.0
"""Seconds between two looks for deletions that somebody has begun."""


class Chore(NamedTuple):
    """Something that is done again and again; any number of processes may do it at once."""

    name: str
    act: Callable[[], object]
    every: float


def chores(services: Services) -> list[Chore]:
    given = services.settings
    return [
        Chore("reconciler", services.reconciler.round, given.reconcile_seconds),
        Chore("scheduler", services.schedules.scheduler.round, given.schedule_seconds),
        Chore("batches", services.batches.round, given.schedule_seconds),
        Chore("removal", services.removal.repair, DELETE_EVERY),
        Chore("housekeeping", services.housekeeper.round, given.housekeeping_seconds),
    ]
