"""Queues with peek-lock, dead letters, schedules and expiry, kept in memory."""

import asyncio
import heapq
import itertools
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Protocol

from tests.support.service_bus.faults import Dice, Faults
from tests.support.service_bus.message import Lock, Message, now_ms

DEAD_LETTERS = "/$deadletterqueue"


class LockLost(KeyError):
    """Nobody holds that lock any more."""


class Subscriber(Protocol):
    """A receiver that has asked for messages."""

    credit: int
    keeps: bool
    """Whether it locks messages and settles them later, or takes them at once."""

    def deliver(self, message: Message, lock: Lock | None) -> None: ...


@dataclass(frozen=True)
class QueueOptions:
    lock_seconds: float = 60.0
    max_delivery: int = 10


@dataclass(frozen=True)
class Counts:
    active: int
    locked: int
    scheduled: int
    dead_letter: int


@dataclass
class Queue:
    name: str
    options: QueueOptions
    dice: Dice
    alarm: "Alarm"
    faults: Faults = field(default_factory=Faults)
    dead: "Queue | None" = None
    lost: int = 0
    duplicated: int = 0
    subscribers: deque[Subscriber] = field(default_factory=deque)
    _active: list[tuple[float, int, Message]] = field(default_factory=list)
    _waiting: list[tuple[int, int, Message]] = field(default_factory=list)
    _locked: dict[uuid.UUID, tuple[Message, Lock]] = field(default_factory=dict)
    _sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def accept(self, message: Message) -> int:
        """Take a message from a sender, with whatever goes wrong on the way."""
        number = next(self._sequence)
        if self.dice.hits(self.faults.lose):
            self.lost += 1
        else:
            self._arrive(message, number)
        if self.dice.hits(self.faults.duplicate):
            self.duplicated += 1
            self._arrive(message.copy(), next(self._sequence))
        self.pump()
        return number

    def _arrive(self, message: Message, number: int) -> None:
        message.sequence, message.enqueued = number, now_ms()
        visible = message.due or 0
        if self.dice.hits(self.faults.delay):
            visible = max(visible, now_ms()) + int(self.dice.upto(self.faults.delay_seconds) * 1000)
        if visible > now_ms():
            heapq.heappush(self._waiting, (visible, number, message))
            self.alarm.at(visible)
        else:
            self._make_available(message)

    def _make_available(self, message: Message) -> None:
        place = message.sequence + self.dice.upto(self.faults.shuffle)
        heapq.heappush(self._active, (place, message.sequence, message))

    def pump(self) -> None:
        """Hand messages round to the receivers that want some."""
        while subscriber := self._next_subscriber():
            message = self._take()
            if message is None:
                return
            subscriber.deliver(message, self._lock(message) if subscriber.keeps else None)

    def _next_subscriber(self) -> Subscriber | None:
        for _ in range(len(self.subscribers)):
            self.subscribers.rotate(-1)
            if self.subscribers[-1].credit > 0:
                return self.subscribers[-1]
        return None

    def _take(self) -> Message | None:
        while self._active:
            message = heapq.heappop(self._active)[2]
            if not message.expired:
                return message
        return None

    def _lock(self, message: Message) -> Lock:
        lock = self._new_lock(uuid.uuid4())
        self._locked[lock.token] = (message, lock)
        return lock

    def _new_lock(self, token: uuid.UUID) -> Lock:
        until = now_ms() + int(self.options.lock_seconds * 1000)
        self.alarm.at(until)
        return Lock(token, until)

    def renew(self, token: uuid.UUID) -> int:
        message, _ = self._held(token)
        lock = self._new_lock(token)
        self._locked[token] = (message, lock)
        return lock.until

    def _held(self, token: uuid.UUID) -> tuple[Message, Lock]:
        if token not in self._locked:
            raise LockLost(token)
        return self._locked[token]

    def complete(self, token: uuid.UUID) -> None:
        self._held(token)
        del self._locked[token]

    def release(self, token: uuid.UUID) -> None:
        """Give a message back as if it had never been delivered."""
        message, _ = self._held(token)
        del self._locked[token]
        self._make_available(message)
        self.pump()

    def abandon(self, token: uuid.UUID) -> None:
        message, _ = self._held(token)
        message.deliveries += 1
        if self.dead and message.deliveries >= self.options.max_delivery:
            tries = f"Message could not be consumed after {message.deliveries} delivery attempts."
            self.dead_letter(token, "MaxDeliveryCountExceeded", tries)
        else:
            self.release(token)

    def dead_letter(self, token: uuid.UUID, reason: str | None, detail: str | None) -> None:
        message, _ = self._held(token)
        if self.dead is None:
            return self.release(token)
        del self._locked[token]
        message.bury(self.name, reason, detail)
        self.dead.accept(message)
        return None

    def peek(self, start: int, limit: int) -> list[Message]:
        active = (message for _, _, message in self._active if not message.expired)
        locked = (message for message, _ in self._locked.values())
        waiting = (message for _, _, message in self._waiting)
        every = sorted(itertools.chain(active, locked, waiting), key=lambda m: m.sequence)
        return [message for message in every if message.sequence >= start][:limit]

    def cancel(self, numbers: set[int]) -> None:
        self._waiting = [entry for entry in self._waiting if entry[1] not in numbers]
        heapq.heapify(self._waiting)

    def expire_locks(self) -> None:
        for token in list(self._locked):
            self.abandon(token)

    def pass_time(self, seconds: float) -> None:
        """Let what is scheduled and what is locked come so much nearer to its time."""
        by = int(seconds * 1000)
        self._waiting = [(due - by, number, message) for due, number, message in self._waiting]
        for token, (message, lock) in self._locked.items():
            self._locked[token] = message, replace(lock, until=lock.until - by)
            self.alarm.at(lock.until - by)
        for due, _, _ in self._waiting:
            self.alarm.at(due)
        self.tick(now_ms())

    def tick(self, now: int) -> None:
        """Let scheduled messages arrive and locks expire."""
        while self._waiting and self._waiting[0][0] <= now:
            message = heapq.heappop(self._waiting)[2]
            message.enqueued = now
            self._make_available(message)
        for token in [token for token, (_, lock) in self._locked.items() if lock.until <= now]:
            self.abandon(token)
        self.pump()

    def counts(self) -> Counts:
        dead = len(self.dead._active) + len(self.dead._locked) if self.dead else 0
        return Counts(len(self._active), len(self._locked), len(self._waiting), dead)


class Alarm:
    """Wakes the broker when the next lock expires or the next scheduled message is due."""

    grain_ms = 20

    def __init__(self) -> None:
        self._times: list[int] = []
        self._sooner = asyncio.Event()
        self._latest = 0

    def at(self, time: int) -> None:
        time += -time % self.grain_ms
        if time == self._latest:
            return
        self._latest = time
        heapq.heappush(self._times, time)
        if time == self._times[0]:
            self._sooner.set()

    async def wait(self) -> int:
        """Sleep until the earliest time asked for; the time it is then."""
        while not self._times or self._times[0] > now_ms():
            self._sooner.clear()
            seconds = (self._times[0] - now_ms()) / 1000 if self._times else None
            try:
                await asyncio.wait_for(self._sooner.wait(), seconds)
            except TimeoutError:
                continue
        now, self._latest = now_ms(), 0
        while self._times and self._times[0] <= now:
            heapq.heappop(self._times)
        return now


class Broker:
    """Every queue by name; a queue exists as soon as somebody names it."""

    def __init__(self, options: QueueOptions, seed: int) -> None:
        self._options = options
        self._dice = Dice(seed)
        self._alarm = Alarm()
        self._faults = Faults()
        self._queues: dict[str, Queue] = {}

    def queue(self, name: str) -> Queue:
        key = name.lower()
        if key.endswith(DEAD_LETTERS):
            dead = self.queue(name[: -len(DEAD_LETTERS)]).dead
            assert dead is not None
            return dead
        if key not in self._queues:
            self._queues[key] = self._new_queue(name)
        return self._queues[key]

    def _new_queue(self, name: str) -> Queue:
        dead = Queue(f"{name}/$DeadLetterQueue", self._options, self._dice, self._alarm)
        return Queue(name, self._options, self._dice, self._alarm, self._faults, dead)

    def set_faults(self, faults: Faults, name: str | None) -> None:
        """Change what goes wrong: on one queue, or on all of them."""
        if name is None:
            self._faults = faults
        for queue in [self.queue(name)] if name else self._queues.values():
            queue.faults = faults

    def harm(self) -> dict[str, int]:
        """How many messages were lost and duplicated so far."""
        queues = self._queues.values()
        return {
            "lost": sum(queue.lost for queue in queues),
            "duplicated": sum(queue.duplicated for queue in queues),
        }

    def configure(self, name: str, **options: float) -> None:
        queue = self.queue(name)
        queue.options = replace(queue.options, **options)
        if queue.dead:
            queue.dead.options = queue.options

    async def run(self) -> None:
        while True:
            now = await self._alarm.wait()
            for queue in list(self._queues.values()):
                queue.tick(now)
                if queue.dead:
                    queue.dead.tick(now)
