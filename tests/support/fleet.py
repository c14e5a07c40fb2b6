"""Real worker processes against one database, to be killed, stopped and started again.

    with Fleet(dsn, tmp_path) as fleet:
        run = fleet.submit(Relay())
        doomed = fleet.start(crash="claim.after:3")
        assert doomed.died() == -signal.SIGKILL
        fleet.start()
        assert fleet.ended(run).result == ...

A worker is `triggers.worker.main` in a process forked from a server that has imported it already: starting one takes
0.05 seconds instead of 1.3. `program=True` runs `python -m triggers.worker` from the beginning.
"""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

import psycopg

import infrastructure.database
from core import crashpoints
from core.control.desk import Control
from core.job import JobBase
from core.machine import CoreMachine
from core.ports import Submission
from core.registry import discover
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.database import Database
from infrastructure.store import PostgresStore
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
JOBS = "tests.support.fault_jobs"
ALL_QUEUES = "jobs,tasks-light,tasks-heavy"
AZURITE_DEFAULT = "UseDevelopmentStorage=true"
LEASE = 60
"""Seconds. No living worker is silent for as long, however busy the machine; see `Worker.expire` for the dead."""
QUICK: dict[str, object] = {
    "CM_JOBS": JOBS,
    "CM_HEARTBEAT_SECONDS": 0.5,
    "CM_DEAD_AFTER_SECONDS": LEASE,
    "CM_LOST_AFTER_SECONDS": 1.5,
    "CM_RECONCILE_SECONDS": 0.2,
    "CM_GRACE_SECONDS": 60,
    "CM_POOL_SIZE": 6,
    "CM_LOG_LEVEL": "INFO",
}
"""Settings under which what is found to be wrong is repaired at once."""

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["triggers.worker", "infrastructure.service_bus.queue", __name__])
_exit_codes = threading.Lock()
"""Starting a process asks all others whether they have ended, and a process says its exit code only once."""


class Process(Protocol):
    """What a worker process must offer, however it was started."""

    pid: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int | None: ...


class Forked:
    """A process of the fork server, with the manners of subprocess.Popen."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._process = _forking.Process(target=target, args=arguments)
        with _exit_codes:
            self._process.start()
        self.pid = self._process.pid
        self._code: int | None = None

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while self._ended() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self._code

    def _ended(self) -> int | None:
        with _exit_codes:
            if self._code is None and (code := self._process.exitcode) is not None:
                self._code = code
                self._process.close()  # a long run has more processes than files may be open
            return self._code


@dataclass(frozen=True)
class Ended:
    """What came of a run."""

    status: str
    result: Any
    error: dict[str, Any] | None


class Worker:
    """One worker process and its log."""

    def __init__(self, process: Process, log: Path, fleet: "Fleet") -> None:
        self.process = process
        self.log = log
        self.fleet = fleet

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def serves(self) -> bool:
        """Whether it has said that it begins to work."""
        return self.log.exists() and "serving queues" in self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.end()
        self.expire()

    def end(self) -> None:
        """Kill it when all is over: nobody is left to wait for its lease."""
        self._signal(signal.SIGKILL)
        self.process.wait(120)

    def expire(self) -> None:
        """Its lease is over, so that nobody waits for that. In a fleet with a lease of its own it runs out by itself."""
        if self.fleet.settings["CM_DEAD_AFTER_SECONDS"] == LEASE:
            silent = "update app.sessions set seen = seen - make_interval(secs => %s) where pid = %s returning 1"
            self.fleet.ask(silent, 2 * LEASE, self.pid)

    def freeze(self) -> None:
        """Stop it for as long as its lease lasts, and longer."""
        self._signal(signal.SIGSTOP)
        eventually(lambda: self.frozen)
        self.expire()

    @property
    def frozen(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def died(self, timeout: float = 120) -> int:
        """Its exit code, negative for a signal, as soon as it has ended by itself."""
        code = self.process.wait(timeout)
        assert code is not None, f"still alive after {timeout} seconds\n{self.told()}"
        if code:
            self.expire()
        return code

    def told(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: int) -> None:
        if self.alive:
            self._send(number)

    def _send(self, number: int) -> None:
        if isinstance(self.process, subprocess.Popen):
            os.killpg(self.pid, number)  # what it runs under may have started it as a child
        else:
            os.kill(self.pid, number)


class Fleet:
    """The workers of one database, and the client that submits jobs to them."""

    def __init__(
        self,
        dsn: str,
        logs: Path,
        *,
        bus: str | None = None,
        storage: str = AZURITE_DEFAULT,
        **settings: object,
    ) -> None:
        self.dsn = dsn
        self.logs = logs
        self.settings = {
            **QUICK,
            "DATABASE_URL": dsn,
            "AZURE_STORAGE_CONNECTION_STRING": storage,
            **({"SERVICEBUS_CONNECTION_STRING": bus} if bus else {}),
            **settings,
        }
        self.workers: list[Worker] = []
        self._database = Database(dsn, size=4, name="fleet")
        store = PostgresStore(self._database, outbox=bus is not None)
        registry = discover(import_module(str(self.settings["CM_JOBS"])))
        self.machine = CoreMachine(registry, store, AzureBlobs(storage))
        self.control = Control(self.machine)

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._database.open()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()
        self._database.close()

    def story(self) -> str:
        """What every worker said last."""
        return "\n".join(
            f"--- worker {worker.pid}, exit code {worker.process.poll()}\n{worker.told()}"
            for worker in self.workers
        )

    # workers

    def start(
        self,
        *,
        crash: str = "",
        queues: str = ALL_QUEUES,
        idle: str = "30s",
        program: bool = False,
        under: Sequence[str] = (),
        options: Sequence[str] = (),
        **settings: object,
    ) -> Worker:
        """Start a worker. `idle` replaces how long the server suffers a connection idle in a transaction."""
        environment, log = self._environment(**settings, CM_CRASH=crash), self._new_log()
        arguments = ["--queues", queues, *options]
        worker = Worker(
            _spawned(environment, log, [*under], arguments)
            if program or under
            else Forked(_work, environment, str(log), arguments, idle),
            log,
            self,
        )
        self.workers.append(worker)
        return worker

    @contextmanager
    def tended(self, count: int, **settings: object) -> Iterator["Tending"]:
        """Keep so many workers alive: one that dies is replaced at once."""
        tending = Tending(self, count, settings)
        tending.start()
        try:
            yield tending
        finally:
            tending.stop()

    # the client

    def submit(self, job: JobBase, *, force: bool = False) -> int:
        """Submit a job; the number of its run."""
        return self.submission(job, force=force).run.run

    def submission(self, job: JobBase, *, force: bool = False) -> Submission:
        return self.machine.submit(job, force=force)

    def submitter(self, job: JobBase, crash: str) -> Worker:
        """Submit a job from a process that dies on the way."""
        log = self._new_log()
        process = Forked(_submit, self._environment(CM_CRASH=crash), str(log), job)
        self.workers.append(Worker(process, log, self))
        return self.workers[-1]

    def doing(self, act: Callable[[Any], object], crash: str) -> Worker:
        """Do something with the services of a process that dies on the way."""
        log = self._new_log()
        process = Forked(_do, self._environment(CM_CRASH=crash), str(log), act)
        self.workers.append(Worker(process, log, self))
        return self.workers[-1]

    def operator(self, verb: str, job_id: str, crash: str, **told: Any) -> Worker:
        """Do something to a job from a process that dies on the way."""
        log = self._new_log()
        environment = self._environment(CM_CRASH=crash)
        process = Forked(_operate, environment, str(log), verb, job_id, told)
        self.workers.append(Worker(process, log, self))
        return self.workers[-1]

    def survey(self, job: JobBase, **settings: object) -> Counter[str]:
        """How often one worker, running this job alone, comes by each crash point."""
        found = self.logs / "points.json"
        log = self._new_log()
        run = self.submit(job)
        self.workers.append(
            Worker(Forked(_survey, self._environment(**settings), str(log), str(found)), log, self)
        )
        self.ended(run)
        self.workers[-1].terminate()
        assert self.workers[-1].died() == 0
        return Counter(json.loads(found.read_text()))

    def _environment(self, **settings: object) -> dict[str, str]:
        return {name: str(value) for name, value in {**self.settings, **settings}.items()}

    def _new_log(self) -> Path:
        log = self.logs / f"worker-{len(self.workers)}.log"
        log.touch()
        return log

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database, read on a connection of its own."""
        with psycopg.connect(self.dsn, autocommit=True, connect_timeout=30) as conn:
            return conn.execute(statement, values).fetchall()

    def ended(self, run: int, timeout: float = 240) -> Ended:
        """What came of a run, once it is final."""

        def final() -> Ended | None:
            row = self.ask(
                "select status, result, error from app.runs where run_id = %s and finished_at is not null",
                run,
            )
            return Ended(*row[0]) if row else None

        try:
            return eventually(final, timeout)
        except AssertionError:
            raise AssertionError(f"run {run} did not end: {self.portrait(run)}") from None

    def portrait(self, run: int) -> str:
        """How far a run is, for the message of a failed test."""
        tasks = self.ask(
            "select stage, status, count(*), max(attempt), max(lost) from app.tasks where run_id = %s group by 1, 2 order by 1, 2",
            run,
        )
        stages = self.ask("select stage, status from app.stages where run_id = %s order by 1", run)
        return json.dumps({"stages": stages, "tasks": tasks})

    def swept(self, run: int) -> None:
        """Wait until nothing of an ended run is open any more."""
        eventually(lambda: self.ask("select from app.runs where run_id = %s and swept", run))


class Tending:
    """Replaces workers that died. `deaths` counts them by exit code."""

    def __init__(self, fleet: Fleet, count: int, settings: dict[str, Any]) -> None:
        self.fleet = fleet
        self.settings = settings
        self.deaths: list[int] = []
        self.current = [fleet.start(**settings) for _ in range(count)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="tending", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(120)

    def _tend(self) -> None:
        while not self._stop.wait(0.05):
            for place, worker in enumerate(self.current):
                if not worker.alive:
                    self.deaths.append(worker.died())
                    self.current[place] = self.fleet.start(**self.settings)


def _spawned(
    environment: dict[str, str], log: Path, under: Sequence[str], arguments: Sequence[str]
) -> "subprocess.Popen[bytes]":
    command = [*under, sys.executable, "-m", "triggers.worker", *arguments]
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def _begin(environment: dict[str, str], log: str) -> None:
    """Make the forked process what a started one would be."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(environment: dict[str, str], log: str, arguments: list[str], idle: str) -> None:
    _begin(environment, log)
    infrastructure.database.OPTIONS = infrastructure.database.OPTIONS.replace(
        "idle_in_transaction_session_timeout=30s", f"idle_in_transaction_session_timeout={idle}"
    )
    from triggers.worker import main  # noqa: PLC0415 - imported by the fork server, not by tests

    sys.exit(main(arguments))


def _survey(environment: dict[str, str], log: str, found: str) -> None:
    """Work with every point armed for a passing that never comes."""
    far = 10**9
    for point in crashpoints.POINTS:
        crashpoints.arm(f"{point}:{far}")
    try:
        _work(environment, log, ["--queues", ALL_QUEUES], "30s")
    finally:
        passed = {name: far - left for name, (left, _) in crashpoints._armed.items()}
        Path(found).write_text(json.dumps(passed))


def _submit(environment: dict[str, str], log: str, job: JobBase) -> None:
    _begin(environment, log)
    from triggers import wiring  # noqa: PLC0415 - imported by the fork server, not by tests

    wiring.build(wiring.settings()).machine.submit(job)


def _do(environment: dict[str, str], log: str, act: Callable[[Any], object]) -> None:
    _begin(environment, log)
    from triggers import wiring  # noqa: PLC0415 - imported by the fork server, not by tests

    act(wiring.build(wiring.settings()))


def _operate(
    environment: dict[str, str], log: str, verb: str, job_id: str, told: dict[str, Any]
) -> None:
    _begin(environment, log)
    from core.control.desk import Control  # noqa: PLC0415 - imported by the fork server, not by tests
    from core.upkeep.removal import Removal  # noqa: PLC0415
    from triggers import wiring  # noqa: PLC0415

    machine = wiring.build(wiring.settings()).machine
    does = Removal(machine) if verb == "delete" else Control(machine)
    getattr(does, verb)(job_id, by="an operator", **told)


def pause(seconds: float) -> None:
    """Let time pass where passing time is what is tested: a lease, a lock, an outage."""
    time.sleep(seconds)
