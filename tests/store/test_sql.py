"""Every statement fits the schema and is used; the hot ones find their rows by index, whatever the statistics say."""

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure import migrations
from infrastructure.database import sql
from tests.support.services import fresh_database

CODE = Path(migrations.__file__).parent
STATEMENTS = sorted(
    str(path.relative_to(CODE / "sql").with_suffix(""))
    for path in (CODE / "sql").rglob("*.sql")
    if path.parent.name != "migrations"
)
PLACEHOLDER = re.compile(r"%\((\w+)\)[sbt]")
SESSION = UUID(int=7)
TASKS = 200_000
WIDTH = 10_000
RUN, STAGE = 7, 0

KEY = {"run_id": RUN, "stage": STAGE, "idx": 5_000}
KEYS = {
    "run": [RUN] * 20,
    "stage": [STAGE] * 20,
    "idx": list(range(5_000, 5_020)),
    "attempt": [1] * 20,
}
SETTLED = {
    **KEYS,
    "session": SESSION,
    "published": False,
    "status": ["completed"] * 20,
    "counted": [0] * 20,
    "delay": [None] * 20,
    "result": ["1"] * 20,
    "ref": [None] * 20,
    "error": [None] * 20,
}
WHOLE_KEY = {"run_id", "stage", "idx"}

HOT: dict[str, dict[str, Any]] = {
    "tasks/claim_due": {"queue": "tasks-light", "session": SESSION, "limit": 500},
    "tasks/claim_named": {**KEYS, "session": SESSION},
    "tasks/settle_tasks": SETTLED,
    "tasks/renew_task": {**KEY, "attempt": 1, "session": SESSION, "progress": 0.5, "note": ""},
    "tasks/give_back": {**KEYS, "session": SESSION, "published": False, "older": 0},
    "tasks/hold_planning": {**KEY, "attempt": 1, "session": SESSION},
    "tasks/list_results": {"run_id": RUN, "stage": STAGE, "after": 2_000, "limit": 500},
    "tasks/drop_queued": {"run_id": RUN, "stage": STAGE, "limit": 500},
    "control/hold_tasks": {"run_id": RUN, "limit": 500},
    "control/release_tasks": {"run_id": RUN, "limit": 500, "published": False},
    "tasks/refuse_claims": KEYS,
    "stages/is_done": {"run_id": RUN, "stage": STAGE, "near": [3, 4]},
    "stages/get_closable": {"run_id": RUN, "stage": STAGE},
    "workers/list_held": {"session": SESSION},
    "repair/wake_tasks": {"chunk": 500, "published": False},
    "repair/republish_tasks": {"lost_after": 60, "chunk": 500},
}
BY_KEY = (
    "tasks/claim_due",
    "tasks/claim_named",
    "tasks/settle_tasks",
    "tasks/renew_task",
    "tasks/give_back",
    "tasks/hold_planning",
)
MODES = ["force_custom_plan", "auto"]
"""How a statement is planned the first time, and how after it has been prepared for a while."""

FILL = """
insert into app.runs (run_id, job_id, job_type, number, request, status, plan)
select n, 'job-' || n, 'wide', 1, gen_random_uuid(), 'processing', '[]' from generate_series(1, {runs}) n;
insert into app.jobs (job_id, job_type, run_id) select job_id, job_type, run_id from app.runs;
insert into app.stages (run_id, stage, name, status, queue, total, attempts, timeout)
select run_id, 0, 'echo', 'open', 'tasks-light', {width}, 3, interval '10 minutes' from app.runs;
insert into app.tasks (run_id, stage, idx, queue, attempt, status, session, result)
select n / {width} + 1, 0, n % {width}, 'tasks-light', 1,
       case when n % {width} < {done} then 'completed'
            when n % {width} < {done} + 100 then 'processing' else 'queued' end,
       case when n % {width} between {done} and {done} + 99 then '{session}'::uuid end, '1'
from generate_series(0, {tasks} - 1) n;
"""


def fill(conn: psycopg.Connection, tasks: int = TASKS, width: int = WIDTH) -> None:
    runs, done = tasks // width, width // 2
    conn.execute(FILL.format(runs=runs, tasks=tasks, width=width, done=done, session=SESSION))


@pytest.fixture(scope="module")
def wide(postgres_server, postgres_admin) -> Iterator[psycopg.Connection]:
    """200,000 tasks of twenty runs, half of them done, with fresh statistics."""
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        fill(conn)
        conn.execute("analyze")
        yield conn


@pytest.fixture(scope="module")
def stale(postgres_server, postgres_admin) -> Iterator[psycopg.Connection]:
    """100,000 tasks in one stage of a table that was almost empty when it was last analysed."""
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        conn.execute("alter table app.tasks set (autovacuum_enabled = false)")
        conn.execute("alter table app.stages set (autovacuum_enabled = false)")
        fill(conn, tasks=10, width=1)
        conn.execute("analyze")
        conn.execute("delete from app.tasks; delete from app.stages")
        conn.execute("delete from app.runs; delete from app.jobs")
        fill(conn, tasks=100_000, width=100_000)
        conn.execute("update app.stages set run_id = %s", [RUN])
        conn.execute("update app.tasks set run_id = %s", [RUN])
        yield conn


def numbered(name: str) -> tuple[str, list[str]]:
    """The statement with $1, $2, ... and the names they stand for."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return PLACEHOLDER.sub(number, sql(name).decode()).replace("%%", "%"), names


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def plan(conn: psycopg.Connection, name: str, mode: str) -> list[dict[str, Any]]:
    """The nodes of the plan that a prepared statement has settled for."""
    text, names = numbered(name)
    values = HOT[name]
    with conn.transaction(force_rollback=True):
        conn.execute(f"set local plan_cache_mode = {mode}")
        conn.execute(f"prepare hot as {text}")
        types = conn.execute(
            "select parameter_types::text[] from pg_prepared_statements where name = 'hot'"
        ).fetchone()[0]
        given = ", ".join(f"%s::{kind}" for kind in types)
        call = f"execute hot({given})" if types else "execute hot"
        with psycopg.ClientCursor(conn) as cursor:
            for _ in range(8):
                cursor.execute(f"explain (format json) {call}", [values[n] for n in names])
            found = list(nodes(cursor.fetchone()[0][0]["Plan"]))
        conn.execute("deallocate hot")
    return found


def on_tasks(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        node
        for node in found
        if node.get("Relation Name") == "tasks" and "Scan" in node["Node Type"]
    ]


def check_indexed(found: list[dict[str, Any]], name: str) -> None:
    scans = on_tasks(found)
    assert scans
    for scan in scans:
        assert scan["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"), (
            f"{name}: {scan['Node Type']} on tasks"
        )


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_can_be_prepared_against_the_schema(empty, name):
    """R51, R54, R58, R164: also with an empty search path, as every connection of ours has."""
    text, _ = numbered(name)
    with empty.transaction(force_rollback=True):
        empty.execute("set local search_path = pg_catalog")
        empty.execute(f"prepare fits as {text}")
        empty.execute("deallocate fits")


def test_every_statement_is_one_statement():
    for name in STATEMENTS:
        text = re.sub(r"--.*", "", sql(name).decode())
        assert ";" not in text, f"{name} ends, or goes on, with a semicolon"


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_used(name):
    code = "\n".join(path.read_text() for path in CODE.rglob("*.py"))
    assert f'"{name}"' in code, f"nobody uses sql/{name}.sql; delete it"


def test_every_statement_that_is_named_exists():
    code = "\n".join(path.read_text() for path in CODE.rglob("*.py"))
    areas = "|".join(sorted({name.split("/")[0] for name in STATEMENTS}))
    named = set(re.findall(rf'"((?:{areas})/\w+)"', code))
    assert named <= set(STATEMENTS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_finds_its_tasks_by_index(wide, name, mode):
    check_indexed(plan(wide, name, mode), name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_finds_its_tasks_by_index_when_statistics_are_stale(stale, name, mode):
    """Fault 22: a hundred thousand rows since the last ANALYZE, and no autovacuum."""
    check_indexed(plan(stale, name, mode), name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tables", ["wide", "stale"])
@pytest.mark.parametrize("name", BY_KEY)
def test_a_named_task_is_reached_by_its_whole_key(request, name, tables, mode):
    """Fault 22: an index that knows only part of the key would read a whole stage for each task."""
    found = plan(request.getfixturevalue(tables), name, mode)
    conditions = [node["Index Cond"] for node in found if node.get("Index Name") == "tasks_pkey"]
    assert conditions, {node.get("Index Name") for node in on_tasks(found)}
    for condition in conditions:
        assert all(column in condition for column in WHOLE_KEY), condition


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tables", ["wide", "stale"])
def test_the_next_due_tasks_are_read_in_order_and_not_sorted(request, tables, mode):
    """Claiming from a long queue costs what is claimed, not what waits."""
    found = plan(request.getfixturevalue(tables), "tasks/claim_due", mode)
    assert "tasks_due" in {node.get("Index Name") for node in found}
    line = next(n for n in found if n.get("Index Name") == "tasks_due")
    assert line["Node Type"] == "Index Scan"


@pytest.mark.parametrize("tables", ["wide", "stale"])
def test_the_probe_reads_the_index_of_open_tasks(request, tables):
    found = plan(request.getfixturevalue(tables), "stages/is_done", "auto")
    assert {node["Index Name"] for node in found if "Index Name" in node} == {"tasks_open"}


@pytest.mark.alone
def test_the_probe_is_quick_after_a_hundred_thousand_changes_nobody_counted(stale):
    """Fault 22, Hatchet#5005: under 50 ms, with every version of every row still there."""
    with stale.transaction(force_rollback=True):
        stale.execute("update app.tasks set status = 'completed' where status = 'queued'")
        stale.execute("update app.tasks set status = 'completed' where idx < 50099")
        taken = [seconds(stale, "stages/is_done") for _ in range(7)]
        assert stale.execute(*bound("stages/is_done")).fetchone() == (False,)
        stale.execute("update app.tasks set status = 'completed' where status = 'processing'")
        taken += [seconds(stale, "stages/is_done") for _ in range(7)]
        assert stale.execute(*bound("stages/is_done")).fetchone() == (True,)
    assert statistics.median(taken) < 0.05, taken


def bound(name: str) -> tuple[bytes, dict[str, Any]]:
    return sql(name), HOT[name]


def seconds(conn: psycopg.Connection, name: str) -> float:
    began = time.perf_counter()
    conn.execute(*bound(name))
    return time.perf_counter() - began
