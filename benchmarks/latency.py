"""How soon: a stage closes after its last task, a submission is answered."""

from __future__ import annotations

import http.client
import json
import time
from uuid import uuid4

from benchmarks.limit import commit_seconds
from benchmarks.plan import Sizes
from benchmarks.rig import Rig, eventually, percentile
from benchmarks.table import Row
from triggers.local import ports

CLOSE, FORGOTTEN, SUBMIT_P50, SUBMIT_P99 = 0.250, 2.0, 0.010, 0.050

CLOSINGS = """
select extract(epoch from s.closed_at - t.last)::float8
from app.stages s
cross join lateral (
    select max(finished_at) as last from app.tasks t where t.run_id = s.run_id and t.stage = s.stage
) t
where s.run_id = any(%s) and s.closed_at is not null and t.last is not null
"""


def close_rows(rig: Rig, sizes: Sizes) -> list[Row]:
    """Many small stages: the time between a stage's last finished task and its own end."""
    for _ in range(2):
        rig.worker()
    rig.seconds(10)
    runs = [rig.submit(10) for _ in range(sizes.small_jobs)]
    for run in runs:
        rig.wait(run)
    waits = closings(rig, runs)
    commits = commit_seconds(rig.dsn)
    rows = [
        compared(
            f"stage close after the last commit p50 ({len(waits)} stages)", 0.5, waits, commits
        ),
        compared("stage close after the last commit p99", 0.99, waits, commits, CLOSE),
    ]
    rig.stop_workers()
    return [*rows, killed_closer_row(rig, sizes)]


def closings(rig: Rig, runs: list[int]) -> list[float]:
    return [seconds for (seconds,) in rig.rows(CLOSINGS, runs)]


def compared(
    what: str, share: float, mine: list[float], commits: list[float], hold: float | None = None
) -> Row:
    ours, bare = percentile(mine, share), percentile(commits, share)
    return Row(
        what,
        ms(ours),
        f"one bare commit {ms(bare)}",
        ours / bare,
        "" if hold is None else f"< {hold * 1000:.0f} ms",
        None if hold is None else ours < hold,
    )


def killed_closer_row(rig: Rig, sizes: Sizes) -> Row:
    """The worker dies between the commit of a stage's last task and the close; somebody else's repair finds it."""
    rig.worker(queues="")  # claims nothing: it only repairs
    waits = [forgotten_close(rig) for _ in range(sizes.killed_closers)]
    worst = max(waits)
    return Row(
        f"stage close when the closer is killed, worst of {len(waits)}",
        ms(worst),
        "the reconciler's period 1,000.0 ms",
        worst / rig.settings.reconcile_seconds,
        f"< {FORGOTTEN:.0f} s",
        worst < FORGOTTEN,
    )


def forgotten_close(rig: Rig) -> float:
    """Seconds from the last task's end to the close, done by another process."""
    # The first close follows the planning of the stage, the second one its only task.
    rig.worker(CM_CRASH="close.before:2")
    victim = rig.workers.pop()
    run = rig.submit(1)
    victim.wait(30)
    closed = "select from app.stages where run_id = %s and stage = 0 and status = 'closed'"
    eventually(lambda: rig.rows(closed, run), 30)
    seconds = closings(rig, [run])[0]
    rig.services.machine.drop_queued(run)  # nobody is left to run the rest; let the run end
    ended = "select from app.runs where run_id = %s and finished_at is not null"
    eventually(lambda: rig.rows(ended, run), 30)
    return seconds


def submit_rows(rig: Rig, sizes: Sizes) -> list[Row]:
    """One request after another, each another job, on a connection that is kept."""
    port = ports.free()
    rig.worker(port=port)
    times = submissions(port, sizes.submissions)
    commits = commit_seconds(rig.dsn)
    return [
        compared("submit over HTTP p50", 0.5, times, commits, SUBMIT_P50),
        compared("submit over HTTP p99", 0.99, times, commits, SUBMIT_P99),
    ]


def submissions(port: int, count: int) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    eventually(lambda: answers(connection), 60)
    times: list[float] = []
    for n in range(count + 10):
        body = json.dumps({"n": 1, "label": uuid4().hex})
        began = time.perf_counter()
        connection.request(
            "POST", "/api/jobs/submit/fan_out_probe", body, {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        response.read()
        if n >= 10:  # the first ones warm the connection pool and the web app
            times.append(time.perf_counter() - began)
        if response.status != 202:
            raise RuntimeError(f"a submission was answered with {response.status}")
    return times


def answers(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/api/livez")
        return connection.getresponse().read() is not None
    except (ConnectionError, http.client.HTTPException):
        connection.close()
        return False


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
