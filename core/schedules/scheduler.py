"""The scheduler: finds ticks that have come and submits their jobs, each tick once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from core.crashpoints import crashpoint
from core.errors import CoreMachineError, JobStillRunning
from core.machine import CoreMachine
from core.schedules.book import Outcome, ScheduleBook, ScheduleTurn, Tick
from core.schedules.schedule import Due, Overlap, due

log = logging.getLogger(__name__)

CHUNK = 100


class Scheduler:
    """Any number may run. A tick, the job it submits and the line in the history are one transaction."""

    def __init__(self, machine: CoreMachine, book: ScheduleBook) -> None:
        self.machine = machine
        self.book = book

    def round(self) -> int:
        """Decide everything that has come; how many ticks that was."""
        decided = 0
        for number in self.book.wanted(list(self.machine.registry.jobs), CHUNK):
            try:
                while self._step(number):
                    decided += 1
            except CoreMachineError as error:
                if error.retryable:
                    raise
                log.exception("schedule number %d cannot be decided; the others go on", number)
        return decided

    def _step(self, number: int) -> bool:
        """Decide one tick of the schedule; False when there is none."""
        with self.book.turn(number) as turn:
            if turn is None:
                return False
            acted = self._release(turn) or self._act(turn)
            if acted:
                crashpoint("schedule.in_transaction")
        if acted:
            crashpoint("schedule.after_commit")
        return acted

    def _release(self, turn: ScheduleTurn) -> bool:
        """Submit the tick that has waited longest, if the run before has ended."""
        waiting = turn.waiting(1)
        if not waiting or _still_running(turn) is not None:
            return False
        settled = self.submit(turn, waiting[0])
        if settled.outcome is Outcome.WAITING:
            return False
        turn.settle(settled)
        return True

    def _act(self, turn: ScheduleTurn) -> bool:
        row = turn.row
        found = due(row.schedule, row.decided, turn.now)
        _note_missed(turn, found)
        last = found.missed[1] if found.missed else row.decided
        if not found.ticks:
            self._move_on(turn, last)
            return False
        tick = Tick(found.ticks[0], Outcome.WAITING)
        # The line comes first: whoever writes it is the one who submits.
        if turn.take(tick):
            turn.settle(self._decided(turn, tick))
        self._move_on(turn, tick.tick)
        return True

    def _move_on(self, turn: ScheduleTurn, decided: datetime) -> None:
        row = replace(turn.row, decided=decided)
        turn.write(row, row.schedule.times.following(row.schedule.clock, decided))

    def _decided(self, turn: ScheduleTurn, tick: Tick) -> Tick:
        """What becomes of a tick that has come, with those that wait before it."""
        schedule = turn.row.schedule
        waiting: Sequence[Tick] = ()
        if schedule.overlap is Overlap.QUEUE:
            waiting = [
                each for each in turn.waiting(schedule.backlog + 1) if each.tick != tick.tick
            ]
        if len(waiting) >= schedule.backlog:
            return _skipped(tick, f"{len(waiting)} ticks wait already")
        if waiting:
            return replace(tick, reason=f"{len(waiting)} ticks wait before it")
        return self.submit(turn, tick)

    def submit(self, turn: ScheduleTurn, tick: Tick) -> Tick:
        """Submit the tick's job, unless the run before keeps it from that; what became of it."""
        row = turn.row
        reason = None if row.schedule.overlap is Overlap.ALLOW else _still_running(turn)
        if reason is not None:
            return _held_back(turn, tick, reason)
        try:
            job = self.machine.understood(row.job_type, row.schedule.filled(tick.tick))
            force = tick.manual or not row.schedule.names_tick
            by = tick.by or f"schedule:{row.name}"
            submission = self.machine.over(turn.store).submit(job, force=force, by=by)
        except JobStillRunning as error:
            return _held_back(turn, tick, str(error))
        except CoreMachineError as error:
            if error.retryable:
                raise
            log.warning("schedule %s, tick %s: %s", row.name, tick.tick, error)
            return replace(tick, outcome=Outcome.FAILED, reason=f"{error.code}: {error}")
        run = submission.run
        turn.write(replace(turn.row, last_job=run.job_id), turn.now)
        reason = None if submission.is_new else "the job existed already; nothing new was begun"
        return replace(
            tick, outcome=Outcome.SUBMITTED, reason=reason, job_id=run.job_id, run=run.number
        )


def _note_missed(turn: ScheduleTurn, found: Due) -> None:
    if found.missed is None:
        return
    first, last = found.missed
    since = "" if first == last else f"; so was every tick from {first.isoformat()} on"
    turn.take(Tick(last, Outcome.MISSED, reason=f"no scheduler ran when it came{since}"))


def _still_running(turn: ScheduleTurn) -> str | None:
    """Why the run before keeps the next one back."""
    job_id = turn.row.last_job
    status = None if job_id is None else turn.status_of(job_id)
    if status is None or status.is_final:
        return None
    return f"the job before, {job_id}, is {status}"


def _held_back(turn: ScheduleTurn, tick: Tick, reason: str) -> Tick:
    if turn.row.schedule.overlap is Overlap.QUEUE:
        return replace(tick, outcome=Outcome.WAITING, reason=reason)
    return _skipped(tick, reason)


def _skipped(tick: Tick, reason: str) -> Tick:
    return replace(tick, outcome=Outcome.SKIPPED, reason=reason)
