"""A mailroom beside the store whose events it hears, for tests of webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.memory.mailroom import MemoryMailroom
from core.webhooks.mailroom import DeliveryView, Mailroom
from core.webhooks.rules import (
    PER_TARGET,
    Attempt,
    DeliveryStatus,
    Parcel,
    Wish,
    consequence,
    new_secret,
)
from infrastructure.mailroom import PostgresMailroom
from tests.store.desk import Desk, PostgresDesk
from tests.store.sample_jobs import Line

URL = "https://hooks.example.com/in"
GOOD = Attempt(timedelta(milliseconds=20), 200, answer="thanks")
BAD = Attempt(timedelta(milliseconds=20), 503, answer="not now")
MOVED = {
    "deliveries": ("due_at", "happened", "ended_at"),
    "webhooks": ("rests_until",),
    "webhook_secrets": ("valid_until",),
}


@dataclass
class Post:
    """A mailroom beside the store whose events it hears."""

    desk: Desk
    room: Mailroom

    def hook(self, url: str = URL, **wish: Any) -> UUID:
        return self.room.add(Wish(url, **wish), new_secret(), "ann").id

    def letters(self, hook: UUID, status: DeliveryStatus | None = None) -> list[DeliveryView]:
        return list(reversed(self.room.deliveries(hook, None, status, 500)))

    def kinds(self, hook: UUID) -> list[str]:
        return [letter.type for letter in self.letters(hook)]

    def claim(self, limit: int = 100, doubtful: int = 100, lease: float = 60.0) -> Sequence[Parcel]:
        return self.room.claim(limit, doubtful, lease)

    def one(self) -> Parcel:
        (parcel,) = self.claim(1)
        return parcel

    def settle(self, parcel: Parcel, attempt: Attempt) -> bool:
        return self.room.settle(parcel, attempt, consequence(attempt, parcel.tries))

    def send_all(self, attempt: Attempt = GOOD) -> int:
        count = 0
        while parcels := self.claim():
            for parcel in parcels:
                self.settle(parcel, attempt)
            count += len(parcels)
        return count

    def advance(self, by: timedelta) -> None:
        if not isinstance(self.desk, PostgresDesk):
            self.desk.advance(by.total_seconds())
            return
        for table, columns in MOVED.items():
            moved = ", ".join(f"{column} = {column} - %(by)s" for column in columns)
            self.desk.conn.execute(f"update {table} set {moved}", {"by": by})


def post_of(desk: Desk) -> Post:
    if isinstance(desk, PostgresDesk):
        return Post(desk, PostgresMailroom(desk.pool))
    return Post(desk, MemoryMailroom(desk.store.books))


def drained(post: Post) -> list[Parcel]:
    found: list[Parcel] = []
    while parcels := post.claim():
        found += parcels
        for parcel in parcels:
            post.settle(parcel, GOOD)
    return found


def failing(post: Post, times: int) -> UUID:
    """A webhook whose target has just failed so often, with more to tell it."""
    hook = post.hook(events=("job.submitted",))
    for n in range(times + PER_TARGET):
        post.desk.submit(Line(label=str(n)))
    for _ in range(times):
        post.settle(post.one(), BAD)
    return hook
