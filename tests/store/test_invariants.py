"""The invariant checker: silent about a database that has lived, and loud about every kind of corruption."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from benchmarks.invariants import INVARIANTS, look, main, violations
from core.queues import LIGHT
from core.tasks import Again
from infrastructure.database import Database
from tests.store.desk import BROKEN, PostgresDesk
from tests.store.sample_jobs import Chain, Choosy, Diamond, Fan, Gated, Hasty, Line, Tolerant, Wide
from tests.support.services import fresh_database


@pytest.fixture(scope="module")
def lived(postgres_server, postgres_admin) -> Iterator[tuple[str, psycopg.Connection]]:
    """A database with jobs of every kind in every state, made by the machine itself."""
    with fresh_database(postgres_server, postgres_admin) as dsn:
        pool = Database(dsn, size=4).open()
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("set search_path = app")
            live(PostgresDesk(pool, conn))
            yield dsn, conn
        pool.close()


def live(desk: PostgresDesk) -> None:
    steer(desk)
    for job in (Fan(n=4), Chain(n=3), Choosy(), Choosy(wanted=True), Tolerant(n=4), Gated()):
        desk.submit(job)
    desk.work()
    desk.submit(Line(label="fails"))
    desk.fail(desk.one())
    desk.submit(Line(label="fails"))
    desk.complete(desk.one())
    desk.submit(Hasty())
    desk.settle(Again(timedelta(hours=1), BROKEN, counted=True), *desk.claim(LIGHT))
    desk.submit(Fan(n=5, label="runs"))
    desk.plan()
    desk.complete(*desk.claim(limit=2))
    desk.claim(limit=2)
    desk.submit(Diamond())


def steer(desk: PostgresDesk) -> None:
    """A job that goes on from an earlier run, one that was cancelled, and one that is paused."""
    carried = desk.submit(Diamond(label="carried"))
    desk.complete(desk.one())
    left, right = desk.claim()
    desk.complete(left)
    desk.fail(right)
    desk.control.resubmit(carried.job_id, by="ada")
    desk.work()
    cancelled = desk.submit(Line(label="cancelled"))
    desk.control.cancel(cancelled.job_id, by="ada", reason="enough")
    paused = desk.submit(Wide(n=2))
    desk.plan()
    desk.control.pause(paused.job_id, by="ada")


def run_of(job_type: str) -> str:
    return f"(select max(run_id) from runs where job_type = '{job_type}')"


DONE = "(select run_id from runs where job_type = 'fan' and status = 'completed')"
RUNS = "(select run_id from runs where job_type = 'fan' and status = 'processing')"
FIRST = "(select min(run_id) from runs where job_type = 'diamond')"

CORRUPTIONS = [
    (
        "I1",
        f"update tasks set status = 'queued', finished_at = null where run_id = {DONE} and idx = 2",
    ),
    ("I1", f"insert into tasks (run_id, stage, idx, queue) values ({DONE}, 0, 99, 'tasks-light')"),
    (
        "I2",
        f"insert into events (job_id, number, run_id, what, stage) select job_id, 99, run_id, 'stage_closed', 0 from runs where run_id = {DONE}",
    ),
    ("I2", f"delete from events where run_id = {DONE} and what = 'stage_closed' and stage = 0"),
    (
        "I2",
        f"insert into events (job_id, number, run_id, what, stage) select job_id, 99, run_id, 'stage_opened', 1 from runs where run_id = {DONE}",
    ),
    (
        "I2",
        f"update events set number = -number where run_id = {DONE} and what = 'stage_opened' and stage = 1",
    ),
    (
        "I3",
        f"update stages set status = 'open', verdict = null where run_id = {DONE} and stage = 1",
    ),
    (
        "I3",
        f"update stages set status = 'closed', verdict = 'ok' where run_id = {RUNS} and stage = 0",
    ),
    ("I3", f"update runs set finished_at = null where run_id = {DONE}"),
    ("I3", f"update runs set finished_at = now() where run_id = {RUNS}"),
    (
        "I3",
        "update runs set status = 'processing', finished_at = null where job_type = 'line' and number = 1",
    ),
    (
        "I3",
        "update jobs j set run_id = r.run_id from runs r where r.job_type = 'line' and r.number = 1 and j.job_id = r.job_id",
    ),
    (
        "I4",
        "insert into events (job_id, number, run_id, what, stage, idx, attempt) select job_id, 98, run_id, what, stage, idx, attempt from events where what = 'task_failed' limit 1",
    ),
    (
        "I4",
        f"insert into events (job_id, number, run_id, what, stage, idx, attempt) select job_id, 99, run_id, 'task_lost', 0, 1, 1 from runs where run_id = {DONE}",
    ),
    ("I4", "delete from events where what = 'task_failed'"),
    ("I4", f"update tasks set failures = 2 where run_id = {run_of('hasty')}"),
    ("I5", f"delete from tasks where run_id = {DONE} and stage = 0 and idx = 3"),
    (
        "I5",
        f"insert into tasks (run_id, stage, idx, queue, status, finished_at) values ({DONE}, 0, 99, 'x', 'completed', now())",
    ),
    ("I5", f"update stages set total = total - 1 where run_id = {RUNS}"),
    ("I5", f"update stages set completed = completed + 1 where run_id = {DONE} and stage = 0"),
    ("I6", f"update tasks set session = null where run_id = {RUNS} and status = 'processing'"),
    ("I6", f"update tasks set deadline = null where run_id = {RUNS} and status = 'processing'"),
    (
        "I6",
        f"update tasks set deadline = now() - interval '1 hour' where run_id = {RUNS} and status = 'processing'",
    ),
    ("I6", "update sessions set seen = now() - interval '1 hour'"),
    (
        "I6",
        f"update tasks set started_at = now() - interval '1 hour', session = gen_random_uuid() where run_id = {RUNS} and status = 'processing'",
    ),
    (
        "I6",
        f"update tasks set session = gen_random_uuid() where run_id = {RUNS} and status = 'queued'",
    ),
    ("I6", f"update tasks set run_at = null where run_id = {run_of('gated')} and stage = 1"),
    ("I6", f"update tasks set run_at = now() - interval '1 hour' where run_id = {run_of('hasty')}"),
    (
        "I6",
        f"update tasks set published_at = now() - interval '1 hour' where run_id = {RUNS} and status = 'queued'",
    ),
    (
        "I6",
        f"update stages set opened_at = now() - interval '1 hour' where run_id = {RUNS}; delete from tasks where run_id = {RUNS}",
    ),
    ("I6", f"insert into tasks (run_id, stage, idx, queue) values ({DONE}, 1, 99, 'tasks-light')"),
    ("I6", f"update runs set status = 'processing' where run_id = {run_of('wide')}"),
    (
        "I6",
        f"update tasks set status = 'queued' where run_id = {run_of('wide')} and status = 'waiting'; update events set at = now() - interval '1 hour'",
    ),
    ("I7", f"delete from events where run_id = {DONE} and number = 3"),
    ("I7", f"update jobs set events = events + 1 where run_id = {DONE}"),
    ("I7", f"update events set number = number + 1000 where run_id = {DONE}"),
    ("I7", f"delete from jobs where run_id = {DONE}"),
    (
        "I10",
        f"update runs set key = 'k', terms = '{{\"at_most\": 0}}', status = 'processing', finished_at = null"
        f" where run_id = {RUNS}",
    ),
    ("I10", f"update runs set admitted = false where run_id = {RUNS}"),
    (
        "I10",
        "insert into events (job_id, number, run_id, what)"
        f" select job_id, 900 + n, run_id, 'job_admitted' from runs, generate_series(1, 2) n where run_id = {RUNS}",
    ),
    ("I9", f"update runs set status = 'failed' where run_id = {DONE}"),
    ("I9", f"update runs set status = 'processing', finished_at = null where run_id = {DONE}"),
    (
        "I9",
        f"insert into events (job_id, number, run_id, what) select job_id, 99, run_id, 'job_failed' from runs where run_id = {DONE}",
    ),
    (
        "I9",
        f"insert into events (job_id, number, run_id, what, stage) select job_id, 99, run_id, 'stage_opened', 0 from runs where run_id = {DONE}",
    ),
    ("I9", f"delete from events where run_id = {DONE} and what = 'job_completed'"),
    ("I9", "update tasks set status = 'completed' where status = 'failed'"),
    ("I9", f"update tasks set finished_at = null where run_id = {DONE}"),
    ("I9", f"update tasks set finished_at = now() where run_id = {RUNS} and status = 'queued'"),
    ("I9", f"update stages set status = 'cancelled' where run_id = {RUNS}"),
    ("I9", f"update stages set verdict = 'failed' where run_id = {FIRST} and stage = 0"),
]


def test_a_database_that_has_lived_holds_every_invariant(lived):
    dsn, _ = lived
    assert violations(dsn) == []


@pytest.mark.parametrize(("code", "corruption"), CORRUPTIONS)
def test_a_corruption_is_seen(lived, code, corruption):
    _, conn = lived
    with conn.transaction(force_rollback=True):
        for statement in corruption.split("; "):
            assert conn.execute(statement).rowcount > 0, "the corruption must hit something"
        assert look(conn)[code], corruption


def test_every_invariant_has_corruptions_that_show_it_works():
    assert {code for code, _ in CORRUPTIONS} == {invariant.code for invariant in INVARIANTS}


def test_every_query_has_a_corruption_that_it_sees(lived):
    """Else a query could be wrong and nobody would know."""
    _, conn = lived
    for invariant in INVARIANTS:
        silent = set(invariant.queries)
        for code, corruption in CORRUPTIONS:
            if code == invariant.code:
                silent -= seen(conn, corruption, silent)
        assert not silent


def seen(conn: psycopg.Connection, corruption: str, queries: set[str]) -> set[str]:
    with conn.transaction(force_rollback=True):
        for statement in corruption.split("; "):
            conn.execute(statement)
        return {q for q in queries if conn.execute(q.encode(), {"grace": 60}).fetchall()}


def test_what_is_merely_late_has_time_to_be_put_right(lived):
    _, conn = lived
    with conn.transaction(force_rollback=True):
        conn.execute("update sessions set seen = now() - interval '50 minutes'")
        assert look(conn, grace=3600)["I6"] == []
        assert len(look(conn, grace=2400)["I6"]) == 2


def test_the_command_tells_what_it_found(lived, capsys):
    dsn, _ = lived
    assert main([dsn, "--grace", "1000000"]) == 0
    told = capsys.readouterr().out
    for invariant in INVARIANTS:
        assert f"{invariant.code}       0 violations  {invariant.holds}" in told


def test_the_command_fails_when_an_invariant_does(database, capsys):
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "insert into app.jobs (job_id, job_type, run_id, events) values ('j', 'x', 1, 3)"
        )
    assert main([database]) == 1
    assert "job j has given 3 numbers, has 0 events" in capsys.readouterr().out
