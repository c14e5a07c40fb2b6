"""What pages ask costs what they show, however much has ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infrastructure.database import sql
from tests.store.test_sql import nodes
from tests.support.services import fresh_database

RUNS = 30_000
WIDE = 20_000
NOW = datetime.now(UTC)
ANY = {
    "before": None,
    "limit": 51,
    "status": None,
    "job_type": None,
    "created_after": None,
    "created_before": None,
    "prefix": None,
}
SPANNED = {"homes": [7], "begin": NOW - timedelta(hours=1), "end": NOW}
STATUSES = ["processing", "queued", "paused", "failed", "completed", "completed_with_errors"]
ASKED: list[tuple[str, dict[str, Any], int]] = [
    ("insights/list_newest", {"statuses": STATUSES, "limit": 5}, 500),
    ("insights/list_jobs", ANY, 500),
    ("insights/list_jobs", {**ANY, "status": "failed"}, 2_000),
    ("insights/list_jobs", {**ANY, "job_type": "type-3"}, 2_000),
    ("insights/search_jobs", {**ANY, "text": "no such text"}, 20_500),
    ("insights/search_jobs", {**ANY, "text": "area"}, 10_500),
    ("insights/list_gates", {"limit": 200}, 500),
    ("insights/count_ended", {"minutes": 60}, 500),
    ("insights/get_latest", {}, 10),
    ("insights/list_hands", {"job_ids": ["job-1", "job-30000"]}, 200),
    ("insights/count_history", {"seconds": 7 * 86_400, "slice": 21_600, "limit": 50_000}, 12_000),
    ("insights/measure_durations", {"seconds": 7 * 86_400, "limit": 50_000}, 12_000),
    ("insights/rank_failures", {"seconds": 7 * 86_400, "limit": 10_000}, 1_100),
    ("insights/count_spans", {**SPANNED, "slices": 120, "seconds": 30.0}, WIDE + 100),
    ("insights/list_bars", {**SPANNED, "limit": 200}, WIDE + 100),
]
"""Statements, what they are given, and how many rows of any table they may read."""
LARGE = ("jobs", "runs", "stages", "tasks", "events")

FILL = f"""
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, parameters, created_at, finished_at, swept)
select n, 'job-' || n, 'type-' || n % 20, 1, gen_random_uuid(), case when n % 10 = 0 then 'failed' else 'completed' end, '[]',
       jsonb_build_object('area', n), now() - ({RUNS} - n) * interval '1 min', now() - ({RUNS} - n) * interval '1 min', true
from generate_series(1, {RUNS}) n;
insert into app.runs (run_id, job_id, job_type, number, request, status, plan)
select {RUNS} + n, 'job-' || {RUNS} + n, 'type-1', 1, gen_random_uuid(), 'processing', '[]' from generate_series(1, 20) n;
insert into app.jobs (job_id, job_type, run_id) select job_id, job_type, run_id from app.runs;
insert into app.stages (run_id, stage, name, status, verdict, queue, total, attempts, timeout)
select run_id, 0, 'echo', case when finished_at is null then 'open' else 'closed' end,
       case when finished_at is not null then 'ok' end, 'tasks-light', 1, 3, interval '10 minutes' from app.runs;
insert into app.tasks (run_id, stage, idx, queue, status, attempt, started_at, finished_at)
select run_id, 0, 0, 'tasks-light', 'completed', 1, finished_at, finished_at from app.runs where finished_at is not null and run_id <> 7;
insert into app.tasks (run_id, stage, idx, queue, status, attempt, started_at, finished_at)
select 7, 0, n, 'tasks-light', 'completed', 1, now() - interval '30 min', now() - interval '29 min' from generate_series(1, {WIDE}) n;
insert into app.tasks (run_id, stage, idx, queue, status, run_at)
select {RUNS} + n, 0, 0, 'tasks-light', 'waiting', 'infinity' from generate_series(1, 10) n;
update app.tasks set status = 'failed', error = '{{"type": "BadInput", "message": "tile 7 is empty"}}'
where run_id > 7 and run_id % 10 = 0 and status = 'completed';
insert into app.events (job_id, number, run_id, at, what)
select job_id, 1, run_id, created_at, 'submitted' from app.runs;
"""


@pytest.fixture(scope="module")
def counted(postgres_server, postgres_admin) -> Iterator[psycopg.Connection]:
    """30,000 runs that have ended, one of them of 20,000 tasks, and 20 that run."""
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        conn.execute(FILL)
        conn.execute("analyze")
        yield conn


def read(conn: psycopg.Connection, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The scans of large tables as they were executed; planned anew, as the reader does."""
    with conn.transaction(force_rollback=True), psycopg.ClientCursor(conn) as cursor:
        cursor.execute(b"explain (analyze, format json) " + sql(name), values)
        found = nodes(cursor.fetchone()[0][0]["Plan"])
    return [node for node in found if node.get("Relation Name") in LARGE and node["Actual Loops"]]


@pytest.mark.parametrize(("name", "values", "most"), ASKED)
def test_a_page_reads_few_rows_and_those_by_index(counted, name, values, most):
    scans = read(counted, name, values)
    assert scans
    for scan in scans:
        table = scan["Relation Name"]
        assert scan["Node Type"] != "Seq Scan", f"{name} reads all of {table}: {scan}"
        rows = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        assert rows * scan["Actual Loops"] <= most, f"{name} reads {rows} rows of {table}: {scan}"
