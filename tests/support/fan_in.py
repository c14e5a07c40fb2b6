"""Small models of fan-in, written as SQL scripts, and the experiments that tell right from wrong.

A script is a reason in its first line, the statements of a worker, and perhaps those of a sweeper.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.interleave import Exploration, Trace, explore

FOLDER = Path(__file__).parents[1] / "broken"
TABLES = (FOLDER / "schema" / "tables.sql").read_text()
RESET = """
DELETE FROM fan_in.stage; DELETE FROM fan_in.task;
DELETE FROM fan_in.execution; DELETE FROM fan_in.next_stage;
INSERT INTO fan_in.stage(remaining) VALUES (2); INSERT INTO fan_in.task(idx) VALUES (0), (1);
"""
STATE = """
SELECT (SELECT status FROM fan_in.stage) AS stage,
       (SELECT count(*) FROM fan_in.task WHERE status <> 'done') AS open,
       (SELECT count(*) FROM fan_in.next_stage) AS built,
       (SELECT count(*) - count(DISTINCT (idx, attempt)) FROM fan_in.execution) AS repeated
"""
ORDERS = 300
SAMPLE = 120


@dataclass(frozen=True)
class Script:
    """What a worker does with one message, statement by statement, and what the sweeper does."""

    name: str
    why: str
    worker: list[str]
    sweeper: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Script":
        why, text = path.read_text().split("\n-- worker\n")
        worker, _, sweeper = text.partition("-- sweeper\n")
        return cls(path.stem, why.removeprefix("-- "), statements(worker), statements(sweeper))


def statements(text: str) -> list[str]:
    return [statement for statement in text.split(";\n") if statement.strip()]


@dataclass(frozen=True)
class Delivery:
    """A message that arrives at a worker."""

    idx: int
    attempt: int = 0


def race(dsn: str, script: Script) -> Exploration:
    """Two workers finish the two last tasks, in every order, or in many."""
    return deliver(dsn, script, {"one": Delivery(0), "two": Delivery(1)}, ORDERS)


def redelivery(dsn: str, script: Script) -> Exploration:
    """One message arrives twice, beside the other task's."""
    messages = {"one": Delivery(0), "one again": Delivery(0), "two": Delivery(1)}
    return deliver(dsn, script, messages, SAMPLE)


def deliver(dsn: str, script: Script, messages: Mapping[str, Delivery], limit: int) -> Exploration:
    actors = {name: worker(script, name, message) for name, message in messages.items()}
    return explore(dsn, reset, actors, finished, always=consistent, limit=limit)


def crash(dsn: str, script: Script) -> int:
    """A worker dies after each of its statements, as the first and as the last of two."""
    moments = range(len(script.worker) + 1)
    with psycopg.connect(dsn) as conn:
        for after in moments:
            for dies_first in (True, False):
                reset(conn)
                crash_once(conn, script, after, dies_first=dies_first)
                finished(conn, Trace([f"the worker died after statement {after}"]))
    return 2 * len(moments)


def crash_once(conn: psycopg.Connection, script: Script, after: int, *, dies_first: bool) -> None:
    lives = list(worker_statements(script, "alive", Delivery(0)))
    dies = list(worker_statements(script, "dying", Delivery(1)))[:after]
    for part in (dies, lives) if dies_first else (lives, dies):
        run(conn, part)
        consistent(conn, Trace())
    recover(conn, script)


def recover(conn: psycopg.Connection, script: Script) -> None:
    """What comes after a death: the sweeper, the messages of open tasks, the sweeper."""
    sweep = [(statement, {}) for statement in script.sweeper]
    run(conn, sweep)
    left = conn.execute("SELECT idx, attempt FROM fan_in.task WHERE status = 'queued'").fetchall()
    for idx, attempt in left:
        run(conn, worker_statements(script, "heir", Delivery(idx, attempt)))
    run(conn, sweep)


def worker(script: Script, name: str, message: Delivery):
    def play(conn: psycopg.Connection) -> Iterator[None]:
        for number, (statement, values) in enumerate(worker_statements(script, name, message)):
            if number:
                yield
            conn.execute(statement, values)

    return play


def worker_statements(
    script: Script, name: str, message: Delivery
) -> Iterator[tuple[str, dict[str, object]]]:
    values = {"idx": message.idx, "attempt": message.attempt, "worker": name}
    return ((statement, values) for statement in script.worker)


def run(conn: psycopg.Connection, steps) -> None:
    """As a session of its own: what it has not committed is gone at the end."""
    for statement, values in steps:
        conn.execute(statement, values)
    conn.rollback()
    conn.execute("SELECT pg_advisory_unlock_all()")
    conn.rollback()


def reset(conn: psycopg.Connection) -> None:
    conn.execute(RESET)
    conn.commit()


def consistent(conn: psycopg.Connection, _: Trace) -> None:
    """What holds at every moment."""
    stage, still_open, built, repeated = state(conn)
    assert not (stage == "closed" and still_open), "the stage closed early"
    assert built <= 1, "the next stage was built twice"
    assert not repeated, "an attempt ran twice"


def finished(conn: psycopg.Connection, trace: Trace) -> None:
    """What holds at the end."""
    assert not trace.errors, f"a worker failed: {trace.errors}"
    consistent(conn, trace)
    stage, still_open, built, _ = state(conn)
    assert stage == "closed", f"the stage never closed, {still_open} tasks are open\n{trace}"
    assert built == 1, f"the next stage was never built\n{trace}"


def state(conn: psycopg.Connection) -> tuple[str, int, int, int]:
    row = conn.execute(STATE).fetchone()
    conn.commit()
    assert row is not None
    return row
