"""The product's store on one stepped connection: others may move before each statement that counts."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from benchmarks.invariants import I1, I3
from infrastructure.database import Database, RawJson, sql
from tests.faults.crew import violations
from tests.store.desk import PostgresDesk
from tests.support.actor import here
from tests.support.interleave import Exploration, Trace, explore, pause

EMPTY = ";".join(
    f"delete from app.{table}"
    for table in (
        *("jobs", "runs", "stages", "tasks", "events", "sessions", "outbox", "checkpoints"),
        *("dependencies", "limits", "buckets"),
    )
)
READS = {sql("stages/is_done"), sql("workers/list_held")}

Swaps = Mapping[bytes, bytes]
Arrange = Callable[[PostgresDesk], Any]
Act = Callable[[PostgresDesk, Any], object]
Check = Callable[[PostgresDesk, Any, Trace], None]


class Guard(NamedTuple):
    """Part of a statement, and what stands there when somebody has taken the guard away."""

    name: str
    text: str
    instead: str = ""


def without(guards: Sequence[Guard]) -> Swaps:
    """The broken statements by their originals."""
    swaps: dict[bytes, bytes] = {}
    for guard in guards:
        original = sql(guard.name)
        text = swaps.get(original, original)
        assert guard.text.encode() in text, f"{guard.name} no longer says {guard.text!r}"
        swaps[original] = text.replace(guard.text.encode(), guard.instead.encode())
    return swaps


class Spoken:
    """A connection inside a transaction; pauses before the statements that count."""

    def __init__(self, conn: psycopg.Connection, loud: frozenset[bytes], swaps: Swaps) -> None:
        self.conn = conn
        self.loud = loud
        self.swaps = swaps
        self.changed = False

    def execute(self, statement: bytes, values: Any = None) -> psycopg.Cursor:
        if statement in self.loud:
            self.changed = self.changed or statement not in READS
            pause()
        return self.conn.execute(self.swaps.get(statement, statement), values)


class SteppedDatabase(Database):
    """Errors fly as they are, and nothing is tried twice."""

    def __init__(self, conn: psycopg.Connection, loud: frozenset[bytes], swaps: Swaps) -> None:
        self.conn = conn
        self.loud = loud
        self.swaps = swaps
        self.tries = 1
        conn.adapters.register_loader("jsonb", RawJson)

    @contextmanager
    def transaction(self) -> Generator[Any]:
        with self.conn.transaction():
            spoken = Spoken(self.conn, self.loud, self.swaps)
            yield spoken
            if spoken.changed:
                pause()


class Orders:
    """Plays a scene in all orders of the statements that count, or in `limit` of them."""

    def __init__(self, dsn: str, broken: Sequence[Guard] = ()) -> None:
        self.dsn = dsn
        self.swaps = without(broken)

    def __call__(
        self,
        arrange: Arrange,
        actors: Mapping[str, Act],
        check: Check,
        *,
        loud: Sequence[str],
        expected: tuple[type[Exception], ...] = (),
        limit: int = 100,
    ) -> Exploration:
        """`arrange` gives what the actors and the check are told of the state at the beginning."""
        with psycopg.connect(self.dsn, autocommit=True) as look:
            look.execute("set search_path = app")
            statements = frozenset(sql(name) for name in loud)
            found = self._play(
                look,
                arrange,
                actors,
                check,
                statements,
                limit=limit,
                expected=(psycopg.Error, *expected),
            )
        assert found.complete or found.orders == limit
        return found

    def _play(
        self,
        look: psycopg.Connection,
        arrange: Arrange,
        actors: Mapping[str, Act],
        check: Check,
        loud: frozenset[bytes],
        **options: Any,
    ) -> Exploration:
        at: list[Any] = []

        def desk(conn: psycopg.Connection, loud: frozenset[bytes] = frozenset()) -> PostgresDesk:
            swaps = self.swaps if loud else {}
            return PostgresDesk(SteppedDatabase(conn, loud, swaps), look)

        def setup(monitor: psycopg.Connection) -> None:
            monitor.execute(EMPTY)
            at[:] = [arrange(desk(monitor))]

        def play(act: Act) -> Callable[[psycopg.Connection], object]:
            def played(conn: psycopg.Connection) -> object:
                here.actor.stepping = False  # the pauses are ours
                return act(desk(conn, loud), at[0])

            return played

        def checked(monitor: psycopg.Connection, trace: Trace) -> None:
            check(desk(monitor), at[0], trace)
            assert violations(monitor) == []

        plays = {name: play(act) for name, act in actors.items()}
        return explore(self.dsn, setup, plays, checked, always=kept, **options)


def kept(monitor: psycopg.Connection, trace: Trace) -> None:
    """What holds at every moment, for whoever reads what is committed."""
    for query in (I1.queries[0], I3.queries[0]):
        assert monitor.execute(query.replace("%%", "%").encode()).fetchall() == []
