"""Schedules as people handle them: create, change, pause, resume, trigger, delete, look."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from core.errors import (
    BadInput,
    CoreMachineError,
    JobStillRunning,
    ScheduleExists,
    ScheduleNotFound,
    ScheduleOfClass,
)
from core.job import JobBase
from core.machine import CoreMachine
from core.names import is_name
from core.schedules.book import (
    NewSchedule,
    Outcome,
    Owner,
    ScheduleBook,
    ScheduleRow,
    ScheduleTurn,
    Tick,
)
from core.schedules.schedule import SAMPLE, Schedule
from core.schedules.scheduler import Scheduler
from core.schedules.views import (
    SchedulePage,
    ScheduleVerdict,
    ScheduleView,
    TickPage,
    TickView,
    schedule_view,
    tick_view,
)

log = logging.getLogger(__name__)

DEPLOYED = "the job class"
PAGE = 500


class Schedules:
    """Every verb is one transaction, and says who did it."""

    def __init__(self, machine: CoreMachine, book: ScheduleBook) -> None:
        self.machine = machine
        self.book = book
        self.scheduler = Scheduler(machine, book)

    # looking

    def page(
        self, after: str | None = None, limit: int = 50, job_type: str | None = None
    ) -> SchedulePage:
        found = self.book.page(after or "", limit + 1, job_type)
        now = self.book.now()
        page = found[:limit]
        return SchedulePage(
            schedules=[self._view(row, now) for row in page],
            next=page[-1].name if len(found) > limit else None,
        )

    def get(self, name: str) -> ScheduleView:
        return self._view(self._row(name), self.book.now())

    def next_ticks(self, name: str, count: int) -> tuple[ZoneInfo, list[datetime]]:
        """Its time zone, and when it will tick, also while it is paused: as if it were resumed now."""
        row = self._row(name)
        after = max(self.book.now(), row.decided)
        return row.schedule.clock, row.schedule.next_ticks(after, count)

    def history(self, name: str, before: int | None = None, limit: int = 50) -> TickPage:
        """Of every schedule that has had this name, also one that was deleted."""
        found = self.book.history(name, before, limit + 1) if is_name(name) else []
        if not found:
            self._row(name)
        page = found[:limit]
        return TickPage(
            ticks=[tick_view(tick) for tick in page],
            next=page[-1].number if len(found) > limit else None,
        )

    # changing

    def create(self, name: str, job_type: str, schedule: Schedule, by: str) -> ScheduleView:
        if not is_name(name):
            raise BadInput(
                f"{name!r} is no name of a schedule: lower case letters, digits and . _ -"
            )
        job_type = self._checked(job_type, schedule)
        if not self.book.add(NewSchedule(name, job_type, schedule, Owner.PERSON, by)):
            raise ScheduleExists(f"There is a schedule {name!r} already; PUT changes it.")
        return self.get(name)

    def change(self, name: str, job_type: str, schedule: Schedule, by: str) -> ScheduleVerdict:
        """Put another schedule in its place. A new time begins now; a pause stays."""
        job_type = self._checked(job_type, schedule)
        with self._own(name) as turn:
            row = turn.row
            changed = (row.job_type, row.schedule) != (job_type, schedule)
            if changed:
                self._put(turn, replace(row, job_type=job_type, schedule=schedule), by)
            return self._verdict(turn, changed, "changed" if changed else "was so already")

    def pause(self, name: str, by: str) -> ScheduleVerdict:
        """No tick comes until it is resumed; jobs that run go on."""
        with self._held(name) as turn:
            changed = turn.row.paused_at is None
            if changed:
                turn.write(replace(turn.row, paused_at=turn.now, paused_by=by), turn.now)
            return self._verdict(turn, changed, "paused" if changed else "is paused already")

    def resume(self, name: str, by: str, *, catch_up: bool = False) -> ScheduleVerdict:
        """Ticks that came while it was paused are left out, unless it shall catch up as it does after downtime."""
        with self._held(name) as turn:
            changed = turn.row.paused_at is not None
            if changed:
                decided = turn.row.decided if catch_up else turn.now
                row = replace(turn.row, paused_at=None, paused_by=None, decided=decided)
                turn.write(replace(row, changed_at=turn.now, changed_by=by), turn.now)
            return self._verdict(turn, changed, "runs again" if changed else "is not paused")

    def trigger(self, name: str, by: str) -> TickView:
        """Submit its job now, also while it is paused. A tick that has to wait waits."""
        with self._held(name) as turn:
            tick = Tick(turn.now, Outcome.WAITING, manual=True, by=by, at=turn.now)
            turn.take(tick)
            settled = self.scheduler.submit(turn, tick)
            if settled.outcome is Outcome.SKIPPED:
                raise JobStillRunning(
                    f"Schedule {name} does not run twice at a time, and {settled.reason}."
                )
            if settled.outcome is Outcome.FAILED:
                raise BadInput(f"Schedule {name} cannot submit its job: {settled.reason}")
            turn.settle(settled)
            return tick_view(settled)

    def delete(self, name: str, by: str) -> ScheduleVerdict:
        """Its history stays. One that a class has can only be paused."""
        with self._own(name) as turn:
            turn.delete(by)
        return ScheduleVerdict(
            name=name, changed=True, message=f"Schedule {name} is deleted.", schedule=None
        )

    # what job classes say

    def sync(self) -> int:
        """Make the schedules of installed classes what their code says; how many have changed.

        What an operator did stays: a schedule that is paused is still paused afterwards. Classes that are not
        installed here are left alone: another process may have them.
        """
        changed = 0
        for job_type, job in self.machine.registry.jobs.items():
            wanted = {_class_name(job, each): each for each in job.schedules}
            changed += sum(self._said(name, job_type, each) for name, each in wanted.items())
            changed += sum(
                self._unsaid(row) for row in self._of_class(job_type) if row.name not in wanted
            )
        return changed

    def _said(self, name: str, job_type: str, schedule: Schedule) -> bool:
        # As it comes back from storage, so that equal ones are equal.
        parameters = json.loads(json.dumps(dict(schedule.parameters)))
        schedule = replace(schedule, name="", parameters=parameters)
        if self.book.add(NewSchedule(name, job_type, schedule, Owner.CLASS, DEPLOYED)):
            log.info("schedule %s: %s %s", name, schedule.cron, schedule.zone)
            return True
        with self.book.holding(name) as turn:
            if turn is None:
                return False
            if turn.row.owner is not Owner.CLASS:
                log.error("schedule %s of %s is not installed: the name is taken", name, job_type)
                return False
            if (turn.row.job_type, turn.row.schedule) == (job_type, schedule):
                return False
            self._put(turn, replace(turn.row, job_type=job_type, schedule=schedule), DEPLOYED)
            log.info("schedule %s is now: %s %s", name, schedule.cron, schedule.zone)
            return True

    def _unsaid(self, row: ScheduleRow) -> bool:
        with self.book.holding(row.name) as turn:
            if turn is None or turn.row.number != row.number:
                return False
            turn.delete(DEPLOYED)
        log.info("schedule %s is gone from its class", row.name)
        return True

    def _of_class(self, job_type: str) -> list[ScheduleRow]:
        found: list[ScheduleRow] = []
        while page := self.book.page(found[-1].name if found else "", PAGE, job_type):
            found += page
        return [row for row in found if row.owner is Owner.CLASS]

    # how it is done

    def _checked(self, job_type: str, schedule: Schedule) -> str:
        """The job type's own name, if the parameters fit it."""
        self.machine.parse(job_type, schedule.filled(SAMPLE))
        return self.machine.registry[job_type].job_type

    def _put(self, turn: ScheduleTurn, row: ScheduleRow, by: str) -> None:
        before, after = turn.row.schedule, row.schedule
        if (before.cron, before.zone) != (after.cron, after.zone):
            row = replace(row, decided=max(turn.now, row.decided))
        turn.write(replace(row, changed_at=turn.now, changed_by=by), turn.now)

    @contextmanager
    def _held(self, name: str) -> Generator[ScheduleTurn]:
        if not is_name(name):
            raise _missing(name)
        with self.book.holding(name) as turn:
            if turn is None:
                raise _missing(name)
            yield turn

    @contextmanager
    def _own(self, name: str) -> Generator[ScheduleTurn]:
        with self._held(name) as turn:
            if turn.row.owner is Owner.CLASS and turn.row.job_type in self.machine.registry:
                raise ScheduleOfClass(
                    f"Schedule {name} belongs to the class of job {turn.row.job_type}: change it there, or pause it here."
                )
            yield turn

    def _row(self, name: str) -> ScheduleRow:
        row = self.book.find(name) if is_name(name) else None
        if row is None:
            raise _missing(name)
        return row

    def _view(self, row: ScheduleRow, now: datetime) -> ScheduleView:
        return schedule_view(row, now, installed=row.job_type in self.machine.registry)

    def _verdict(self, turn: ScheduleTurn, changed: bool, what: str) -> ScheduleVerdict:
        row = turn.row
        return ScheduleVerdict(
            name=row.name,
            changed=changed,
            message=f"Schedule {row.name} {what}.",
            schedule=self._view(row, turn.now),
        )


def _class_name(job: type[JobBase], schedule: Schedule) -> str:
    return f"{job.job_type}.{schedule.name}" if schedule.name else job.job_type


def _missing(name: str) -> CoreMachineError:
    return ScheduleNotFound(
        f"There is no schedule {name!r}. GET /api/schedules lists those there are."
    )
