"""Batches: many jobs submitted in one call, and one handle to watch them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from core.control.desk import Control
from core.crashpoints import crashpoint
from core.errors import (
    BatchNotFound,
    Conflict,
    CoreMachineError,
    InvalidParameters,
    JobNotFound,
    ServiceUnavailable,
)
from core.insights.views import Fraction, Moment, View
from core.job import JobBase
from core.machine import CoreMachine
from core.patience import persist
from core.ports import Store
from core.states import JobStatus

log = logging.getLogger(__name__)

LARGEST = 1_000
CHUNK = 50
"""Jobs that are submitted in one transaction."""
MOST_ERRORS = 100
FORGOTTEN = 60.0
"""Seconds after which somebody else goes on with a batch whose sender has died."""

DUE, SUBMITTED, REFUSED, INVALID = "due", "submitted", "refused", "invalid"
ENDED = {REFUSED, INVALID, "deleted", *(status for status in JobStatus if status.is_final)}


@dataclass(frozen=True, slots=True)
class Order:
    """One job of a batch, as it was asked for."""

    job_type: str
    parameters: Mapping[str, Any]
    force: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One job of a batch, and what became of it."""

    index: int
    order: Order
    outcome: str = DUE
    job_id: str | None = None
    reason: str | None = None
    run: int | None = None
    is_new: bool | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch."""

    number: int
    name: str | None
    total: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One job of a batch as it stands now."""

    index: int
    job_type: str
    job_id: str | None
    status: str
    reason: str | None
    run: int | None
    is_new: bool | None


class BatchTurn(Protocol):
    """A transaction that holds some jobs of a batch which are still to be submitted."""

    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def store(self) -> Store: ...
    def settle(self, members: Sequence[Member]) -> None: ...


class BatchBook(Protocol):
    """Where batches are kept."""

    def add(self, name: str | None, members: Sequence[Member], by: str) -> int: ...
    def turn(self, batch: int, limit: int) -> AbstractContextManager[BatchTurn]: ...
    def find(self, batch: int) -> BatchRow | None: ...
    def counts(self, batch: int) -> dict[str, int]:
        """Jobs by where they stand: a status of jobs, or due, refused, invalid or deleted."""
        ...

    def page(self, before: int | None, limit: int) -> list[BatchRow]: ...
    def members(
        self, batch: int, after: int, limit: int, status: str | None = None
    ) -> list[MemberRow]: ...
    def forgotten(self, older: float, limit: int) -> list[int]:
        """Batches with jobs that have been due for so many seconds."""
        ...


class BatchLine(View):
    """A batch as a list tells it."""

    batch_id: int
    name: str | None
    total: int
    created_at: Moment
    created_by: str


class BatchView(BatchLine):
    """Where a batch stands."""

    counts: dict[str, int]
    """Jobs by status; besides those of jobs there are due, refused, invalid and deleted."""
    progress: Fraction
    """The share of its jobs that have ended."""
    done: bool


class MemberView(View):
    """One job of a batch."""

    index: int
    """Its place in the call."""
    job_type: str
    job_id: str | None
    status: str
    reason: str | None
    """Why it was refused or is invalid."""
    run: int | None
    """The run of the job that this batch began or found."""
    is_new: bool | None


class BatchCancelled(View):
    """What came of cancelling a batch."""

    cancelled: int
    """Jobs that this call has ended."""
    left: int
    """Jobs that had ended, or that the batch had only found: those belong to whoever began them."""


class BatchPage(View):
    """Batches, the newest first."""

    batches: list[BatchLine]
    next: int | None


class MemberPage(View):
    """Jobs of a batch, as they stood in the call."""

    jobs: list[MemberView]
    next: int | None


class Batches:
    """What people do with batches."""

    def __init__(self, machine: CoreMachine, book: BatchBook) -> None:
        self.machine = machine
        self.book = book

    def submit(
        self,
        orders: Sequence[Order],
        by: str,
        name: str | None = None,
        *,
        skip_invalid: bool = False,
    ) -> BatchView:
        """Submit all of them, or none when one is wrong; `skip_invalid` leaves the wrong ones out.

        What has been accepted is submitted even if this process dies on the way: another one goes on.
        """
        members = self._checked(orders, skip_invalid)
        batch = self.book.add(name, members, by)
        crashpoint("batch.between_chunks")
        try:
            self.go_on(batch)
        except ServiceUnavailable as error:
            log.warning("batch %d is accepted, and goes on later: %s", batch, error)
        return self.get(batch)

    def go_on(self, batch: int) -> int:
        """Submit what is still due; how many jobs that were."""
        submitted = 0
        # Safe to repeat: what failed is still due.
        while count := persist(lambda: self._chunk(batch), tries=4):
            submitted += count
            crashpoint("batch.between_chunks")
        return submitted

    def round(self) -> int:
        """Go on with batches whose sender has died. Any number of processes may do so."""
        submitted = 0
        for batch in self.book.forgotten(FORGOTTEN, CHUNK):
            try:
                submitted += self.go_on(batch)
            except CoreMachineError as error:
                if error.retryable:
                    raise
                log.exception("batch %d cannot be submitted; the others go on", batch)
        return submitted

    def cancel(self, batch: int, *, by: str, reason: str = "") -> BatchCancelled:
        """End every job that this batch began; what it had not begun yet is not begun any more."""
        total = self._row(batch).total
        why = reason or f"batch {batch} was cancelled"
        cancelled = 0
        while count := persist(lambda: self._refuse(batch, why), tries=4):
            cancelled += count
        control, after = Control(self.machine), -1
        while page := self.book.members(batch, after, CHUNK):
            mine = [row.job_id for row in page if row.is_new and row.status not in ENDED]
            cancelled += sum(_cancelled(control, job_id, by, why) for job_id in mine if job_id)
            after = page[-1].index
        return BatchCancelled(cancelled=cancelled, left=total - cancelled)

    def get(self, batch: int) -> BatchView:
        row = self._row(batch)
        counts = self.book.counts(batch)
        ended = sum(count for status, count in counts.items() if status in ENDED)
        return BatchView(
            **_line(row).model_dump(),
            counts=counts,
            progress=round(ended / row.total, 4),
            done=ended == row.total,
        )

    def page(self, before: int | None = None, limit: int = 50) -> BatchPage:
        found = self.book.page(before, limit + 1)
        page = found[:limit]
        return BatchPage(
            batches=[_line(row) for row in page],
            next=page[-1].number if len(found) > limit else None,
        )

    def jobs(
        self, batch: int, after: int = -1, limit: int = 50, status: str | None = None
    ) -> MemberPage:
        self._row(batch)
        found = self.book.members(batch, after, limit + 1, status)
        page = found[:limit]
        return MemberPage(
            jobs=[_member_view(row) for row in page],
            next=page[-1].index if len(found) > limit else None,
        )

    # how it is done

    def _checked(self, orders: Sequence[Order], skip_invalid: bool) -> list[Member]:
        """All of them are looked at before any is submitted; errors name the place of each."""
        members: list[Member] = []
        wrong: list[dict[str, object]] = []
        for index, order in enumerate(orders):
            try:
                job = self._read(order)
                members.append(Member(index, order, job_id=job.fingerprint))
            except CoreMachineError as error:
                wrong += _named(index, error)
                members.append(Member(index, order, INVALID, reason=str(error)))
        bad = sum(member.outcome == INVALID for member in members)
        if bad and (bad == len(members) or not skip_invalid):
            message = f"{bad} of {len(members)} jobs are not right; nothing was submitted"
            raise InvalidParameters(message, wrong[:MOST_ERRORS])
        return members

    def _read(self, order: Order) -> JobBase:
        return self.machine.understood(order.job_type, order.parameters)

    def _chunk(self, batch: int) -> int:
        by = self._row(batch).created_by
        with self.book.turn(batch, CHUNK) as turn:
            machine = self.machine.over(turn.store)
            settled = [self._submitted(machine, member, by) for member in turn.members]
            turn.settle(settled)
            if settled:
                crashpoint("batch.in_transaction")
        return len(settled)

    def _refuse(self, batch: int, why: str) -> int:
        with self.book.turn(batch, CHUNK) as turn:
            refused = [replace(each, outcome=REFUSED, reason=why) for each in turn.members]
            turn.settle(refused)
        return len(refused)

    def _submitted(self, machine: CoreMachine, member: Member, by: str) -> Member:
        try:
            submission = machine.submit(self._read(member.order), force=member.order.force, by=by)
        except CoreMachineError as error:
            if error.retryable:
                raise
            return replace(member, outcome=REFUSED, reason=str(error))
        return replace(
            member, outcome=SUBMITTED, run=submission.run.number, is_new=submission.is_new
        )

    def _row(self, batch: int) -> BatchRow:
        row = self.book.find(batch)
        if row is None:
            raise BatchNotFound(
                f"There is no batch {batch}. GET /api/batches lists those there are."
            )
        return row


def _cancelled(control: Control, job_id: str, by: str, why: str) -> bool:
    with suppress(Conflict, JobNotFound):  # it has ended, or is gone, since it was listed
        return control.cancel(job_id, by=by, reason=why).changed
    return False


def _named(index: int, error: CoreMachineError) -> list[dict[str, object]]:
    """The error with the place of the job in the call."""
    place = ("body", "jobs", index)
    if not isinstance(error, InvalidParameters):
        return [{"loc": (*place, "job_type"), "msg": str(error), "type": error.code}]
    return [{**each, "loc": (*place, "parameters", *_place(each))} for each in error.errors]


def _place(error: Mapping[str, object]) -> tuple[object, ...]:
    place = error["loc"]
    return place if isinstance(place, tuple) else ()  # pyright: ignore[reportUnknownVariableType]


def _line(row: BatchRow) -> BatchLine:
    return BatchLine(
        batch_id=row.number,
        name=row.name,
        total=row.total,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _member_view(row: MemberRow) -> MemberView:
    return MemberView(
        index=row.index,
        job_type=row.job_type,
        job_id=row.job_id,
        status=row.status,
        reason=row.reason,
        run=row.run,
        is_new=row.is_new,
    )
