"""Batches in memory, in the books of the memory store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from core.batches import DUE, SUBMITTED, BatchRow, BatchTurn, Member, MemberRow
from core.memory.store import MemoryStore


class MemoryBatchBook:
    """core.batches.BatchBook."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.books = store.books
        self.rows: dict[int, BatchRow] = {}
        self.jobs: dict[tuple[int, int], tuple[Member, datetime]] = {}

    def add(self, name: str | None, members: Sequence[Member], by: str) -> int:
        with self.books.transaction():
            number, now = self.books.next_number(), self.books.now()
            self.books.put(self.rows, number, BatchRow(number, name, len(members), now, by))
            for member in members:
                self.books.put(self.jobs, (number, member.index), (member, now))
            return number

    @contextmanager
    def turn(self, batch: int, limit: int) -> Generator[BatchTurn]:
        with self.books.transaction():
            due = [member for member in self._of(batch) if member.outcome == DUE]
            yield MemoryBatchTurn(self, batch, due[:limit])

    def find(self, batch: int) -> BatchRow | None:
        with self.books.changed:
            return self.rows.get(batch)

    def counts(self, batch: int) -> dict[str, int]:
        with self.books.changed:
            return dict(Counter(self._status(member) for member in self._of(batch)))

    def page(self, before: int | None, limit: int) -> list[BatchRow]:
        with self.books.changed:
            found = [row for row in self.rows.values() if before is None or row.number < before]
            return sorted(found, key=lambda row: -row.number)[:limit]

    def members(
        self, batch: int, after: int, limit: int, status: str | None = None
    ) -> list[MemberRow]:
        with self.books.changed:
            found = [self._told(member) for member in self._of(batch) if member.index > after]
            return [row for row in found if status in (None, row.status)][:limit]

    def forgotten(self, older: float, limit: int) -> list[int]:
        with self.books.changed:
            latest = self.books.now() - timedelta(seconds=older)
            due = {
                batch
                for (batch, _), (member, at) in self.jobs.items()
                if member.outcome == DUE and at < latest
            }
            return sorted(due)[:limit]

    def _of(self, batch: int) -> list[Member]:
        return [self.jobs[key][0] for key in sorted(self.jobs) if key[0] == batch]

    def _status(self, member: Member) -> str:
        if member.outcome != SUBMITTED:
            return member.outcome
        job = self.books.jobs.get(member.job_id or "")
        return "deleted" if job is None else str(self.books.run(job.run).row.status)

    def _told(self, member: Member) -> MemberRow:
        return MemberRow(
            member.index,
            member.order.job_type,
            member.job_id,
            self._status(member),
            member.reason,
            member.run,
            member.is_new,
        )


class MemoryBatchTurn:
    """core.batches.BatchTurn."""

    def __init__(self, book: MemoryBatchBook, batch: int, members: Sequence[Member]) -> None:
        self.book = book
        self.batch = batch
        self.members = members
        self.store = book.store

    def settle(self, members: Sequence[Member]) -> None:
        books = self.book.books
        for member in members:
            books.put(self.book.jobs, (self.batch, member.index), (member, books.now()))
