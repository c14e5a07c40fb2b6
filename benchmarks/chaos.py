"""A crash run: `python -m benchmarks.chaos --seconds 300 [--seed N] [--queue postgres|service-bus]`.

Workers are killed, PostgreSQL crashes, messages are lost and repeated while jobs keep coming, and operators cancel, pause,
resume, resubmit, replay and retry them. Afterwards every job must be final with the right result, and no invariant
broken; the exit code says whether that is so.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.table import Table

from benchmarks.invariants import violations
from benchmarks.operators import Operator
from benchmarks.rig import private_server
from benchmarks.storm import AT_ONCE, Storm, Submitter
from infrastructure.migrations import migrate
from tests.support.fleet import Fleet, Tending
from tests.support.service_bus import Emulator, service_bus_emulator
from triggers.local.postgres import PostgresServer

WORKERS = 4
PATIENCE = 120.0
"""Seconds that jobs may take to end once the storm is over."""
LONGEST = 4.0
"""How many times its length a storm may last until enough has gone wrong: on a slow machine harm is rare too."""
SETTLED_WITHIN = 20.0
"""Seconds after the last job's end within which nothing at all may be left to do."""
MESSAGE_FAULTS = {"lose": 0.05, "duplicate": 0.2, "delay": 0.1, "delay_seconds": 3.0, "shuffle": 20}
SETTINGS: dict[str, object] = {
    "CM_JOBS": "benchmarks.chaos_jobs",
    "CM_HEARTBEAT_SECONDS": 0.5,
    "CM_DEAD_AFTER_SECONDS": 2,
    "CM_LOST_AFTER_SECONDS": 3,
    "CM_RECONCILE_SECONDS": 0.5,
    "CM_POOL_SIZE": 6,
}


@dataclass
class Report:
    """What came of the run."""

    queue: str
    seed: int
    numbers: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.wrong


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)  # that the database is down now and then is no news
    console = Console()
    queues = ["postgres", "service-bus"] if asked.queue == "both" else [asked.queue]
    seed = random.randrange(10**6) if asked.seed is None else asked.seed  # noqa: S311 - printed, not secret
    reports = [run(queue, asked.seconds / len(queues), seed, console) for queue in queues]
    return 0 if all(report.ok for report in reports) else 1


def run(queue: str, seconds: float, seed: int, console: Console) -> Report:
    """One crash run, shown while it lasts."""
    console.print(f"chaos on {queue} for {seconds:.0f} s, seed {seed}")
    report, dice = Report(queue, seed), random.Random(seed)  # noqa: S311 - repeatable on purpose
    with ExitStack() as stack:
        server = stack.enter_context(private_server())
        bus = (
            stack.enter_context(service_bus_emulator(seed=seed, lock_seconds=5))
            if queue == "service-bus"
            else None
        )
        fleet = stack.enter_context(_fleet(server, bus))
        status = stack.enter_context(console.status("starting"))
        _run(report, fleet, server, bus, seconds, dice, status)
    console.print(_table(report))
    for line in report.wrong[:20]:
        console.print(line, style="red", markup=False)
    return report


def _run(
    report: Report,
    fleet: Fleet,
    server: PostgresServer,
    bus: Emulator | None,
    seconds: float,
    dice: random.Random,
    status: Status,
) -> None:
    storm = Storm(dice)
    submitter = Submitter(fleet, dice, storm.toll)
    operator = Operator(fleet, random.Random(dice.random()), submitter)  # noqa: S311 - repeatable on purpose
    with fleet.tended(WORKERS) as tending:
        _gather(storm, submitter, operator, tending, server, seconds)
        if bus is not None:
            bus.faults(**MESSAGE_FAULTS)
        storm.begin()
        _watch(status, storm, submitter, bus, seconds)
        storm.end()
        if bus is not None:
            report.numbers.update(bus.harm())
            bus.faults()
        _let_everything_end(status, submitter, operator)
        report.wrong = [*submitter.wrong, *_wrong_results(fleet, submitter), *_left_broken(fleet)]
    report.numbers = {
        **_counted(fleet),
        **vars(storm.toll),
        **report.numbers,
        **{f"operators: {what}": count for what, count in sorted(operator.pressed.items())},
        **_repaired(fleet),
    }
    report.numbers["violations and wrong results"] = len(report.wrong)


def _gather(
    storm: Storm,
    submitter: Submitter,
    operator: Operator,
    tending: Tending,
    server: PostgresServer,
    seconds: float,
) -> None:
    storm.every(0.2, 1.0, lambda: storm.kill_one(tending))
    storm.every(min(30, seconds / 4), min(60, seconds / 2), lambda: storm.crash(server))
    for _ in range(2):
        storm.every(0.02, 0.2, submitter.act)
        storm.every(0.02, 0.2, operator.act)


@contextmanager
def _fleet(server: PostgresServer, bus: Emulator | None) -> Iterator[Fleet]:
    server.create_database("chaos")
    migrate(server.dsn("chaos"))
    with tempfile.TemporaryDirectory(prefix="coremachine-chaos-") as logs:
        address = None if bus is None else bus.connection_string
        with Fleet(server.dsn("chaos"), Path(logs), bus=address, **SETTINGS) as fleet:
            yield fleet


def _watch(
    status: Status, storm: Storm, submitter: Submitter, bus: Emulator | None, seconds: float
) -> None:
    """Until the time is over and the storm did what it came for."""
    began = time.monotonic()
    while (past := time.monotonic() - began) < seconds * LONGEST and not storm.failed:
        if past >= seconds and _enough(storm, submitter, bus, seconds):
            return
        status.update(
            f"{past:.0f} of {seconds:.0f} s · {len(submitter.jobs)} jobs · {storm.toll.kills} kills · "
            f"{storm.toll.restarts} database crashes"
        )
        time.sleep(0.25)


def _enough(storm: Storm, submitter: Submitter, bus: Emulator | None, seconds: float) -> bool:
    harm = {} if bus is None else bus.harm()
    return (
        storm.toll.kills >= seconds / 4
        and storm.toll.restarts >= 1
        and len(submitter.jobs) >= AT_ONCE
        and all(harm.values())
    )


def _let_everything_end(status: Status, submitter: Submitter, operator: Operator) -> None:
    """Wait until no job is under way, but not for ever: what is still open then is reported as wrong."""
    end = time.monotonic() + PATIENCE
    while (left := operator.clear_up() + submitter.under_way()) and time.monotonic() < end:
        status.update(f"the storm is over · {left} jobs still under way")
        time.sleep(0.2)


def _wrong_results(fleet: Fleet, submitter: Submitter) -> list[str]:
    """Jobs that are missing, not final, or ended otherwise than they should."""
    ended = {
        job_id: (status, result)
        for job_id, status, result in fleet.ask(
            "select r.job_id, r.status, r.result from app.jobs j join app.runs r using (run_id)"
        )
    }
    return [
        f"{job!r}: expected {job.expected}, found {ended.get(job_id)}"
        for job_id, job in submitter.jobs.items()
        if ended.get(job_id) != job.expected
    ]


def _left_broken(fleet: Fleet) -> list[str]:
    end = time.monotonic() + SETTLED_WITHIN
    while (broken := violations(fleet.dsn, grace=0)) and time.monotonic() < end:
        time.sleep(0.5)
    return broken


def _counted(fleet: Fleet) -> dict[str, object]:
    ((jobs, tasks, claims),) = fleet.ask(
        "select (select count(*) from app.runs), count(*) filter (where attempt > 0),"
        " sum(attempt) from app.tasks"
    )
    ((retries,),) = fleet.ask("select count(*) from app.events where what = 'task_retried'")
    extra = (claims - tasks - retries) / max(tasks, 1)
    return {
        "jobs": jobs,
        "tasks": tasks,
        "retries asked for": retries,
        "extra executions": f"{extra:.1%}",
    }


def _repaired(fleet: Fleet) -> dict[str, int]:
    """What reconcilers said they put right, from the workers' logs."""
    found: Counter[str] = Counter()
    for worker in fleet.workers:
        text = worker.log.read_text(errors="replace")
        for line in re.findall(r"repaired: Repairs\((.*?)\)", text):
            found.update({f"repaired: {k}": int(n) for k, n in re.findall(r"(\w+)=(\d+)", line)})
    return {name: count for name, count in found.items() if count}


def _table(report: Report) -> Table:
    verdict = "held" if report.ok else "BROKEN"
    table = Table(title=f"chaos on {report.queue}, seed {report.seed}: {verdict}")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, number in report.numbers.items():
        table.add_row(name, f"{number:,}" if isinstance(number, int) else str(number))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long the storm lasts (300)")
    parser.add_argument("--seed", type=int, help="repeat the luck of an earlier run")
    parser.add_argument(
        "--queue",
        choices=["postgres", "service-bus", "both"],
        default="both",
        help="(both, half the time each)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
