"""How long the server works on each page, over a database of ten thousand jobs and a million events."""

from __future__ import annotations

import argparse
import http.client
import sys
import time
from contextlib import closing
from dataclasses import dataclass

import psycopg

from benchmarks.latency import answers, ms
from benchmarks.plan import Sizes
from benchmarks.rig import Rig, eventually, percentile, private_server, rig, wait_for_quiet
from benchmarks.table import Machine, Report, Row
from triggers.local import ports
from triggers.local.azurite import Azurite
from triggers.local.postgres import PostgresServer

HOLD = 0.050
WIDE = "md5('1') || md5('2')"
"""The id of the job with many tasks."""

FILL = """
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, parameters, error, created_at, started_at,
                      finished_at, swept)
select 1000 + n, md5(n::text) || md5((n + 1)::text), 'fan_out_probe', 1, gen_random_uuid(),
       case when n % 10 = 0 then 'failed' else 'completed' end,
       (select plan from app.runs where job_type = 'fan_out_probe' limit 1),
       jsonb_build_object('n', 3, 'label', 'bench-' || n, 'tags', array['one', 'two']),
       case when n % 10 = 0 then jsonb_build_object('type', 'BadInput', 'message', 'tile ' || n % 7 || ' is empty') end,
       at, at, at + interval '1 s', true
from (select n, clock_timestamp() - n * interval '1 min' as at from generate_series(1, {jobs}) n) made;
insert into app.jobs (job_id, job_type, run_id, events)
select job_id, job_type, run_id, {events} from app.runs where run_id > 1000;
insert into app.stages (run_id, stage, name, status, verdict, queue, total, completed, attempts, timeout, closed_at)
select run_id, s, 'stage_' || s, 'closed', 'ok', 'tasks-light', 3, 3, 3, interval '1 min', now()
from app.runs, generate_series(0, 1) s where run_id > 1000;
insert into app.events (job_id, number, run_id, at, what)
select job_id, n, run_id, created_at, 'stage_opened' from app.runs, generate_series(1, {events}) n where run_id > 1000;
insert into app.tasks (run_id, stage, idx, queue, status, attempt, started_at, finished_at, result, error)
select run_id, 0, t, 'tasks-light', case when status = 'failed' and t = 0 then 'failed' else 'completed' end, 1, started_at,
       started_at + interval '1 s', '1',
       case when status = 'failed' and t = 0 then jsonb_build_object('type', 'BadInput', 'message', 'tile is empty') end
from app.runs, generate_series(0, 2) t where run_id > 1001;
insert into app.tasks (run_id, stage, idx, queue, status, attempt, started_at, finished_at, result)
select 1001, 0, n, 'tasks-light', 'completed', 1, begun, begun + interval '2 s', '1'
from (select n, clock_timestamp() - interval '1 h' + n * (interval '55 min' / {tasks}) as begun
      from generate_series(0, {tasks} - 1) n) made;
"""


@dataclass(frozen=True, slots=True)
class Filling:
    """What stands in the database."""

    jobs: int = 10_000
    events: int = 100
    """Of each job."""
    tasks: int = 100_000
    """Of the widest job."""
    requests: int = 60

    @property
    def told(self) -> str:
        return f"{self.jobs:,} jobs, {self.jobs * self.events:,} events, one job of {self.tasks:,} tasks"


FEW = Filling(jobs=50, events=2, tasks=300, requests=3)


def pages(job_id: str) -> dict[str, str]:
    """Each page under a name for the table."""
    job = f"/jobs/{job_id}"
    return {
        "home": "/",
        "status": "/status",
        "jobs": "/jobs",
        "jobs that failed": "/jobs?status=failed",
        "jobs by text, many found": "/jobs?search=bench-99",
        "jobs by text, none found": "/jobs?search=nothing+is+called+so",
        "a job": job,
        "its tasks": f"{job}/tasks",
        "its events": f"{job}/events",
        "its logs": f"{job}/logs",
        "its timeline": f"{job}/timeline",
        "submit": "/submit",
        "a form": "/submit/process_raster",
        "storage": "/storage",
        "catalog": "/catalog",
        "fire": "/fire",
        "history of a day": "/history",
        "history of a month": "/history?span=30d",
        "operate": "/operate",
        "workers": "/operate/workers",
        "audit": "/operate/audit",
    }


def page_rows(made: Rig, filling: Filling) -> list[Row]:
    """One page after another, on a connection that is kept."""
    fill(made, filling)
    with Azurite(made.folder / "azurite") as storage:
        return measured(made, filling, storage.connection_string)


def measured(made: Rig, filling: Filling, storage: str) -> list[Row]:
    port = ports.free()
    made.worker(port=port, AZURE_STORAGE_CONNECTION_STRING=storage)
    job_id = made.rows(f"select {WIDE}")[0][0]
    rows: list[Row] = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        eventually(lambda: answers(connection), 60)
        for name, address in pages(job_id).items():
            first, *times = asked(connection, address, filling.requests)
            rows.append(judged(name, first, times))
    return rows


def fill(made: Rig, filling: Filling) -> None:
    """A job of the product leaves its plan; the rest is copied from it."""
    made.submit(1)
    counts = {"jobs": filling.jobs, "events": filling.events, "tasks": filling.tasks}
    with psycopg.connect(
        made.dsn, autocommit=True
    ) as conn:  # the product's own give up after a while
        for statement in FILL.format(**counts).split(";\n"):
            conn.execute(statement.encode())
        conn.execute("vacuum analyze")


def asked(connection: http.client.HTTPConnection, address: str, times: int) -> list[float]:
    taken: list[float] = []
    for _ in range(times + 1):
        began = time.perf_counter()
        connection.request("GET", address, headers={"Accept": "text/html"})
        response = connection.getresponse()
        response.read()
        taken.append(time.perf_counter() - began)
        if response.status != 200:
            raise RuntimeError(f"{address} was answered with {response.status}")
    return taken


def judged(name: str, first: float, times: list[float]) -> Row:
    late = percentile(times, 0.95)
    return Row(
        f"{name} p95",
        ms(late),
        f"p50 {ms(percentile(times, 0.5))}, first {ms(first)}",
        late / HOLD,
        f"< {ms(HOLD)}",
        late < HOLD,
    )


def measure(server: PostgresServer, filling: Filling) -> Report:
    others = wait_for_quiet(Sizes().quiet_wait)
    notes = [filling.told]
    notes += [f"Others used {others:.1f} cores when it began."] if others > 0.3 else []
    with rig(server) as made:
        machine = Machine.here(made.rows("show server_version")[0][0].split()[0])
        return Report(machine, page_rows(made, filling), notes, "make bench-pages")


def main(arguments: list[str] | None = None) -> int:
    """0 when every page is as quick as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fifty jobs, to see that all works")
    asked = parser.parse_args(arguments)
    with private_server() as server:
        report = measure(server, FEW if asked.quick else Filling())
    print(report.text())
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
