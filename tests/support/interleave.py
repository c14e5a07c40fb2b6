"""Run two or three database sessions through every order of their statements.

    def worker(conn):               # a generator pauses where it yields
        conn.execute("UPDATE ...")
        yield
        conn.commit()

    explore(dsn, setup, {"one": worker, "two": worker}, check)

An actor that is a plain function pauses before every round trip to the server, so product code can
be explored as it is: hand it the actor's connection, or a pool of `SteppedConnection`s. A statement
that waits for a lock is set aside and resumed when it got the lock; a deadlock is an outcome.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg

from tests.support.actor import Actor, Play, SteppedConnection, pause

__all__ = ["Broken", "Exploration", "SteppedConnection", "Trace", "explore", "pause"]

Setup = Callable[[psycopg.Connection], object]
Check = Callable[[psycopg.Connection, "Trace"], None]
BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
A_MOMENT = 0.002
TOO_LONG = 30


class Broken(AssertionError):
    """An order of statements in which the promise does not hold."""

    def __init__(self, trace: "Trace", why: AssertionError) -> None:
        super().__init__(f"{why or 'the check failed'}\n{trace}")
        self.trace = trace


@dataclass
class Trace:
    """What happened in one order: who moved when, who had to wait, how each one ended."""

    events: list[str] = field(default_factory=list)
    results: dict[str, object] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def __str__(self) -> str:
        errors = [f"{name}: {error!r}" for name, error in self.errors.items()]
        return "\n".join(f"  {line}" for line in [*self.events, *errors])


@dataclass
class Exploration:
    """How much was tried, so that a test can see that it tried something."""

    orders: int = 0
    complete: bool = False
    waits: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace) -> None:
        self.orders += 1
        self.waits += sum(event.endswith("waits") for event in trace.events)
        self.errors.update(type(error).__name__ for error in trace.errors.values())


def explore(
    dsn: str,
    setup: Setup,
    actors: Mapping[str, Play],
    check: Check,
    *,
    always: Check | None = None,
    expected: tuple[type[Exception], ...] = (psycopg.Error,),
    limit: int = 1000,
    seed: int = 1,
) -> Exploration:
    """Try all orders, or `limit` random ones where there are more; Broken at the first bad one.

    `setup` makes the state afresh for each order. `always` sees what is committed after every step,
    `check` the end. An actor may end with an error that is `expected`; any other is raised.
    """
    found = Exploration()
    with ExitStack() as stack:
        stage = Stage(dsn, actors, always, stack)
        for choices in every_order(limit, seed, found):
            setup(stage.monitor)
            trace = stage.perform(choices, expected)
            found.add(trace)
            hold(check, stage.monitor, trace)
    return found


def hold(check: Check, monitor: psycopg.Connection, trace: Trace) -> None:
    try:
        check(monitor, trace)
    except AssertionError as why:
        raise Broken(trace, why) from why


class Choices:
    """Who moves next: as in `prefix`, then the first who can, or anybody."""

    def __init__(self, prefix: list[int] | None = None, dice: random.Random | None = None) -> None:
        self.names: list[str] = []
        self._prefix = prefix or []
        self._dice = dice
        self._made: list[tuple[int, int]] = []

    def choose(self, free: list[Actor]) -> Actor:
        at = len(self._made)
        if at < len(self._prefix):
            index = min(self._prefix[at], len(free) - 1)
        else:
            index = self._dice.randrange(len(free)) if self._dice else 0
        self._made.append((index, len(free)))
        self.names.append(free[index].name)
        return free[index]

    def next_prefix(self) -> list[int] | None:
        """The next order's beginning, depth first; None after the last."""
        made = list(self._made)
        while made and made[-1][0] == made[-1][1] - 1:
            made.pop()
        if not made:
            return None
        return [index for index, _ in made[:-1]] + [made[-1][0] + 1]


def every_order(limit: int, seed: int, found: Exploration) -> Iterator[Choices]:
    """Orders to play. The first one tells how many statements there are to shuffle."""
    choices = Choices()
    yield choices
    if shuffles(choices.names) > limit:
        dice = random.Random(seed)  # noqa: S311  (a seed, to see the same orders again)
        yield from (Choices(dice=dice) for _ in range(limit - 1))
        return
    while (prefix := choices.next_prefix()) is not None:
        choices = Choices(prefix)
        yield choices
    found.complete = True


def shuffles(names: list[str]) -> int:
    """In how many orders these can stand if each name's own moves keep their order."""
    total, left = 1, len(names)
    for moves in Counter(names).values():
        total *= math.comb(left, moves)
        left -= moves
    return total


class Stage:
    """The connections of one exploration: one for each actor, and one that watches."""

    def __init__(
        self, dsn: str, plays: Mapping[str, Play], always: Check | None, stack: ExitStack
    ) -> None:
        self.monitor = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self._always = always
        self._plays = plays
        self._sessions = {name: stack.enter_context(open_session(dsn)) for name in plays}

    def perform(self, choices: Choices, expected: tuple[type[Exception], ...]) -> Trace:
        """Play one order to its end."""
        trace = Trace()
        actors = [Actor(name, play, self._sessions[name]) for name, play in self._plays.items()]
        try:
            while free := [actor for actor in actors if actor.free]:
                self._move(choices.choose(free), actors, trace)
                if self._always is not None:
                    hold(self._always, self.monitor, trace)
        finally:
            for actor in actors:
                actor.abandon()
            for actor in actors:
                actor.join()
        for actor in actors:
            note_end(actor, trace, expected)
        return trace

    def _move(self, chosen: Actor, actors: list[Actor], trace: Trace) -> None:
        """One step of one actor, and every step it sets free."""
        chosen.go()
        self._settle(chosen, trace)
        deadline = time.monotonic() + TOO_LONG
        while True:
            waiting = [actor for actor in actors if actor.waiting]
            resumed = any(self._settle(actor, trace) for actor in waiting)
            # Where everybody waits, PostgreSQL finds the deadlock and ends one of them.
            deadlock = bool(waiting) and not any(actor.free for actor in actors)
            if not resumed and not deadlock:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"waits for somebody who is not an actor:\n{trace}")

    def _settle(self, actor: Actor, trace: Trace) -> bool:
        """Whether the actor's step is done; if not, it waits for a lock."""
        again = actor.waiting
        moment = 0 if again else A_MOMENT
        deadline = time.monotonic() + TOO_LONG
        while not actor.done(moment):
            if self._blocked(actor):
                if not again:
                    trace.events.append(f"{actor.name} {actor.step} waits")
                actor.waiting = True
                return False
            if time.monotonic() > deadline:
                raise TimeoutError(f"{actor.name} does not come back:\n{trace}")
            moment = A_MOMENT
        actor.waiting = False
        trace.events.append(f"{actor.name} {actor.step}{' got its lock' if again else ''}")
        return True

    def _blocked(self, actor: Actor) -> bool:
        row = self.monitor.execute(BLOCKED, [actor.pid]).fetchone()
        return row is not None and row[0]


def open_session(dsn: str) -> SteppedConnection:
    return SteppedConnection.connect(dsn, options="-c deadlock_timeout=10ms")


def note_end(actor: Actor, trace: Trace, expected: tuple[type[Exception], ...]) -> None:
    if actor.error is None:
        trace.results[actor.name] = actor.result
    elif isinstance(actor.error, expected):
        trace.errors[actor.name] = actor.error
    else:
        raise actor.error
