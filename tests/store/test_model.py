"""Both stores live through the same random history, in lockstep, and must agree about everything."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from benchmarks.invariants import look
from core import Decision
from core.errors import JobStillRunning
from core.queues import LIGHT, QueueName
from core.states import JobStatus
from core.tasks import PLAN, Again, Claim, Failed, Outcome, Released, TaskKey, Wakeup
from tests.store.desk import BROKEN, Desk, MemoryDesk, PostgresDesk, given
from tests.store.sample_jobs import Chain, Choosy, Diamond, Fan, Gated, Line, Tolerant

JOBS = [
    Line(),
    Fan(n=0),
    Fan(n=3),
    Tolerant(n=4),
    Chain(n=2),
    Diamond(),
    Choosy(),
    Choosy(wanted=True),
    Gated(),
]
DEAD_AFTER = 300.0
# However they add up, far from 150 s (a retry), 300 s (a dead worker) and 600 s (a task that hangs): what the
# servers' own clocks add decides nothing.
STEPS = (110, 420)
RETRY = Again(timedelta(seconds=150), BROKEN, counted=True)
PATIENT = Again(timedelta(seconds=150), BROKEN, counted=False)
ENDINGS = [given(1), given(1), given(1), Failed(BROKEN), RETRY, PATIENT, Released()]
WORKERS = 3
TASK_ID = re.compile(r'"(\d+)-(\d+-\w+)"')

TRACELESS = "case when error is null then null else error - 'trace' end"
RUNS = (
    "select run_id, job_type, number, status, coalesce(result, to_jsonb(result_ref)),"
    f" {TRACELESS}, swept from runs order by run_id"
)
STAGES = "select run_id, stage, status, total, verdict from stages order by 1, 2"
TASKS = (
    "select run_id, stage, idx, status, attempt, failures, lost, session is not null,"
    f" run_at is not null, coalesce(result, to_jsonb(result_ref)), {TRACELESS}"
    " from tasks order by 1, 2, 3"
)
EVENTS = (
    "select run_id, number, what, stage, idx, attempt, data from events order by job_id, number"
)


class Lockstep(RuleBasedStateMachine):
    """Every rule does one thing to both stores, and compares what they say to it."""

    def __init__(self, postgres: PostgresDesk) -> None:
        super().__init__()
        self.desks: list[Desk] = [MemoryDesk(), postgres]
        self.workers = [[desk.new_worker() for _ in range(WORKERS)] for desk in self.desks]
        self.claims: list[tuple[list[Claim], int]] = []
        """Every claim there ever was, in both stores, and whose: most of them are stale."""

    def both(self, act: Callable[[Desk, int], Any]) -> Any:
        memory, postgres = (act(desk, n) for n, desk in enumerate(self.desks))
        assert memory == postgres
        return postgres

    def runs(self, n: int) -> list[int]:
        desk = self.desks[n]
        if isinstance(desk, MemoryDesk):
            return sorted(desk.store.books.runs)
        return [row[0] for row in desk.conn.execute("select run_id from runs order by 1")]

    def session(self, n: int, worker: int):
        return self.workers[n][worker].session

    def keep(self, claims: list[list[Claim]], worker: int) -> None:
        for pair in zip(*claims, strict=True):
            self.claims.append((list(pair), worker))

    # what can happen

    @rule(job=st.sampled_from(JOBS), force=st.booleans())
    def submit(self, job, force):
        def act(desk: Desk, n: int):
            try:
                return desk.machine.submit(job, force=force).is_new
            except JobStillRunning:
                return "refused"

        self.both(act)

    @rule(
        queue=st.sampled_from([LIGHT, QueueName.JOBS]),
        limit=st.integers(1, 4),
        worker=st.integers(0, WORKERS - 1),
    )
    def claim(self, queue, limit, worker):
        claimed = [
            desk.claim(queue, limit, self.session(n, worker)) for n, desk in enumerate(self.desks)
        ]
        self.keep(claimed, worker)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0), late=st.integers(-1, 1), worker=st.integers(0, WORKERS - 1))
    def deliver(self, which, late, worker):
        """A message comes: for a due attempt, or once more, or for one that is long over."""
        pair, _ = self.claims[-1 - which % len(self.claims)]
        claimed = [
            desk.store.claim_named(
                [Wakeup(pair[n].key, max(0, pair[n].attempt + late))], self.session(n, worker)
            )
            for n, desk in enumerate(self.desks)
        ]
        self.keep(claimed, worker)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0), ending=st.sampled_from(ENDINGS), dies=st.booleans())
    def end(self, which, ending, dies):
        """A worker ends an attempt, perhaps one it no longer owns, and perhaps dies before it looks around."""
        pair, worker = self.claims[-1 - which % len(self.claims)]

        def act(desk: Desk, n: int) -> Any:
            runner, claim = desk.new_runner(self.session(n, worker)), pair[n]
            if claim.key.idx == PLAN:
                return runner.run([claim], patience=float("inf"))
            if dies:
                return len(desk.settle(ending, claim, session=self.session(n, worker)))
            return runner.settle([Outcome(claim, ending)])

        self.both(act)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0))
    def give_back(self, which):
        pair, worker = self.claims[-1 - which % len(self.claims)]
        self.both(
            lambda desk, n: desk.store.give_back(
                self.session(n, worker), [(pair[n].key, pair[n].attempt)]
            )
        )

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0), approved=st.booleans())
    def decide(self, which, approved):
        pair, _ = self.claims[-1 - which % len(self.claims)]
        decision = Decision(approved=approved, by="ada")
        self.both(lambda desk, n: desk.store.decide_gate(pair[n].key, decision))

    @rule(which=st.integers(0), sweeps=st.booleans())
    def cancel(self, which, sweeps):
        def act(desk: Desk, n: int):
            runs = self.runs(n)
            if not runs or desk.store.run(runs[which % len(runs)]).status.is_final:
                return
            with desk.store.turn(runs[which % len(runs)]) as turn:
                turn.finish(JobStatus.CANCELLED)
            if sweeps:
                desk.machine.sweep(runs[which % len(runs)])

        self.both(act)

    @rule(worker=st.integers(0, WORKERS - 1))
    def beat(self, worker):
        self.both(lambda desk, n: len(desk.store.heartbeat(self.workers[n][worker])))

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds):
        self.both(lambda desk, n: desk.advance(seconds))

    @rule()
    def repair(self):
        def act(desk: Desk, n: int):
            repairs = desk.repair(dead_after=DEAD_AFTER)
            return (repairs.requeued, repairs.failed, repairs.woken, repairs.republished)

        self.both(act)

    @rule()
    def reconcile(self):
        self.both(lambda desk, n: desk.machine.repair_stages())

    # what must be so, always

    @invariant()
    def the_stores_agree(self):
        memory, postgres = map(seen, self.desks)
        for part, there in postgres.items():
            assert memory[part] == there, part

    def teardown(self):
        """Whatever has happened, a worker and a reconciler bring every job to its end."""
        for n, desk in enumerate(self.desks):
            self.bring_home(desk, n)
        self.the_stores_agree()
        with self.desks[1].conn.transaction():
            broken = {code: lines for code, lines in look(self.desks[1].conn, 1e9).items() if lines}
        assert broken == {}

    def bring_home(self, desk: Desk, n: int) -> None:
        for _ in range(60):
            if all(desk.store.run(run).status.is_final for run in self.runs(n)):
                break
            desk.advance(420)
            desk.store.heartbeat(desk.worker)
            desk.repair(dead_after=DEAD_AFTER)
            desk.machine.repair_stages()
            desk.work()
            for run in self.runs(n):
                desk.store.decide_gate(TaskKey(run, 1, 0), Decision(approved=True, by="ada"))
        desk.machine.repair_stages()
        assert all(desk.store.run(run).status.is_final for run in self.runs(n))
        assert desk.store.unswept(10) == desk.store.forgotten(10) == []


def seen(desk: Desk) -> dict[str, str]:
    """Everything a store holds, with runs by their order instead of their numbers."""
    tables = in_memory(desk) if isinstance(desk, MemoryDesk) else in_tables(desk)
    place = {row[0]: n for n, row in enumerate(tables["runs"])}
    # A batch may write its events in any order.
    tables["events"].sort(key=lambda row: (place[row[0]], json.dumps(row[2:], sort_keys=True)))
    renumbered = {
        part: [[place[row[0]], *row[1:]] for row in rows] for part, rows in tables.items()
    }
    text = {part: json.dumps(rows, sort_keys=True) for part, rows in renumbered.items()}
    return {
        part: TASK_ID.sub(lambda m: f'"{place.get(int(m[1]), m[1])}-{m[2]}"', rows)
        for part, rows in text.items()
    }


def in_tables(desk: PostgresDesk) -> dict[str, list[Any]]:
    queries = {"runs": RUNS, "stages": STAGES, "tasks": TASKS, "events": EVENTS}
    tables = {part: list(desk.conn.execute(query)) for part, query in queries.items()}
    return {**tables, "events": numberless(tables["events"])}


def in_memory(desk: MemoryDesk) -> dict[str, list[Any]]:
    books = desk.store.books
    told = [
        (e.run, e.number, e.event.what, e.event.stage, e.event.idx, e.event.attempt, e.event.data)
        for job_id in sorted(books.events)
        for e in desk.store.events(job_id)
    ]
    runs = [
        (
            run.row.run,
            run.row.job_type,
            run.row.number,
            run.row.status,
            *desk.finished(run.row.run)[1:2],
            traceless(run.error),
            run.swept,
        )
        for run in (books.runs[n] for n in sorted(books.runs))
    ]
    stages = [
        (run, row.stage, row.status, row.total, row.verdict)
        for run in sorted(books.stages)
        for _, row in sorted(books.stages[run].items())
    ]
    tasks = [in_one_row(desk, task.key, task.lost) for task in books.all_tasks()]
    return {"runs": runs, "stages": stages, "tasks": tasks, "events": numberless(told)}


def in_one_row(desk: MemoryDesk, key: TaskKey, lost: int) -> tuple[Any, ...]:
    status, attempt, failures, owned, waits, result, error = desk.task(key)
    return (*key, status, attempt, failures, lost, owned, waits, result, traceless(error))


def numberless(events: list[Any]) -> list[Any]:
    return [(run, 0, *rest) for run, _, *rest in events]


def traceless(error: dict[str, str] | None) -> dict[str, str] | None:
    return error and {name: value for name, value in error.items() if name != "trace"}


@pytest.mark.hypothesis
def test_both_stores_agree_through_any_history(store_pool, empty):
    """R01, R02, R12, R15, R25, Fault 45, Fault 46: submit, claim, duplicate, end, crash, cancel, retry, repair."""

    def begin() -> Lockstep:
        empty.execute(
            "delete from events; delete from tasks; delete from stages; delete from runs;"
            "delete from jobs; delete from sessions; delete from checkpoints; delete from outbox"
        )
        return Lockstep(PostgresDesk(store_pool, empty))

    run_state_machine_as_test(
        begin,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
