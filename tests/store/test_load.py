"""What dashboards ask costs little, however much has been done and however much waits."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.insights.load import Load
from core.queues import LIGHT
from core.tasks import Completed, Payload
from infrastructure.database import Database, sql
from infrastructure.load import COUNTED, PostgresScales
from tests.store.desk import PostgresDesk
from tests.store.sample_jobs import Fan, Line
from tests.store.test_sql import fill, nodes, on_tasks
from tests.support.services import fresh_database

TASKS = 100_000


@pytest.fixture(scope="module")
def full(postgres_server, postgres_admin) -> Iterator[Database]:
    """100,000 tasks, half of them due, behind the connections that the product makes."""
    with fresh_database(postgres_server, postgres_admin) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            fill(conn, tasks=TASKS)
            conn.execute("vacuum (freeze, analyze)")
        database = Database(dsn).open()
        yield database
        database.close()


def explained(database: Database, name: str) -> list[dict[str, Any]]:
    text = sql(name).decode().replace("%%", "%")
    with database.transaction() as conn:
        row = conn.execute(f"explain (analyze, buffers, format json) {text}".encode()).fetchone()
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes(found[0]["Plan"]))


def loaded(desk: PostgresDesk) -> Load:
    return PostgresScales(desk.pool).measure()


def test_open_tasks_are_told_by_queue_job_type_and_state(postgres_desk: PostgresDesk) -> None:
    desk = postgres_desk
    desk.submit(Fan(n=5))
    desk.plan()
    desk.claim(LIGHT, 2)
    desk.submit(Line())
    told = {(t.queue, t.job_type, t.state): t.tasks for t in loaded(desk).tasks}
    assert told == {
        ("tasks-light", "fan", "due"): 3,
        ("tasks-light", "fan", "processing"): 2,
        ("tasks-light", "line", "due"): 1,
    }
    ages = {t.state: t.oldest_seconds for t in loaded(desk).tasks if t.job_type == "fan"}
    assert ages["processing"] is None
    assert 0 <= ages["due"] < 60


def test_jobs_workers_and_messages_are_counted(postgres_desk: PostgresDesk) -> None:
    desk = postgres_desk
    desk.submit(Line())
    desk.store.quarantine("jobs", "m1", b"??", "not a task message")
    desk.conn.execute(
        "insert into outbox (queue, run_id, stage, idx, attempt, at)"
        " values ('jobs', 1, 0, 0, 0, now() - interval '30 seconds')"
    )
    desk.new_worker()
    desk.conn.execute("update sessions set seen = now() - interval '1 hour' where host = 'there'")
    load = loaded(desk)
    desk.conn.execute("truncate outbox")
    assert load.jobs == {"queued": 1, "processing": 0, "paused": 0}
    assert [(w.role, w.online, w.silent) for w in load.workers] == [("test", 1, 1)]
    assert (load.messages.outbox, load.messages.quarantined) == (1, 1)
    assert 29 < (load.messages.outbox_oldest or 0) < 90


def test_a_long_outbox_is_counted_to_a_limit(postgres_desk: PostgresDesk) -> None:
    desk = postgres_desk
    desk.conn.execute(
        "insert into outbox (queue, run_id, stage, idx, attempt)"
        " select 'jobs', 1, 0, n, 0 from generate_series(1, %s) n",
        [COUNTED + 500],
    )
    counted = loaded(desk).messages.outbox
    desk.conn.execute("truncate outbox")
    assert counted == COUNTED


def test_an_answer_serves_for_some_seconds(
    postgres_desk: PostgresDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.load.FRESH", 600.0)
    desk = postgres_desk
    scales = PostgresScales(desk.pool)
    assert scales.load().tasks == []
    desk.submit(Line())
    assert scales.load().tasks == []
    assert len(scales.measure().tasks) == 1


def test_due_tasks_are_counted_in_their_index_alone(full: Database) -> None:
    """A million due tasks are a million entries of an index, not a million rows."""
    scans = on_tasks(explained(full, "insights/measure_tasks"))
    assert {scan["Node Type"] for scan in scans} <= {"Index Only Scan", "Index Scan"}
    (due,) = [scan for scan in scans if scan.get("Index Name") == "tasks_due"]
    assert (due["Node Type"], due["Heap Fetches"]) == ("Index Only Scan", 0)


def test_finished_tasks_cost_nothing(full: Database) -> None:
    with full.transaction() as conn:
        conn.execute("update app.tasks set status = 'completed' where status <> 'completed'")
    with psycopg.connect(full.dsn, autocommit=True) as conn:
        conn.execute("vacuum (freeze, analyze) app.tasks")
    scans = on_tasks(explained(full, "insights/measure_tasks"))
    assert {scan["Node Type"] for scan in scans} <= {"Index Only Scan", "Index Scan"}
    assert sum(scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] for scan in scans) < 20


def test_a_close_tells_how_long_its_last_task_has_been_over(postgres_desk: PostgresDesk) -> None:
    desk = postgres_desk
    run = desk.submit(Line()).run
    claim = desk.one()
    desk.settle(Completed(Payload(b"1")), claim)
    desk.advance(7)
    with desk.store.closing(run, 0) as closing:
        assert closing is not None
        assert 7 <= closing.idle < 20
    desk.machine.repair_stages()
