"""What is asked every second costs what waits and runs, not what has ended, whatever the statistics say."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.store.test_sql import MODES, nodes, numbered
from tests.support.services import fresh_database

ENDED = 100_000
SCOPE = {"run": 0, "key": "", "job_type": "", "ended": 0, "everything": True}
ROUNDS: dict[str, dict[str, Any]] = {
    "admission/next_waiting": SCOPE,
    "admission/list_doomed": {**SCOPE, "limit": 500},
    "admission/list_overdue_runs": {"limit": 500},
    "admission/list_overdue_stages": {"limit": 500},
    "schedules/list_waiting": {"schedule_id": 7, "limit": 100},
}
"""What a reconciler or a scheduler asks with every round."""
ENDS: dict[str, dict[str, Any]] = {
    "admission/find_freed": {"run_id": 77},
    "admission/next_waiting": {**SCOPE, "everything": False, "key": "line-7", "ended": 77},
    "admission/list_doomed": {**SCOPE, "everything": False, "ended": 77, "limit": 500},
}
"""What is asked whenever a run ends."""
LARGE = ("runs", "stages", "dependencies", "schedule_ticks")

FILL = """
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, key, terms, finished_at, swept, deadline)
select n, 'job-' || n, 'type-' || n % 20, 1, gen_random_uuid(), 'completed', '[]', 'line-' || n % 50,
       '{"at_most": 1}', now(), true, now()
from generate_series(1, :ended) n;
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, key, terms, admitted)
select :ended + n, 'job-' || :ended + n, 'type-' || n % 20, 1, gen_random_uuid(), 'queued', '[]', 'line-' || n % 50,
       '{"at_most": 1}', false
from generate_series(1, 200) n;
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, key, terms, deadline)
select :ended + n, 'job-' || :ended + n, 'type-' || n % 20, 1, gen_random_uuid(), 'processing', '[]', 'line-' || n % 50,
       '{"at_most": 1}', now() + interval '1 hour'
from generate_series(201, 220) n;
insert into app.jobs (job_id, job_type, run_id) select job_id, job_type, run_id from app.runs;
insert into app.stages (run_id, stage, name, status, verdict, queue, total, attempts, timeout, deadline)
select run_id, 0, 'echo', 'closed', 'ok', 'tasks-light', 1, 3, interval '10 minutes', now()
from app.runs where finished_at is not null;
insert into app.stages (run_id, stage, name, status, queue, total, attempts, timeout, deadline)
select run_id, 0, 'echo', 'open', 'tasks-light', 1, 3, interval '10 minutes', now() + interval '1 hour'
from app.runs where admitted and finished_at is null;
insert into app.dependencies (run_id, on_run, on_job, needs_success)
select n, n - 1, 'job-' || n - 1, true from generate_series(2, :ended + 150) n;
insert into app.schedule_ticks (schedule_id, tick, outcome)
select n % 20, now() - n * interval '1 minute', 'submitted' from generate_series(1, :ended) n;
insert into app.schedule_ticks (schedule_id, tick, outcome)
select n % 20, now() + n * interval '1 minute', 'waiting' from generate_series(1, 40) n;
"""


def fill(conn: psycopg.Connection, ended: int) -> None:
    conn.execute(FILL.replace(":ended", str(ended)))


def emptied(conn: psycopg.Connection) -> None:
    conn.execute("delete from app.runs; delete from app.jobs; delete from app.stages")
    conn.execute("delete from app.dependencies; delete from app.schedule_ticks")


@pytest.fixture(scope="module")
def busy(postgres_server, postgres_admin) -> Iterator[psycopg.Connection]:
    """100,000 runs that have ended, 200 that wait, 20 that run, with fresh statistics."""
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        fill(conn, ENDED)
        conn.execute("analyze")
        yield conn


@pytest.fixture(scope="module")
def uncounted(postgres_server, postgres_admin) -> Iterator[psycopg.Connection]:
    """The same in tables that were almost empty when they were last analysed."""
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        for table in LARGE:
            conn.execute(f"alter table app.{table} set (autovacuum_enabled = false)")
        fill(conn, 10)
        conn.execute("analyze")
        emptied(conn)
        fill(conn, ENDED)
        yield conn


def plan(
    conn: psycopg.Connection, name: str, values: dict[str, Any], mode: str
) -> list[dict[str, Any]]:
    """The nodes of the plan as it was executed, with what each has read."""
    text, names = numbered(name)
    with conn.transaction(force_rollback=True):
        conn.execute(f"set local plan_cache_mode = {mode}")
        conn.execute(f"prepare asked as {text}")
        types = conn.execute(
            "select parameter_types::text[] from pg_prepared_statements where name = 'asked'"
        ).fetchone()[0]
        given = ", ".join(f"%s::{kind}" for kind in types)
        with psycopg.ClientCursor(conn) as cursor:
            for _ in range(8):
                cursor.execute(
                    f"explain (analyze, format json) execute asked({given})",
                    [values[each] for each in names],
                )
            found = list(nodes(cursor.fetchone()[0][0]["Plan"]))
        conn.execute("deallocate asked")
    return found


def check(found: list[dict[str, Any]], name: str) -> None:
    scans = [n for n in found if n.get("Relation Name") in LARGE and n["Actual Loops"]]
    for scan in scans:
        table = scan["Relation Name"]
        assert scan["Node Type"] != "Seq Scan", f"{name} reads all of {table}"
        read = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        assert read * scan["Actual Loops"] < 2_000, f"{name} reads {read} rows of {table}: {scan}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tables", ["busy", "uncounted"])
@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_reads_none_of_what_has_ended(request, name, tables, mode):
    """Fault 22."""
    check(plan(request.getfixturevalue(tables), name, ROUNDS[name], mode), name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tables", ["busy", "uncounted"])
@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_a_run_asks_for_those_who_wait_by_index(request, name, tables, mode):
    check(plan(request.getfixturevalue(tables), name, ENDS[name], mode), name)
