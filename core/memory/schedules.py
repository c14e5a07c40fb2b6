"""Schedules in memory, in the books of the memory store."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from core.memory.store import MemoryStore
from core.schedules.book import NewSchedule, Outcome, ScheduleRow, ScheduleTurn, Tick
from core.states import JobStatus


class MemoryScheduleBook:
    """core.schedules.book.ScheduleBook. A turn holds all the books, so nobody is ever in the way."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.books = store.books
        self.rows: dict[int, ScheduleRow] = {}
        self.ticks: dict[tuple[int, datetime, bool], Tick] = {}
        self.names: dict[str, int] = {}
        """Of those that are not deleted."""
        self.look_at: dict[int, datetime] = {}

    def now(self) -> datetime:
        return self.books.now()

    def add(self, new: NewSchedule) -> bool:
        with self.books.transaction():
            if new.name in self.names:
                return False
            number, now = self.books.next_number(), self.now()
            row = ScheduleRow(
                number,
                new.name,
                new.job_type,
                new.schedule,
                new.owner,
                decided=now,
                created_at=now,
                created_by=new.by,
                changed_at=now,
                changed_by=new.by,
            )
            self.books.put(self.rows, number, row)
            self.books.put(self.names, new.name, number)
            self.books.put(self.look_at, number, now)
            return True

    def find(self, name: str) -> ScheduleRow | None:
        with self.books.changed:
            return self.rows[self.names[name]] if name in self.names else None

    def page(self, after: str, limit: int, job_type: str | None = None) -> list[ScheduleRow]:
        with self.books.changed:
            rows = [
                self.rows[number] for name, number in sorted(self.names.items()) if name > after
            ]
            return [row for row in rows if job_type in (None, row.job_type)][:limit]

    def history(self, name: str, before: int | None, limit: int) -> list[Tick]:
        with self.books.changed:
            numbers = {row.number for row in self.rows.values() if row.name == name}
            ticks = [tick for key, tick in self.ticks.items() if key[0] in numbers]
            older = [tick for tick in ticks if before is None or tick.number < before]
            return sorted(older, key=lambda tick: -tick.number)[:limit]

    def wanted(self, job_types: Collection[str], limit: int) -> list[int]:
        with self.books.changed:
            waiting = {k[0] for k, tick in self.ticks.items() if tick.outcome is Outcome.WAITING}
            return [
                number
                for number in self.names.values()
                if (number in waiting or self.look_at.get(number, self.now()) <= self.now())
                and self.rows[number].job_type in job_types
                and self.rows[number].paused_at is None
            ][:limit]

    @contextmanager
    def turn(self, number: int) -> Generator[ScheduleTurn | None]:
        with self.books.transaction():
            row = self.rows[number]
            here = self.names.get(row.name) == number and row.paused_at is None
            yield MemoryScheduleTurn(self, row) if here else None

    @contextmanager
    def holding(self, name: str) -> Generator[ScheduleTurn | None]:
        with self.books.transaction():
            row = self.find(name)
            yield None if row is None else MemoryScheduleTurn(self, row)


class MemoryScheduleTurn:
    """core.schedules.book.ScheduleTurn."""

    def __init__(self, book: MemoryScheduleBook, row: ScheduleRow) -> None:
        self.book = book
        self.row = row
        self.now = book.now()
        self.store = book.store

    def waiting(self, limit: int) -> Sequence[Tick]:
        waiting = [
            tick
            for key, tick in self.book.ticks.items()
            if key[0] == self.row.number and tick.outcome is Outcome.WAITING
        ]
        return sorted(waiting, key=lambda tick: tick.tick)[:limit]

    def status_of(self, job_id: str) -> JobStatus | None:
        job = self.book.books.jobs.get(job_id)
        return None if job is None else self.book.books.run(job.run).row.status

    def take(self, tick: Tick) -> bool:
        key = self.row.number, tick.tick, tick.manual
        if key in self.book.ticks:
            return False
        number = self.book.books.next_number()
        taken = replace(tick, number=number, at=self.now)
        self.book.books.put(self.book.ticks, key, taken)
        return True

    def settle(self, tick: Tick) -> None:
        key = self.row.number, tick.tick, tick.manual
        settled = replace(tick, number=self.book.ticks[key].number, at=self.now)
        self.book.books.put(self.book.ticks, key, settled)

    def write(self, row: ScheduleRow, look_at: datetime | None) -> None:
        self.row = row
        self.book.books.put(self.book.rows, row.number, row)
        never = datetime.max.replace(tzinfo=self.now.tzinfo)
        self.book.books.put(self.book.look_at, row.number, look_at or never)

    def delete(self, by: str) -> None:
        self.book.books.drop(self.book.names, self.row.name)
        for tick in self.waiting(len(self.book.ticks)):
            self.settle(replace(tick, outcome=Outcome.SKIPPED, reason="the schedule was deleted"))
