"""The mailroom in memory, on the memory store's books: every promise of PostgreSQL's but durability and the audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from core.memory.books import Books, MemoryEvent
from core.tasks import TaskKey
from core.webhooks.mailroom import AttemptView, DeliveryView, WebhookView
from core.webhooks.rules import (
    OPENS_AFTER,
    PER_TARGET,
    PING,
    Attempt,
    Consequence,
    DeliveryStatus,
    Disable,
    Parcel,
    State,
    Wish,
    kind_of,
    message_id,
    standing,
)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook's row."""

    id: UUID
    wish: Wish
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    secrets: tuple[tuple[str, datetime | None], ...]
    """The newest first, each with its end."""
    state: State = State.ACTIVE
    reason: str | None = None
    failures: int = 0
    rests_until: datetime | None = None
    doubtful: bool = True


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery's row."""

    number: int
    webhook: UUID
    kind: str
    happened: datetime
    due_at: datetime
    told: dict[str, Any]
    message: UUID
    event: int | None = None
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempt: int = 0
    tries: int = 0
    ended_at: datetime | None = None
    attempts: tuple[AttemptView, ...] = ()


OPEN = (DeliveryStatus.WAITING, DeliveryStatus.SENDING)


class MemoryMailroom:
    """core.webhooks.mailroom.Mailroom. It hears every event that the books record, in the same transaction."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.hooks: dict[UUID, Hook] = {}
        self.letters: dict[int, Letter] = {}
        books.tell = self._tell

    def _tell(self, event: MemoryEvent) -> None:
        row = self.books.runs[event.run].row
        kind = kind_of(event.event.what)
        for hook in self.hooks.values():
            if hook.state is not State.DISABLED and hook.wish.wants(kind, row.job_type, row.job_id):
                self._write(hook.id, kind, event.at, self._told(event), event.number)

    def _told(self, event: MemoryEvent) -> dict[str, Any]:
        row, what = self.books.runs[event.run].row, event.event
        whole = None if what.stage is None or what.idx is None else what.idx
        task = None if whole is None else str(TaskKey(event.run, what.stage or 0, whole))
        told = {
            "job_id": row.job_id,
            "job_type": row.job_type,
            "run": row.number,
            "status": str(row.status),
            "event": event.number,
            "stage": None if what.stage is None else row.plan[what.stage].name,
            "task_id": task,
            "attempt": what.attempt,
            "details": what.data,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _write(
        self, webhook: UUID, kind: str, at: datetime, told: dict[str, Any], event: int | None
    ) -> int:
        number = self.books.next_number()
        letter = Letter(number, webhook, kind, at, self.books.now(), told, uuid4(), event)
        self.books.put(self.letters, number, letter)
        self.books.changed.notify_all()
        return number

    # registering

    def add(self, wish: Wish, secret: str, by: str) -> WebhookView:
        with self.books.transaction():
            now = self.books.now()
            hook = Hook(uuid4(), wish, now, by, now, by, ((secret, None),))
            self.books.put(self.hooks, hook.id, hook)
            return self._view(hook)

    def get(self, webhook: UUID) -> WebhookView | None:
        with self.books.changed:
            hook = self.hooks.get(webhook)
            return None if hook is None else self._view(hook)

    def list(self, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[WebhookView]:
        with self.books.changed:
            hooks = sorted(self.hooks.values(), key=_place)
            return [self._view(h) for h in hooks if after is None or _place(h) > after][:limit]

    def count(self) -> int:
        return len(self.hooks)

    def change(self, webhook: UUID, wish: Wish, by: str) -> WebhookView | None:
        with self.books.transaction():
            hook = self.hooks.get(webhook)
            if hook is None:
                return None
            if hook.wish.url != wish.url:
                hook = replace(hook, failures=0, rests_until=None, doubtful=True)
            return self._put(hook, by, wish=wish)

    def set_state(self, webhook: UUID, state: State, by: str) -> WebhookView | None:
        with self.books.transaction():
            hook = self.hooks.get(webhook)
            if hook is None or (
                hook.state is state and not (state is State.ACTIVE and hook.failures)
            ):
                return None
            return self._put(hook, by, state=state, reason=None, failures=0, rests_until=None)

    def _put(self, hook: Hook, by: str, **changes: Any) -> WebhookView:
        changed = replace(hook, changed_at=self.books.now(), changed_by=by, **changes)
        self.books.put(self.hooks, hook.id, changed)
        return self._view(changed)

    def remove(self, webhook: UUID, by: str) -> bool:
        with self.books.transaction():
            known = webhook in self.hooks
            self.books.drop(self.hooks, webhook)
            return known

    def drop(self, webhook: UUID, limit: int) -> int:
        return self._forget([n for n, x in self.letters.items() if x.webhook == webhook][:limit])

    def rotate(self, webhook: UUID, secret: str, overlap: timedelta, by: str) -> bool:
        with self.books.transaction():
            hook = self.hooks.get(webhook)
            if hook is None:
                return False
            before = (hook.secrets[0][0], self.books.now() + overlap)
            both = replace(hook, secrets=((secret, None), before))
            self.books.put(self.hooks, webhook, both)
            return True

    # looking

    def deliveries(
        self, webhook: UUID, before: int | None, status: DeliveryStatus | None, limit: int
    ) -> Sequence[DeliveryView]:
        with self.books.changed:
            found = [
                _delivery(letter)
                for letter in self.letters.values()
                if letter.webhook == webhook
                and (before is None or letter.number < before)
                and status in (None, letter.status)
            ]
            return sorted(found, key=lambda view: -view.id)[:limit]

    def delivery(self, webhook: UUID, delivery: int) -> DeliveryView | None:
        letter = self.letters.get(delivery)
        return None if letter is None or letter.webhook != webhook else _delivery(letter)

    def attempts(self, delivery: int) -> Sequence[AttemptView]:
        return self.letters[delivery].attempts

    # sending

    def ping(self, webhook: UUID, by: str) -> int | None:
        with self.books.transaction():
            hook = self.hooks.get(webhook)
            if hook is None or hook.state is not State.ACTIVE:
                return None
            self.books.put(self.hooks, webhook, replace(hook, rests_until=None))
            return self._write(webhook, PING, self.books.now(), {"webhook": str(webhook)}, None)

    def replay(self, webhook: UUID, delivery: int, by: str) -> bool:
        with self.books.transaction():
            letter, now = self.letters.get(delivery), self.books.now()
            if letter is None or letter.webhook != webhook or _is_sent_now(letter, now):
                return False
            if (
                letter.status is DeliveryStatus.WAITING
                and not letter.tries
                and letter.due_at <= now
            ):
                return False
            again = replace(
                letter, status=DeliveryStatus.WAITING, tries=0, due_at=now, ended_at=None
            )
            self.books.put(self.letters, delivery, again)
            self.books.changed.notify_all()
            return True

    def claim(self, limit: int, doubtful: int, lease: float) -> Sequence[Parcel]:
        with self.books.transaction():
            chosen: list[Parcel] = []
            for letter in sorted(self._due(), key=lambda due: due[0]):
                unsure = self.hooks[letter[1].webhook].doubtful
                if unsure and sum(p.doubtful for p in chosen) >= doubtful:
                    continue
                if len(chosen) < limit:
                    chosen.append(self._claimed(letter[1], lease))
            return chosen

    def _due(self) -> Iterator[tuple[tuple[int, datetime], Letter]]:
        """What may be sent now, with its place in its webhook's line."""
        now = self.books.now()
        for hook in self.hooks.values():
            if hook.state is not State.ACTIVE or (hook.rests_until and hook.rests_until > now):
                continue
            mine = [letter for letter in self.letters.values() if letter.webhook == hook.id]
            room = 1 if hook.failures >= OPENS_AFTER else PER_TARGET
            room -= sum(_is_sent_now(letter, now) for letter in mine)
            due = [x for x in mine if x.status in OPEN and x.due_at <= now]
            line = sorted(due, key=lambda x: x.due_at)[: max(room, 0)]
            yield from (((place, x.due_at), x) for place, x in enumerate(line))

    def _claimed(self, letter: Letter, lease: float) -> Parcel:
        now, hook = self.books.now(), self.hooks[letter.webhook]
        sent = replace(
            letter,
            status=DeliveryStatus.SENDING,
            attempt=letter.attempt + 1,
            tries=letter.tries + 1,
            due_at=now + timedelta(seconds=lease),
        )
        self.books.put(self.letters, letter.number, sent)
        return Parcel(
            letter.number,
            sent.attempt,
            sent.tries,
            hook.id,
            hook.wish.url,
            letter.message,
            letter.kind,
            letter.happened,
            letter.told,
            now,
            [secret for secret, end in hook.secrets if end is None or end > now],
            hook.doubtful,
        )

    def settle(self, parcel: Parcel, attempt: Attempt, then: Consequence) -> bool:
        with self.books.transaction():
            letter, hook = self.letters.get(parcel.delivery), self.hooks.get(parcel.webhook)
            fence = (DeliveryStatus.SENDING, parcel.attempt)
            if letter is None or hook is None or (letter.status, letter.attempt) != fence:
                return False
            now = self.books.now()
            self.books.put(self.letters, letter.number, _settled(letter, attempt, then, now))
            circuit = attempt.circuit(hook.failures)
            marked = replace(
                hook,
                failures=circuit.failures,
                rests_until=None if circuit.rests is None else now + circuit.rests,
                doubtful=not attempt.is_prompt,
            )
            if isinstance(then, Disable):
                gone = "the target answered 410: it is gone"
                marked = replace(marked, state=State.DISABLED, reason=gone)
            self.books.put(self.hooks, hook.id, marked)
            return True

    def prune(self, days: int, limit: int) -> int:
        before = self.books.now() - timedelta(days=days)
        return self._forget([n for n, x in self.letters.items() if x.happened < before][:limit])

    def _forget(self, numbers: Sequence[int]) -> int:
        with self.books.transaction():
            for number in numbers:
                self.books.drop(self.letters, number)
            return len(numbers)

    def _view(self, hook: Hook) -> WebhookView:
        resting = hook.rests_until and hook.rests_until > self.books.now()
        return WebhookView(
            id=hook.id,
            url=hook.wish.url,
            description=hook.wish.description,
            events=[*hook.wish.events],
            job_types=[*hook.wish.job_types],
            prefix=hook.wish.prefix,
            state=hook.state,
            reason=hook.reason,
            failures=hook.failures,
            rests_until=hook.rests_until if resting else None,
            created_at=hook.created_at,
            created_by=hook.created_by,
            changed_at=hook.changed_at,
            changed_by=hook.changed_by,
        )


def _place(hook: Hook) -> tuple[datetime, UUID]:
    return hook.created_at, hook.id


def _is_sent_now(letter: Letter, now: datetime) -> bool:
    return letter.status is DeliveryStatus.SENDING and letter.due_at > now


def _settled(letter: Letter, attempt: Attempt, then: Consequence, now: datetime) -> Letter:
    status, delay = standing(then)
    told = AttemptView(
        attempt=letter.attempt,
        at=now,
        status_code=attempt.status_code,
        milliseconds=round(attempt.took.total_seconds() * 1000),
        error=attempt.error,
        answer=attempt.answer,
    )
    return replace(
        letter,
        status=status,
        due_at=now + delay,
        ended_at=None if status is DeliveryStatus.WAITING else now,
        attempts=(*letter.attempts, told),
    )


def _delivery(letter: Letter) -> DeliveryView:
    last = letter.attempts[-1] if letter.attempts else None
    return DeliveryView(
        id=letter.number,
        message_id=message_id(letter.message),
        type=letter.kind,
        status=letter.status,
        job_id=letter.told.get("job_id"),
        event=letter.event,
        attempts=letter.attempt,
        happened=letter.happened,
        next_at=letter.due_at if letter.status is DeliveryStatus.WAITING else None,
        ended_at=letter.ended_at,
        status_code=None if last is None else last.status_code,
        error=(last.error or None) if last is not None else None,
    )
