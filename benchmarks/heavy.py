"""What a process of its own costs a heavy task, beside the same tasks in the worker's own process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from benchmarks.heavy_jobs.tiny import Tiny
from benchmarks.plan import Sizes
from benchmarks.rig import Rig
from benchmarks.table import Row
from core.execution import Apart
from core.executor import Executor
from core.queues import QueueName
from triggers import wiring
from triggers.heavy.executor import HeavyExecutor
from triggers.heavy.nursery import Nursery
from triggers.heavy.scratch import Scratch

JOBS = "jobs,benchmarks.heavy_jobs"
OVERHEAD = 10.0
"""Milliseconds that a process may cost a task. Real ones take seconds."""


def heavy_rows(rig: Rig, sizes: Sizes) -> list[Row]:
    given = rig.settings.model_copy(update={"jobs": JOBS})
    services = wiring.build(given, "bench-heavy")
    scratch = Scratch.take()
    made: list[HeavyExecutor] = []

    def apart(inner: Executor) -> Apart:
        nursery = Nursery(JOBS, scratch.folder)
        made.append(HeavyExecutor(inner, given, 1, scratch, nursery))
        return made[-1]

    try:
        with _working(services, None):
            here = _per_task(rig, services, sizes.heavy_tasks)
        with _working(services, apart):
            first = _per_task(rig, services, 1)
            there = _per_task(rig, services, sizes.heavy_tasks)
            (process,) = made[0]._idle
            shares = [_own(process.pid), _own(_parent(process.pid))]
    finally:
        scratch.close()
        services.close()
    return _rows(here, there, first, shares, sizes.heavy_tasks)


def _rows(here: float, there: float, first: float, shares: list[float], n: int) -> list[Row]:
    return [
        Row(
            f"a no-op heavy task in a process of its own, {n} of them",
            f"{1000 * there:.1f} ms",
            f"in the worker's own process {1000 * here:.1f} ms",
            there / here,
            f"<= {OVERHEAD:.0f} ms more",
            1000 * (there - here) <= OVERHEAD,
        ),
        Row(
            "the first heavy task, with every job module imported",
            f"{first:.2f} s",
            f"the next ones {1000 * there:.1f} ms",
        ),
        Row(
            "memory of a process for heavy tasks, its own share",
            f"{shares[0]:.0f} MB",
            f"the nursery, which holds what is shared, {shares[1]:.0f} MB",
        ),
    ]


@contextmanager
def _working(
    services: wiring.Services, apart: Callable[[Executor], Apart] | None
) -> Iterator[None]:
    slots = {QueueName.JOBS: 1, QueueName.LIGHT: 1, QueueName.HEAVY: 1}
    process = wiring.worker_process(services, "bench", slots, apart)
    process.start()
    try:
        yield
    finally:
        process.drain(5)


def _per_task(rig: Rig, services: wiring.Services, n: int) -> float:
    """Seconds from the first claim to the last end, by the database's clock, over the number of tasks."""
    began = time.perf_counter()
    run = services.machine.submit(Tiny(n=n, label=uuid4().hex)).run.run
    rig.wait(run)
    if n == 1:
        return time.perf_counter() - began
    query = (
        "select extract(epoch from max(finished_at) - min(started_at))::float8 from app.tasks"
        " where run_id = %s and queue = 'tasks-heavy'"
    )
    return rig.rows(query, run)[0][0] / n


def _own(pid: int) -> float:
    """MB of the process, with what it shares divided among those that share it."""
    found = re.search(
        r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
    )
    return int(found[1]) / 1024 if found else 0.0


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
